/* stop: wait for descriptors, under a deadline, and no longer than until a stop.
 *
 * Every wait of this program but the loop's own is in here, so that none is without a deadline and
 * none goes on after SIGTERM. */
#ifndef QSTICKY_BASE_STOP_H
#define QSTICKY_BASE_STOP_H

#include <poll.h>
#include <stdint.h>

#include "base/fail.h"

/* How a stop reaches a wait. */
struct stop {
	int fd; /* readable once a stop was asked for; -1: never */
};

/* Waits until one of the `count` descriptors in `fds` is ready, until `deadline_ms`, absolute and
 * monotonic. The first of them is kept for the stop's, whatever it held; a negative one is never ready.
 * FAIL_STOPPED, FAIL_TIMEOUT; FAIL_IO: poll(2) failed. */
enum fail stop_poll(const struct stop *stop, struct pollfd *fds, nfds_t count, int64_t deadline_ms,
                    struct failure *why);

/* The same for one descriptor and its `events`. */
enum fail stop_wait(const struct stop *stop, int fd, short events, int64_t deadline_ms,
                    struct failure *why);

/* Sleeps until `due_ms`. FAIL_STOPPED if a stop comes first, else FAIL_NONE. */
enum fail stop_sleep(const struct stop *stop, int64_t due_ms, struct failure *why);

#endif
