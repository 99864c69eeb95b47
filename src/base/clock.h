/* clock: the time of day, deadlines, and moments as text.
 *
 * now_ reads a clock, usually without a system call (vDSO).
 * mono_ counts monotonic milliseconds, for deadlines. Deadlines are absolute: waking early costs
 * nothing, and several waits together stay bounded.
 * utc_ writes a moment as in RFC 3339, in UTC, to the second: 2026-11-22T08:42:10Z. */
#ifndef QSTICKY_BASE_CLOCK_H
#define QSTICKY_BASE_CLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The clocks that callers ask for exist since Linux 2.6.39. */
static inline struct timespec now_by(clockid_t clock)
{
	struct timespec now = { 0 };

#ifdef SYS_clock_gettime32
	/* On 32 bits libc tries clock_gettime64, which Docker before 20.10 forbids (EPERM). libc falls
	 * back to the older call, whose time ends in 2038, only on ENOSYS. So we do it here. */
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

/* Milliseconds since a fixed moment. Setting the clock does not change it. */
static inline int64_t mono_now_ms(void)
{
	struct timespec now = now_by(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t mono_earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Milliseconds left until `due_ms`, for poll(): 0 when it has passed, -1 for MONO_NEVER. */
static inline int mono_left_ms(int64_t due_ms)
{
	int64_t left;

	if (due_ms == MONO_NEVER)
		return -1;
	left = due_ms - mono_now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Bytes of a written moment, with its NUL. */
#define UTC_MAX sizeof "2026-11-22T08:42:10Z"

/* The moment of a date and time in UTC: years 0 to 9999, months from 1. Overflow carries over:
 * 31 February is in March. */
time_t utc_moment(int year, int month, int day, int hour, int minute, int second);

/* Writes `moment` to `out`. A moment outside the years 0 to 9999 is written as year 0. */
void utc_format(char out[static UTC_MAX], time_t moment);

/* Reads exactly the form that utc_format() writes; false for anything else. */
bool utc_parse(const char *text, time_t *moment);

#endif
