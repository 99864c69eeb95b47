/* config_load: the environment, checked, into one struct. */
#ifndef QSTICKY_CONFIG_LOAD_H
#define QSTICKY_CONFIG_LOAD_H

#include <stddef.h>

#include "config/config.h"

/* Takes one sentence about one variable; `context` is the caller's. */
typedef void config_complain(void *context, const char *sentence);

/* Reads the variables of `environment` ("NAME=value", ended by NULL) into `config`. An unset or
 * empty variable has its default, bar QSTICKY_VPN_INTERFACE, of which empty means none. Returns how
 * many are wrong; each of those is told to `complain` (never with a secret's value) and has its
 * default in `config`. */
size_t config_load(struct config *config, char *const environment[], config_complain *complain,
                   void *context);

/* Tells `complain` of each QSTICKY_ variable that this version does not know: most often a
 * misspelling. Not an error. */
void config_unknown(char *const environment[], config_complain *complain, void *context);

#endif
