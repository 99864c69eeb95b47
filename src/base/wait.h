/* wait: all blocking waits except the main loop's.
 *
 * Each has a deadline and ends early on SIGTERM. Work that must be done before anything blocks can be
 * put off until the first wait. A server then works on a request meanwhile. */
#ifndef QSTICKY_BASE_WAIT_H
#define QSTICKY_BASE_WAIT_H

#include <poll.h>
#include <stdint.h>

#include "base/fail.h"

/* Tells a wait that the process should stop. */
struct stop {
	int fd; /* readable once SIGTERM or SIGINT came; -1: never */
};

typedef void wait_work(void *context);

/* Has `work` called once, with `context`: by the next wait below, or by wait_catch_up(). `work` must not
 * wait. Replaces work that was put off and not done yet. */
void wait_put_off(wait_work *work, void *context);

/* Does the work that was put off, if there is any. To be called before what may block without a wait of
 * this file: a read of a file, which may lie on a network, and the main loop's sleep. The kernel's own
 * answers (netlink, access(2), stat(2)) count as prompt. */
void wait_catch_up(void);

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
