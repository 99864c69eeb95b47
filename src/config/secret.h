/* secret: a user name or password, from the environment or from a file.
 *
 * A file is read again each time, so a changed secret needs no restart.
 *
 * Secrets in the environment stay in memory, since the next login needs them. So do cookies and the key
 * of the TLS session, until the stop, and a 64-bit fingerprint of user name and password.
 * All else is wiped once it is sent: the content of secret files, requests, replies, TLS records.
 * There is no core dump, and no other process of the same user can read the memory
 * (src/process/sandbox.c). */
#ifndef QSTICKY_CONFIG_SECRET_H
#define QSTICKY_CONFIG_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

/* Longest user name or password, in bytes. */
#define SECRET_MAX 4096

/* Strings are borrowed. */
struct secret {
	const char *name;       /* the variable that has set `value`, or would */
	const char *value;      /* from the environment, or the default; at most SECRET_MAX bytes */
	const char *file;       /* the file named by the user, in place of `value`; NULL: none */
	const char *usual_file; /* a file used if it exists; NULL: none. It counts as missing in a
	                         * directory that we may not enter, and if it is unreadable and
	                         * `value` is "". The first such file is logged at DEBUG. */
	bool is_default;        /* `value` is the default */
	bool is_plain;          /* blanks and quotes around it are no part of it */
};

/* Room for a secret's file, in bytes: with a byte order mark, CR, LF and a NUL. */
#define SECRET_ROOM (SECRET_MAX + 6)

/* Room for two secrets. Costs only as much memory as they are long. */
struct secret_store {
	size_t used;
	char bytes[2 * SECRET_ROOM];
};

/* Sets `*value` to the secret. A secret from a file is stored in `store`, trimmed by config_value_trim().
 * Never blocks.
 * FAIL_IO: unreadable. FAIL_TOO_BIG: over SECRET_MAX, or a third one in `store`. FAIL_FORMAT: empty, of
 * several lines, or with a NUL. `why` names the file and never quotes it; for the last two its word is
 * FAIL_SECRET. */
enum fail secret_read(const struct secret *secret, struct secret_store *store, const char **value,
                      struct failure *why);

/* Where `value`, which secret_read() has set, comes from: the file's path, or the variable's name. */
const char *secret_origin(const struct secret *secret, const char *value);

/* What looks odd about a user name or password that was rejected, as a part of a sentence, such as "ends with a
 * blank". NULL: nothing. */
const char *secret_oddity(const char *value);

/* Wipes the secrets in `store`. */
void secret_forget(struct secret_store *store);

#endif
