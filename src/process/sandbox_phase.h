/* sandbox_phase: what is still to be done once the sandbox is entered, by which it is chosen what that
 * takes. */
#ifndef QSTICKY_PROCESS_SANDBOX_PHASE_H
#define QSTICKY_PROCESS_SANDBOX_PHASE_H

#include <stdbool.h>

enum sandbox_phase {
	SANDBOX_RUN,   /* reconcile, and write the health */
	SANDBOX_ONCE,  /* reconcile */
	SANDBOX_CHECK, /* the same, and look at the health file */
	SANDBOX_JUDGE, /* read the health file, print, end */
};

/* gcov writes what it has counted when the process ends: that build does all but the last step, from
 * which on it could not (make coverage). */
#ifdef QSTICKY_COUNTS
#ifdef __OPTIMIZE__
#error "QSTICKY_COUNTS is for the build that counts"
#endif
#define SANDBOX_RESTRICTS false
#else
#define SANDBOX_RESTRICTS true
#endif

#endif
