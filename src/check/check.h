/* check: walks once along all that has to hold for a peer to get through, and explains.
 *
 * It changes nothing: no setting is set, no file is written, a session that was opened is ended. */
#ifndef QSTICKY_CHECK_CHECK_H
#define QSTICKY_CHECK_CHECK_H

#include <stdbool.h>

#include "process/init.h"

/* Longest time for all hops, in milliseconds. */
#define CHECK_MS 15000

/* Reads the configuration from `environment` and prints what it finds, a hop a line or, with `json`, as
 * one JSON object. At most one login is sent; none where the health file says that the sidecar's was
 * refused lately. Returns the exit status: 0 all holds, 1 something does not or a stop came,
 * CHECK_EXIT_CONFIG. */
int check_run(char *const environment[], const struct init *init, bool json);

/* Exit status where the configuration is wrong. */
#define CHECK_EXIT_CONFIG 2

#endif
