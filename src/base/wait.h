/* wait: the blocking waits of this program, but for the loop's own.
 *
 * Each has a deadline, and ends early on a stop (SIGTERM). */
#ifndef QSTICKY_BASE_WAIT_H
#define QSTICKY_BASE_WAIT_H

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
enum fail wait_any(const struct stop *stop, struct pollfd *fds, nfds_t count, int64_t deadline_ms,
                   struct failure *why);

/* The same for one descriptor and its `events`. */
enum fail wait_fd(const struct stop *stop, int fd, short events, int64_t deadline_ms,
                  struct failure *why);

/* Sleeps until `due_ms`. FAIL_STOPPED if a stop comes first, else FAIL_NONE. */
enum fail wait_until(const struct stop *stop, int64_t due_ms, struct failure *why);

#endif
