/* init: the duties of PID 1: stop signals, reload, reaping. Harmless in any other process. */
#ifndef QSTICKY_PROCESS_INIT_H
#define QSTICKY_PROCESS_INIT_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/wait.h"

struct init {
	struct stop stop; /* its fd is readable after SIGTERM or SIGINT */
	int event_fd;     /* readable after SIGHUP or SIGCHLD: call init_events() */
};

/* Blocks the signals and opens the descriptors. Call it once, before anything else.
 * FAIL_IO: no descriptors. */
enum fail init_start(struct init *init, struct failure *why);

/* Reaps every child that has ended (PID 1 inherits orphans). Returns whether a SIGHUP came. Never
 * blocks. */
bool init_events(const struct init *init);

#endif
