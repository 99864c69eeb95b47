/* login_store: the login budget in a file beside the health file, shared by all commands.
 *
 * It holds counts, times, and salted digests: no user name, no password. Mode 0600. Whoever works on it
 * holds its lock (flock(2)), from before a login until after its verdict. It is written in place and
 * always has the same length, in one write: the lock stays on the same file, and a kill leaves the old
 * content or the new. */
#ifndef QSTICKY_SIDECAR_LOGIN_STORE_H
#define QSTICKY_SIDECAR_LOGIN_STORE_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/text.h"
#include "core/login_budget.h"
#include "tls/digest.h"

/* After the health file's path. */
#define LOGIN_STORE_SUFFIX ".login"

/* Room for its content, in bytes; a file that is longer is none. */
#define LOGIN_STORE_MAX 1024

struct login_store {
	char path[LIMITS_PATH_MAX + sizeof LOGIN_STORE_SUFFIX];
	int fd;       /* -1: closed */
	bool is_kept; /* `fd` was opened before the sandbox was entered, and stays open */
	unsigned char salt[DIGEST_LEN]; /* of the digests in it */
};

/* A store beside the health file at `health_path`. Nothing is opened yet. */
struct login_store login_store_beside(const char *health_path);

/* Opens the file if it is there, and keeps it open: for a command that may not do so later (root
 * without capabilities, beside a service of another user). */
void login_store_keep(struct login_store *store);

/* Opens the file, makes it if it is missing, locks it without waiting, and reads it into `*budget`;
 * a new or empty file leaves that and the salt as they are. End with login_store_unlock().
 * FAIL_HELD_BACK: another process holds the lock. FAIL_FORMAT: it is damaged, or no regular file; a
 * damaged one is locked, and may be written. FAIL_IO. */
enum fail login_store_lock(struct login_store *store, struct login_budget *budget,
                           struct failure *why);

/* Reads the file where login_store_lock() may not write to it. What is missing, empty or no regular file
 * leaves `*budget` as it is. FAIL_FORMAT, FAIL_IO: it holds something, and that cannot be known. */
enum fail login_store_read_only(struct login_store *store, struct login_budget *budget,
                                struct failure *why);

/* Writes `budget` to the locked file. FAIL_IO. */
enum fail login_store_write(const struct login_store *store, const struct login_budget *budget,
                            struct failure *why);

/* Gives the lock back; nothing happens without one. */
void login_store_unlock(struct login_store *store);

/* The content of the file for a budget, and back. The second returns whether the `len` bytes are such
 * a content; else it changes nothing. */
void login_store_append(struct text *text, const struct login_budget *budget,
                        const unsigned char salt[static DIGEST_LEN]);
bool login_store_parse(const char *bytes, size_t len, struct login_budget *budget,
                       unsigned char salt[static DIGEST_LEN]);

#endif
