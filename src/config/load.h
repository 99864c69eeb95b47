/* config_load: reads the environment into one struct, and checks it. */
#ifndef QSTICKY_CONFIG_LOAD_H
#define QSTICKY_CONFIG_LOAD_H

#include <stddef.h>

#include "config/complaint.h"
#include "config/config.h"

/* Reads the variables of `environment` ("NAME=value", ended by NULL) into `config`. An unset or
 * empty variable has its default. What cannot be part of a value (config_value_trim()) is cut off in the
 * environment, also by config_ignored(). Returns how many are wrong. Each of those has its default in
 * `config`, and `complain` gets a sentence about it, never with a secret's value. */
size_t config_load(struct config *config, char *const environment[], config_complain *complain,
                   void *context);

/* Calls `complain` for each variable that is ignored: a QSTICKY_ variable that this version does not know,
 * most often a misspelling, and a name of 2.x whose value does not fit. Not an error. */
void config_ignored(char *const environment[], config_complain *complain, void *context);

/* Calls `complain` for each variable that is no setting, although it has the name of one, since Kubernetes has
 * set it. */
void config_of_kubernetes(char *const environment[], config_complain *complain, void *context);

#endif
