/* base_limits: the longest host names and paths. */
#ifndef QSTICKY_BASE_LIMITS_H
#define QSTICKY_BASE_LIMITS_H

/* Longest host name (RFC 1035, section 2.3.4: 253 characters), with its NUL. */
#define LIMITS_HOST_MAX 256

/* Longest path, in bytes with its NUL. Shorter than PATH_MAX, to save stack: copies are kept there. */
#define LIMITS_PATH_MAX 1024

#endif
