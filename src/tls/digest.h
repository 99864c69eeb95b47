/* digest: a salted SHA-256 over some strings, slow enough to make guessing expensive. */
#ifndef QSTICKY_TLS_DIGEST_H
#define QSTICKY_TLS_DIGEST_H

#include <stddef.h>

/* Length of a salt and of a digest, which is truncated, in bytes. */
#define DIGEST_LEN 16

/* Computes the digest of `salt` and of the `count` strings, each with its NUL. */
void digest_of(unsigned char digest[static DIGEST_LEN], const unsigned char salt[static DIGEST_LEN],
               const char *const strings[], size_t count);

/* Makes a salt, different for each process, from the random bytes that the kernel gives to a new
 * process (AT_RANDOM). */
void digest_salt(unsigned char salt[static DIGEST_LEN]);

#endif
