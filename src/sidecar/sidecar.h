/* sidecar: the one event loop, which has a cycle run when one is due. */
#ifndef QSTICKY_SIDECAR_SIDECAR_H
#define QSTICKY_SIDECAR_SIDECAR_H

#include "config/config.h"
#include "process/init.h"

/* Exit status where the network namespace has lost everything but loopback: a restart policy then
 * puts this container into the one that has taken its place. */
#define SIDECAR_EXIT_ORPHANED 3

/* Reconciles until a stop is asked for. Returns the exit status: 0 stopped, 1 cannot go on, or
 * SIDECAR_EXIT_ORPHANED. */
int sidecar_run(const struct config *config, struct init *init);

/* Reconciles once, without a health file. Returns the exit status: 0 in sync, 1 not. Logins are counted
 * in the file that all commands share; where it cannot be written, none is sent. */
int sidecar_once(const struct config *config, struct init *init);

#endif
