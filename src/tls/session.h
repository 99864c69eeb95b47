/* tls_session: what is remembered of the last server that was verified.
 *
 * Apart from tls_resume, since tls/tls.h has it, and nobody who includes that is to see BearSSL. */
#ifndef QSTICKY_TLS_SESSION_H
#define QSTICKY_TLS_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/file.h"

/* Longest time for which a session that was verified is resumed, in milliseconds. */
#define TLS_SESSION_MS (60 * 60 * 1000)

/* Room for the parameters of a session. */
#define TLS_SESSION_BYTES 96

/* What is remembered of the last server that was verified. */
struct tls_session {
	bool known;
	int64_t verified_ms;
	time_t not_after;         /* of its certificate, where that matters; else 0 */
	struct file_version file; /* by which it was verified */
	unsigned char parameters[TLS_SESSION_BYTES]; /* secret */
};

#endif
