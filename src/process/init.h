/* init: PID 1 duties, which do no harm elsewhere: stop signals, reload, reaping. */
#ifndef QSTICKY_PROCESS_INIT_H
#define QSTICKY_PROCESS_INIT_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/wait.h"

struct init {
	struct stop stop; /* SIGTERM or SIGINT came: its fd is readable from then on */
	int event_fd;     /* SIGHUP or SIGCHLD came: call init_events() */
};

/* Blocks the signals and takes them over: once a process, before anything else.
 * FAIL_IO: no descriptors. */
enum fail init_start(struct init *init, struct failure *why);

/* Takes what `event_fd` announces: reaps every child that has ended (orphans become ours where we
 * are PID 1) and returns whether a SIGHUP came. Never blocks. */
bool init_events(const struct init *init);

#endif
