/* sandbox_calls: the system calls that are left (seccomp).
 *
 * A part of sandbox. What is left depends on the phase alone, not on the configuration. */
#ifndef QSTICKY_PROCESS_SANDBOX_CALLS_H
#define QSTICKY_PROCESS_SANDBOX_CALLS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "process/sandbox_phase.h"

/* Most instructions of a filter. */
#define SANDBOX_FILTER_MAX 128

/* Makes the filter of a phase; returns how many instructions it has. */
size_t sandbox_calls_filter(struct sock_filter filter[static SANDBOX_FILTER_MAX],
                            enum sandbox_phase phase);

/* From now on any call but those of the phase ends the process, by SIGSYS. With no_new_privs only. False:
 * there is no seccomp, and errno says why. */
bool sandbox_calls_limit(enum sandbox_phase phase);

#endif
