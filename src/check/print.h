/* check_print: prints the results of a check on stdout: one hop on each line, or all as one JSON
 * object. A hop is one of the tests. */
#ifndef QSTICKY_CHECK_PRINT_H
#define QSTICKY_CHECK_PRINT_H

#include <stdbool.h>

#include "sidecar/step.h"

/* Starts the output. Call it once per process, before the other functions. `json`: as one JSON
 * object. On a terminal, lines are in colour unless `environment` ("NAME=value", ended by NULL) has
 * a non-empty NO_COLOR or TERM=dumb. */
void check_print_start(bool json, char *const environment[]);

/* Prints the result `found` of the hop `name`. */
void check_print_hop(const char *name, const struct step *found);

/* Ends the output after the last hop. `ok`: no hop failed. */
void check_print_end(bool ok);

#endif
