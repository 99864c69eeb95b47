/* file: small files, read whole or replaced whole.
 *
 * Opening and reading are two steps: some callers open a file before the sandbox closes the directory, and
 * some keep it locked in between. */
#ifndef QSTICKY_BASE_FILE_H
#define QSTICKY_BASE_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"

/* Which symbolic links are followed. */
enum file_links {
	FILE_LINKS_ALL,
	FILE_LINKS_BENEATH, /* those that stay in the file's directory (base/beneath.h) */
	FILE_LINKS_NONE,    /* the file itself may be none; ELOOP */
};

/* Opens the file at `path` (absolute, under LIMITS_PATH_MAX) to read; never blocks, not even on a FIFO.
 * Returns the descriptor, which the caller closes. -1: errno says why. */
int file_open(const char *path, enum file_links links);

/* Asks what is open at `fd`; `path` names it in `why`. FAIL_IO: it cannot be asked. FAIL_FORMAT: it is no
 * regular file; `*status` is set. */
enum fail file_check(struct stat *status, int fd, const char *path, struct failure *why);

/* A version of a file: one that was changed or replaced has another. All 0: there is none. */
struct file_version {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct file_version file_version(const struct stat *status);

/* That of the file at `path` now; all 0 where there is none. */
struct file_version file_version_now(const char *path);

bool file_version_same(const struct file_version *a, const struct file_version *b);

/* Reads all that is open at `fd`, from its start, into `content`, which is empty and has the capacity that is
 * the limit. Of a pipe it reads what is there. `path` names the file in `why`, and `wanted` what it should
 * be. On failure, too, `content` has the length of what was read: a secret must be wiped.
 * FAIL_IO: unreadable. FAIL_TOO_BIG: over the limit. */
enum fail file_read(struct text *content, int fd, const char *path, const char *wanted,
                    struct failure *why);

/* Writes `content` to the file at `path` (under LIMITS_PATH_MAX): to a temporary one beside it, which
 * is then renamed, so that readers see either of them whole. Makes the directories that are missing.
 * `what` names the file in `why`. FAIL_IO: it cannot. FAIL_TOO_BIG: `content` is full, or the path too
 * long. Then the old file is gone or empty, or, where the file system refuses that too, as it was. */
enum fail file_write_atomically(const char *what, const char *path, const struct text *content,
                                struct failure *why);

/* Makes the directories above `path` that are missing, as far as that goes. */
void file_make_parents(const char *path);

#endif
