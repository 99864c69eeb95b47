/* file: small files, read whole or replaced whole.
 *
 * Opening and reading are two steps. Some callers open a file before the sandbox closes its
 * directory; others lock it in between. */
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
	FILE_LINKS_BENEATH, /* only inside the file's directory (base/beneath.h) */
	FILE_LINKS_NONE,    /* a link as the last name fails with ELOOP */
};

/* Opens the file at `path` (absolute, under LIMITS_PATH_MAX) for reading; never blocks, not even on
 * a FIFO. Returns the descriptor, which the caller closes. -1: errno says why. */
int file_open(const char *path, enum file_links links);

/* Explains by errno why `path` could not be opened, or created if `write`. If its mode would allow it
 * to this user, the message suggests SELinux. Returns FAIL_IO. */
enum fail file_refused(struct failure *why, const char *path, bool write);

/* Checks that `fd` is a regular file and fills `status`; `path` names it in `why`.
 * FAIL_IO: fstat(2) failed. FAIL_FORMAT: not a regular file; `*status` is set nevertheless. */
enum fail file_check(struct stat *status, int fd, const char *path, struct failure *why);

/* Identifies a state of a file. It differs after a change or a replacement. All 0: no file. */
struct file_version {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct file_version file_version(const struct stat *status);

/* The present version of the file at `path`; all 0 if there is no file. */
struct file_version file_version_now(const char *path);

bool file_version_same(const struct file_version *a, const struct file_version *b);

/* Reads the whole file `fd` into `content`, which is empty and whose capacity is the limit. Reads a
 * pipe as far as it has data. In `why`, `path` names the file and `wanted` what it should hold. Also
 * after a failure `content->len` counts the bytes read, so that the caller can wipe a secret.
 * FAIL_IO: unreadable. FAIL_TOO_BIG: over the limit. */
enum fail file_read(struct text *content, int fd, const char *path, const char *wanted,
                    struct failure *why);

/* Writes `content` to a temporary file and renames it to `path` (under LIMITS_PATH_MAX). So readers
 * see the whole old file or the whole new one. Makes missing directories. `what` names the file in
 * `why`. FAIL_IO: not written. FAIL_TOO_BIG: `content` is full, or the path is too long.
 * After a failure the old file is removed or emptied, as far as the file system allows. */
enum fail file_write_atomically(const char *what, const char *path, const struct text *content,
                                struct failure *why);

/* Makes the missing directories above `path`; ignores errors. */
void file_make_parents(const char *path);

#endif
