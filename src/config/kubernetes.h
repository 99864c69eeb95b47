/* kubernetes: the variables that a pod has for each Service of its namespace.
 *
 * For a Service "qsticky-web" these are QSTICKY_WEB_SERVICE_HOST, QSTICKY_WEB_SERVICE_PORT,
 * QSTICKY_WEB_PORT=tcp://10.0.0.1:80, QSTICKY_WEB_PORT_80_TCP and more. They may have the name of a setting,
 * and are none. */
#ifndef QSTICKY_CONFIG_KUBERNETES_H
#define QSTICKY_CONFIG_KUBERNETES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `name`, of `len` bytes, is that of such a variable: its Service's _SERVICE_HOST is in `environment`. */
bool kubernetes_names(char *const environment[], const char *name, size_t len);

/* Whether `value` is such a variable's, too: a URL. A person may give the variable another one. */
bool kubernetes_sets(char *const environment[], const char *name, const char *value);

#endif
