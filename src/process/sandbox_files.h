/* sandbox_files: limits the files, and forbids binding TCP ports (Landlock).
 *
 * A part of sandbox. */
#ifndef QSTICKY_PROCESS_SANDBOX_FILES_H
#define QSTICKY_PROCESS_SANDBOX_FILES_H

#include <stdbool.h>

#include "base/fail.h"
#include "config/config.h"
#include "process/sandbox_phase.h"

/* From now on, only files of `config` and of the resolver may be read; those of CAs only where TLS may be
 * used. Only those that the phase writes may be written. With `read_all` every file may be read. Makes the
 * directories to write to, if there is Landlock. Requires no_new_privs. Returns Landlock's ABI, or 0: none,
 * and errno says why.
 *
 * A rule belongs to a directory, not to its name. A directory that is made or replaced later has no rule.
 * `/` and /etc never have one. For files that rarely change, neither have /home, /root, /run, /tmp, /usr
 * and /var: there only the named file may be read. A parent directory has a rule only above the port
 * file's, and only below /tmp, where directories come and go. Elsewhere, and in /tmp itself, a new
 * directory of the port file stays closed until a restart. */
int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all);

/* Whether only these rules prevent reading the file at `path`: it exists, its modes allow it, and no
 * rule covers it. A restart would then make a rule. Never blocks. */
bool sandbox_files_hide(const char *path);

/* Sets `why` for such a file. Returns FAIL_IO. */
enum fail sandbox_files_explain(struct failure *why, const char *path);

#endif
