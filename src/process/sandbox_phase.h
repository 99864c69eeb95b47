/* sandbox_phase: the work that is left after entering the sandbox; it decides what is allowed. */
#ifndef QSTICKY_PROCESS_SANDBOX_PHASE_H
#define QSTICKY_PROCESS_SANDBOX_PHASE_H

#include <stdbool.h>

enum sandbox_phase {
	SANDBOX_RUN,   /* reconcile, and write the health */
	SANDBOX_ONCE,  /* reconcile */
	SANDBOX_CHECK, /* reconcile, and read the health file */
	SANDBOX_JUDGE, /* read the health file, print, end */
};

/* gcov writes its counts when the process ends, which the sandbox would forbid. So that build skips the
 * last step of each limit (make coverage). */
#ifdef QSTICKY_COUNTS
#ifdef __OPTIMIZE__
#error "QSTICKY_COUNTS is for the build that counts"
#endif
#define SANDBOX_RESTRICTS false
#else
#define SANDBOX_RESTRICTS true
#endif

#endif
