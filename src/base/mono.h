/* mono: monotonic milliseconds, for deadlines.
 *
 * Deadlines are absolute, so that waking early costs nothing and a sum of waits stays bounded. */
#ifndef QSTICKY_BASE_MONO_H
#define QSTICKY_BASE_MONO_H

#include <limits.h>
#include <stdint.h>

#include "base/now.h"

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

#endif
