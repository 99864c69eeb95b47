/* sandbox: give up every privilege that is not needed once all is set up.
 *
 * Who takes over this process, through a fault in it, gets what is left: connections to other hosts,
 * the files that the configuration names, and an end by SIGSYS for whatever else it tries. Nothing
 * here is needed to do the job, so what a kernel, or Docker's own profile, lacks is left out:
 *
 *   no_new_privs, no capabilities, no core dump and nobody of the same user who looks into the
 *   memory (PR_SET_DUMPABLE), few descriptors: any kernel from 3.5 on;
 *   seccomp, a list of system calls: 3.5, where it is compiled in;
 *   Landlock, what may be read and written: 5.13. No TCP port: 6.7. No signals to others: 6.12.
 *
 * Root without capabilities has no rights to the files of others any more. */
#ifndef QSTICKY_PROCESS_SANDBOX_H
#define QSTICKY_PROCESS_SANDBOX_H

#include <stdbool.h>

#include "base/text.h"
#include "config/config.h"
#include "process/sandbox_phase.h"

/* What is on. */
struct sandbox {
	bool off; /* QSTICKY_SANDBOX=false */
	bool no_capabilities;
	bool seccomp;
	int landlock; /* its ABI; 0: it is not */
};

/* Enters it, for good. To be called when all that the phase's list of calls does not hold is done:
 * netlink_listen() (it binds), isatty(3), sigaction(2). Health and metrics directories are made first
 * where the phase writes there: afterwards they cannot be made again.
 * What is lacking is a line in the log, at DEBUG. */
struct sandbox sandbox_enter(const struct config *config, enum sandbox_phase phase);

/* Appends what is on, as in "seccomp, Landlock ABI 7, no capabilities". Returns whether all is. */
bool sandbox_append(struct text *text, const struct sandbox *sandbox);

#endif
