/* wait: all blocking waits except the main loop's.
 *
 * Each has a deadline and ends early on SIGTERM. */
#ifndef QSTICKY_BASE_WAIT_H
#define QSTICKY_BASE_WAIT_H

#include <poll.h>
#include <stdint.h>

#include "base/fail.h"

/* Tells a wait that the process should stop. */
struct stop {
	int fd; /* readable once SIGTERM or SIGINT came; -1: never */
};

/* Waits until one of the `count` descriptors in `fds` is ready, or until `deadline_ms` (absolute,
 * monotonic). `fds[0]` is overwritten with the stop's descriptor. A negative one is never ready.
 * FAIL_STOPPED, FAIL_TIMEOUT; FAIL_IO: poll(2) failed. */
enum fail wait_any(const struct stop *stop, struct pollfd *fds, nfds_t count, int64_t deadline_ms,
                   struct failure *why);

/* wait_any() for one descriptor and its `events`. */
enum fail wait_fd(const struct stop *stop, int fd, short events, int64_t deadline_ms,
                  struct failure *why);

/* Sleeps until `due_ms`. FAIL_STOPPED: a stop came first. */
enum fail wait_until(const struct stop *stop, int64_t due_ms, struct failure *why);

#endif
