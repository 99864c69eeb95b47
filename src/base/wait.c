#include "base/wait.h"

#include <errno.h>

#include "base/clock.h"

static struct {
	wait_work *work; /* NULL: there is none */
	void *context;
} put_off;

void wait_put_off(wait_work *work, void *context)
{
	put_off.work = work;
	put_off.context = context;
}

void wait_catch_up(void)
{
	wait_work *work = put_off.work;

	put_off.work = NULL;
	if (work)
		work(put_off.context);
}

enum fail wait_any(const struct stop *stop, struct pollfd *fds, nfds_t count, int64_t deadline_ms,
                   struct failure *why)
{
	fds[0] = (struct pollfd){ .fd = stop->fd, .events = POLLIN };
	wait_catch_up();
	for (;;) {
		int left = mono_left_ms(deadline_ms);
		int ready = poll(fds, count, left);

		if (ready < 0 && errno != EINTR)
			return fail_errno(why, "poll");
		if (ready > 0 && fds[0].revents)
			return fail_set(why, FAIL_STOPPED, "stopped");
		/* At the deadline it ends, ready or not: a peer that never pauses must not outlast it. */
		if (ready > 0 && left != 0)
			return FAIL_NONE;
		if (left == 0 || mono_now_ms() >= deadline_ms)
			return fail_set(why, FAIL_TIMEOUT, "timed out");
	}
}

enum fail wait_fd(const struct stop *stop, int fd, short events, int64_t deadline_ms,
                  struct failure *why)
{
	struct pollfd fds[2] = { [1] = { .fd = fd, .events = events } };

	return wait_any(stop, fds, 2, deadline_ms, why);
}

enum fail wait_until(const struct stop *stop, int64_t due_ms, struct failure *why)
{
	enum fail f = wait_fd(stop, -1, 0, due_ms, why);

	return f == FAIL_TIMEOUT ? FAIL_NONE : f;
}
