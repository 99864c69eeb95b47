/* sidecar: the event loop. It runs a cycle whenever one is due. */
#ifndef QSTICKY_SIDECAR_SIDECAR_H
#define QSTICKY_SIDECAR_SIDECAR_H

#include "config/config.h"
#include "process/init.h"

/* Exit status if only loopback is left in this network namespace. A restart policy then moves this
 * container to the namespace that has replaced it. */
#define SIDECAR_EXIT_ORPHANED 3

/* Reconciles until a stop signal. Blocks all that time. Returns the exit status: 0 after a stop, 1
 * if it cannot go on, or SIDECAR_EXIT_ORPHANED. */
int sidecar_run(const struct config *config, struct init *init);

/* Reconciles once, without a health file. Blocks until the port source has settled, and for one
 * cycle, or for two if the port is closed. Returns the exit status: 0 in sync, 1 not.
 *
 * Logins are counted in the file that all commands share. If that file cannot be written, no login
 * is sent. */
int sidecar_once(const struct config *config, struct init *init);

#endif
