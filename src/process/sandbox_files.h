/* sandbox_files: the files that are left, and no ports to bind (Landlock).
 *
 * A part of sandbox. */
#ifndef QSTICKY_PROCESS_SANDBOX_FILES_H
#define QSTICKY_PROCESS_SANDBOX_FILES_H

#include <stdbool.h>

#include "base/fail.h"
#include "config/config.h"
#include "process/sandbox_phase.h"

/* From now on files may be read, and those that the phase writes written, only where `config` or the
 * resolver has them, for good; with `read_all` every one may be read. Makes the directories that are
 * written to, where there is Landlock. With no_new_privs only. Returns Landlock's ABI, or 0: there is
 * none, and errno says why.
 *
 * A rule is on a directory as it is now, not on its name: one that comes later, or takes its place, has
 * none. No rule is on `/` or /etc, nor, for a file that rarely changes, on /home, /root, /run, /tmp, /usr or
 * /var: of those only the named file itself may be read. What is above a directory has none either, but for
 * the port file's where that is below /tmp, in which directories come and go. Elsewhere, and in /tmp itself,
 * a port file's directory that is made or replaced later stays closed, until a restart makes a rule for
 * it. */
int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all);

/* Whether it is these rules, and nothing else, that keep the file at `path` from being read: it is there,
 * its modes allow it, and it is in none of the directories that have a rule. A restart would then make
 * one. Never blocks. */
bool sandbox_files_hide(const char *path);

/* Says so. Returns FAIL_IO. */
enum fail sandbox_files_explain(struct failure *why, const char *path);

#endif
