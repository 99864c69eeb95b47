/* file: put a small file in the place of another, so that readers see either of them whole. */
#ifndef QSTICKY_BASE_FILE_H
#define QSTICKY_BASE_FILE_H

#include "base/fail.h"
#include "base/text.h"

/* Writes `content` to the file at `path` (under LIMITS_PATH_MAX): to a temporary one beside it, which
 * is then renamed. Makes the directories that are missing. `what` names the file in `why`.
 * FAIL_IO: it cannot. FAIL_TOO_BIG: `content` is full, or the path too long. Then the old file is gone
 * or empty, or, where the file system refuses that too, as it was. */
enum fail file_write_atomically(const char *what, const char *path, const struct text *content,
                                struct failure *why);

/* Makes the directories above `path` that are missing, as far as that goes. */
void file_make_parents(const char *path);

#endif
