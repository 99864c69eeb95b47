/* clock: what the time is, how much of it is left, and how it is written.
 *
 * now_ reads a clock: mostly no system call, since the kernel maps a function for it (vDSO).
 * mono_ counts monotonic milliseconds, for deadlines. These are absolute, so that waking early costs nothing
 * and a sum of waits stays bounded.
 * utc_ writes a moment as RFC 3339 does, in UTC, to the second: 2026-11-22T08:42:10Z. */
#ifndef QSTICKY_BASE_CLOCK_H
#define QSTICKY_BASE_CLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The clocks that are asked here exist since Linux 2.6.39. */
static inline struct timespec now_by(clockid_t clock)
{
	struct timespec now = { 0 };

#ifdef SYS_clock_gettime32
	/* On 32 bits libc makes a call that Docker before 20.10 forbids (EPERM), and takes the older
	 * one, whose time ends in 2038, only where the kernel does not know the new one (ENOSYS). */
	if (clock_gettime(clock, &now) < 0) {
		struct {
			long s, ns;
		} old = { 0, 0 };

		(void)syscall(SYS_clock_gettime32, clock, &old);
		now.tv_sec = old.s;
		now.tv_nsec = old.ns;
	}
#else
	(void)clock_gettime(clock, &now);
#endif
	return now;
}

/* Seconds since 1970. */
static inline time_t now_s(void)
{
	return now_by(CLOCK_REALTIME).tv_sec;
}

#define MONO_NEVER INT64_MAX

/* Milliseconds since some fixed moment; not moved by changes of the clock. */
static inline int64_t mono_now_ms(void)
{
	struct timespec now = now_by(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t mono_earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

/* What is left until `due_ms`, as poll() wants it: 0 when it has passed, -1 for MONO_NEVER. */
static inline int mono_left_ms(int64_t due_ms)
{
	int64_t left;

	if (due_ms == MONO_NEVER)
		return -1;
	left = due_ms - mono_now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Bytes for one moment with its NUL. */
#define UTC_MAX sizeof "2026-11-22T08:42:10Z"

/* The moment at which a clock in UTC shows this: years 0 to 9999, months from 1. What is too much for a
 * day, an hour or a month is carried over: 31 February is in March. */
time_t utc_moment(int year, int month, int day, int hour, int minute, int second);

/* Writes `moment` to `out`. A moment outside the years 0 to 9999 is written as year 0. */
void utc_format(char out[static UTC_MAX], time_t moment);

/* Reads exactly the form that utc_format() writes; false for anything else. */
bool utc_parse(const char *text, time_t *moment);

#endif
