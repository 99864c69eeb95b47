/* sandbox_files: the files that are left, and no ports to bind (Landlock).
 *
 * A part of sandbox. */
#ifndef QSTICKY_SANDBOX_FILES_H
#define QSTICKY_SANDBOX_FILES_H

#include <stdbool.h>

#include "config.h"
#include "sandbox_phase.h"

/* From now on files may be read, and those that the phase writes written, only where `config` or the
 * resolver has them, for good; with `read_all` every one may be read. Makes the directories that are
 * written to, where there is Landlock. With no_new_privs only. Returns Landlock's ABI, or 0: there is none, and errno says
 * why. */
int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all);

#endif
