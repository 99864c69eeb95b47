/* now: what the clocks show.
 *
 * A system call each time: to find the function that the kernel maps into every program, which needs
 * none, would be a kilobyte of code, and a cycle asks some 30 times. */
#ifndef QSTICKY_NOW_H
#define QSTICKY_NOW_H

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The clocks that are asked here exist since Linux 2.6.39. */
static inline struct timespec now_by(clockid_t clock)
{
	struct timespec now = { 0 };

#ifdef __LP64__
	(void)syscall(SYS_clock_gettime, clock, &now);
#else
	/* The kernel's idea of the time may have 32 bits, libc's has 64. Old Docker forbids the call for
	 * that, and libc does not take the older one then. */
	if (clock_gettime(clock, &now) < 0) {
		struct {
			long s, ns;
		} old = { 0, 0 };

#ifdef SYS_clock_gettime32
		(void)syscall(SYS_clock_gettime32, clock, &old);
#endif
		now.tv_sec = old.s;
		now.tv_nsec = old.ns;
	}
#endif
	return now;
}

/* Seconds since 1970. */
static inline time_t now_s(void)
{
	return now_by(CLOCK_REALTIME).tv_sec;
}

#endif
