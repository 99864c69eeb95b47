/* digest: SHA-256 over a few strings, salted and slow enough that guessing from it costs something. */
#ifndef QSTICKY_TLS_DIGEST_H
#define QSTICKY_TLS_DIGEST_H

#include <stddef.h>

/* Length of a salt, and of a digest, which is cut to it. */
#define DIGEST_LEN 16

/* The digest of `salt` and the `count` strings, each with its NUL. */
void digest_of(unsigned char digest[static DIGEST_LEN], const unsigned char salt[static DIGEST_LEN],
               const char *const strings[], size_t count);

/* A salt that no other start of a process has: from the random bytes that the kernel gives to each. */
void digest_salt(unsigned char salt[static DIGEST_LEN]);

#endif
