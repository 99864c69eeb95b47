/* check_print: tells on stdout what a check has found: a hop a line, or all as one JSON object. */
#ifndef QSTICKY_CHECK_PRINT_H
#define QSTICKY_CHECK_PRINT_H

#include <stdbool.h>

#include "sidecar/step.h"

/* Once a process, before the others. Lines are in colour on a terminal, unless `environment`
 * ("NAME=value", ended by NULL) is against it. */
void check_print_start(bool json, char *const environment[]);

/* Tells what was found at the hop of that name. */
void check_print_hop(const char *name, const struct step *found);

/* There are no more. `ok`: all holds. */
void check_print_end(bool ok);

#endif
