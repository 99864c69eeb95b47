/* config_complaint: what is said of a value that a variable does not take. */
#ifndef QSTICKY_CONFIG_COMPLAINT_H
#define QSTICKY_CONFIG_COMPLAINT_H

#include "config/table.h"

/* Receives one sentence about one variable; `context` is the caller's. */
typedef void config_complain(void *context, const char *sentence);

/* Calls `complain` with the sentence about `value`, which `variable` has under `name`, one of its two: what is wrong,
 * what it takes instead and, of a URL given for a host, where its parts go. The value itself is never in it. */
void config_complaint(const struct config_variable *variable, const char *name, const char *value,
                      config_complain *complain, void *context);

#endif
