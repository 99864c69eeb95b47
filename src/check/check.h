/* check: the command that tests once each thing needed for BitTorrent peers to connect, and
 * explains what is wrong.
 *
 * It sets no preference. It writes only the login budget (sidecar/login_store.h), and only for a
 * login. If it logged in, it logs out again. */
#ifndef QSTICKY_CHECK_CHECK_H
#define QSTICKY_CHECK_CHECK_H

#include <stdbool.h>

#include "process/init.h"

/* Reads the configuration from `environment`, takes all hops and prints the result. `json`: as one
 * JSON object; otherwise one hop on each line. A hop is one of the tests. Blocks for 15 s at most, or
 * for patience_cycle_ms() of a sidecar that runs and has found qBittorrent slow, and a moment for the
 * logout. Sends at most one login; none if the health file says that the sidecar's was refused
 * recently. Returns the exit status. 0: no hop failed. 1: a hop failed, or a stop came.
 * CHECK_EXIT_CONFIG. */
int check_run(char *const environment[], const struct init *init, bool json);

/* Exit status if the configuration is wrong. */
#define CHECK_EXIT_CONFIG 2

#endif
