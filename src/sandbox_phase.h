/* sandbox_phase: what is still to be done once the sandbox is entered, by which it is chosen what that
 * takes. */
#ifndef QSTICKY_SANDBOX_PHASE_H
#define QSTICKY_SANDBOX_PHASE_H

enum sandbox_phase {
	SANDBOX_RUN,   /* reconcile, and write the health */
	SANDBOX_ONCE,  /* reconcile */
	SANDBOX_CHECK, /* the same, and look at the health file */
	SANDBOX_JUDGE, /* read the health file, print, end */
};

#endif
