/* sandbox: gives up every privilege that is not needed after the set-up.
 *
 * An attacker who takes over this process can only connect to other hosts and use the files that the
 * configuration names. Any other system call ends the process by SIGSYS. qsticky also works without the
 * sandbox, so a part that the kernel or Docker's profile lacks is left out:
 *
 * From Linux 3.5 on: no_new_privs, no capabilities, no core dump, few descriptors. Other processes of
 * the same user cannot read the memory (PR_SET_DUMPABLE).
 * From 3.5 on, if compiled in: seccomp, a list of system calls.
 * From 5.13 on: Landlock, which limits the files. It also forbids binding TCP ports (6.7) and
 * signals to others (6.12).
 *
 * Root without capabilities has no rights to the files of other users. */
#ifndef QSTICKY_PROCESS_SANDBOX_H
#define QSTICKY_PROCESS_SANDBOX_H

#include <stdbool.h>

#include "base/text.h"
#include "config/config.h"
#include "process/sandbox_phase.h"

/* The parts that are on. */
struct sandbox {
	bool off; /* QSTICKY_SANDBOX=false */
	bool no_capabilities;
	bool seccomp;
	int landlock; /* its ABI; 0: off */
};

/* Enters the sandbox, for good. First finish all calls that the phase forbids: netlink_listen() (it
 * binds), isatty(3), sigaction(2). If the phase writes health and metrics, their directories are made
 * first: afterwards they cannot be made again. Logs missing parts at DEBUG. */
struct sandbox sandbox_enter(const struct config *config, enum sandbox_phase phase);

/* Appends the parts, as in "seccomp, Landlock ABI 7, no capabilities". Returns whether all are on. */
bool sandbox_append(struct text *text, const struct sandbox *sandbox);

#endif
