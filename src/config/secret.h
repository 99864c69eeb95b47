/* secret: a user name or password, from the environment or from a file.
 *
 * A file is read anew each time, so that what was rotated needs no restart.
 *
 * What stays in memory: a secret that came by the environment, where the kernel has put it, since the
 * next login needs it; the session's cookies and a TLS session's key, until the stop; of user name and
 * password a fingerprint of 64 bits. All else is wiped as soon as it is sent: what was read from a file,
 * the request, the reply, the records of TLS. None of it gets into a core dump, nor is it to be seen by
 * another process of the same user (src/process/sandbox.c). */
#ifndef QSTICKY_CONFIG_SECRET_H
#define QSTICKY_CONFIG_SECRET_H

#include <stddef.h>

#include "base/fail.h"

/* Longest user name or password, in bytes. */
#define SECRET_MAX 4096

/* Strings are borrowed. */
struct secret {
	const char *value;      /* from the environment, or the default; at most SECRET_MAX bytes */
	const char *file;       /* where it is instead; NULL: not given */
	const char *usual_file; /* the same, if that file is there; NULL: not looked for. One in a
	                         * directory that is closed to us, and one that cannot be read where
	                         * `value` is "", is not there; the first of them is told at DEBUG */
};

/* Room for two secrets. Only as much of it is touched as they are long. */
struct secret_store {
	char bytes[2 * (SECRET_MAX + 2)];
	size_t used;
};

/* Gives the secret as a string, which lies in `store` if it came from a file, less one newline at
 * its end. Never blocks.
 * FAIL_IO: unreadable. FAIL_TOO_BIG: over SECRET_MAX, or a third in `store`. FAIL_FORMAT: empty,
 * or with a NUL in it. `why` names the file and holds nothing of what is in it. */
enum fail secret_read(const struct secret *secret, struct secret_store *store, const char **value,
                      struct failure *why);

/* Overwrites what was read. */
void secret_forget(struct secret_store *store);

#endif
