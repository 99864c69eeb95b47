/* login_store: the login budget in a file next to the health file, shared by all commands.
 *
 * The file holds counts, times and salted digests, but no user name or password. Its mode is 0600.
 * A command holds its lock (flock(2)) from before a login until after the verdict.
 *
 * The file is written in place, in one write, and always has the same length. So the lock stays on
 * the same file, and a kill leaves the old content or the new. */
#ifndef QSTICKY_SIDECAR_LOGIN_STORE_H
#define QSTICKY_SIDECAR_LOGIN_STORE_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/login_budget.h"
#include "tls/digest.h"

/* Appended to the health file's path. */
#define LOGIN_STORE_SUFFIX ".login"

/* Longest content, in bytes. A longer file is damaged. */
#define LOGIN_STORE_MAX 1024

struct login_store {
	int fd;       /* -1: closed */
	bool is_kept; /* `fd` stays open: it was opened before the sandbox was entered */
	unsigned char salt[DIGEST_LEN]; /* salt of the digests in the file */
	char path[LIMITS_PATH_MAX + sizeof LOGIN_STORE_SUFFIX];
};

/* Makes a store next to the health file at `health_path`. Opens nothing yet. */
void login_store_start(struct login_store *store, const char *health_path);

/* Opens the file if it exists, and keeps it open. This is for a command that may not open it later:
 * root without capabilities, while the service has another user. */
void login_store_keep(struct login_store *store);

/* Opens or creates the file, locks it without waiting, and reads it into `*budget`. A new or empty
 * file leaves the budget and the salt unchanged. End with login_store_unlock().
 * FAIL_HELD_BACK: another process holds the lock. FAIL_FORMAT: the file is damaged; it is locked,
 * and may be written. FAIL_IO: unusable, or not a regular file. */
enum fail login_store_lock(struct login_store *store, struct login_budget *budget,
                           struct failure *why);

/* Reads a file that login_store_lock() may not write. A missing or empty file, or one that is not
 * regular, leaves `*budget` unchanged. FAIL_FORMAT, FAIL_IO: the file holds something that cannot
 * be read. */
enum fail login_store_read_only(struct login_store *store, struct login_budget *budget,
                                struct failure *why);

/* Writes `budget` to the locked file. FAIL_IO. */
enum fail login_store_write(const struct login_store *store, const struct login_budget *budget,
                            struct failure *why);

/* Releases the lock, if it is held. */
void login_store_unlock(struct login_store *store);

/* Convert a budget to the content of the file, and back. The second returns whether the `len` bytes
 * are valid; if not, it changes nothing. */
void login_store_append(struct text *text, const struct login_budget *budget,
                        const unsigned char salt[static DIGEST_LEN]);
bool login_store_parse(const char *bytes, size_t len, struct login_budget *budget,
                       unsigned char salt[static DIGEST_LEN]);

#endif
