/* sandbox_calls: limits the system calls (seccomp).
 *
 * A part of sandbox. The list depends on the phase only, not on the configuration. */
#ifndef QSTICKY_PROCESS_SANDBOX_CALLS_H
#define QSTICKY_PROCESS_SANDBOX_CALLS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "process/sandbox_phase.h"

/* Most instructions of a filter. */
#define SANDBOX_FILTER_MAX 128

/* Builds the filter of a phase. Returns the number of its instructions. */
size_t sandbox_calls_filter(struct sock_filter filter[static SANDBOX_FILTER_MAX],
                            enum sandbox_phase phase);

/* From now on, any call outside the phase's list ends the process by SIGSYS. Requires no_new_privs.
 * False: no seccomp, and errno says why. */
bool sandbox_calls_limit(enum sandbox_phase phase);

#endif
