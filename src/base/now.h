/* now: what the clocks show. Mostly no system call: the kernel maps a function for it (vDSO). */
#ifndef QSTICKY_BASE_NOW_H
#define QSTICKY_BASE_NOW_H

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

#endif
