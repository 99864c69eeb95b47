/* tls: a TLS 1.2 client, as a stream around a stream. Only the room tls sees BearSSL.
 *
 * No data is sent before the server has proved its identity. Pins come first; without pins,
 * `accepts_any` decides, and then the CA file. Sessions are resumed, so that one connection per
 * cycle stays cheap.
 *
 * Only one connection can be open in the program. While none is open, no memory is used. */
#ifndef QSTICKY_TLS_TLS_H
#define QSTICKY_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"
#include "net/tcp.h"
#include "tls/fault.h"
#include "tls/trust.h"

/* Longest time for which a verified session is resumed, in milliseconds. */
#define TLS_SESSION_MS (60 * 60 * 1000)

/* Room for the parameters of a session, in bytes. */
#define TLS_SESSION_BYTES 96

/* The last verified session. Its parameters are as secret as the data that they protect: no copy
 * may be left behind. */
struct tls_session {
	bool known;
	int64_t verified_ms;
	time_t not_after;         /* end of the certificate's validity; 0: not checked */
	struct file_version file; /* the CA file that it was verified with */
	unsigned char parameters[TLS_SESSION_BYTES]; /* secret */
};

struct tls {
	struct stream stream; /* must be first: the stream's functions cast it to struct tls */
	struct trust trust;
	struct stream *inner;          /* borrowed; NULL while closed */
	bool resumed;                  /* the open connection resumed an earlier session */
	bool client_certificate_asked; /* the server asked for a client certificate; we have none */
	enum tls_reason reason;        /* why tls_open() failed; valid until tls_close() */
	struct tls_session session;
};

/* Makes a closed stream. The strings and pins of `trust` are borrowed for its life. */
void tls_start(struct tls *tls, const struct trust *trust);

/* Does the handshake over `inner`, which is borrowed until tls_close(), and verifies the server.
 * After a failure `inner` is unusable, `reason` is set, and the server's certificate can be shown
 * until tls_close().
 * FAIL_UNTRUSTED: the certificate. FAIL_TLS: the handshake. FAIL_FORMAT, FAIL_TOO_BIG, FAIL_IO:
 * also the CA file. FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED. */
enum fail tls_open(struct tls *tls, struct stream *inner, int64_t deadline_ms, struct failure *why);

/* About the server's certificate: whether its key is supported, so that a pin helps; its SHA-256 in
 * hex; its names and dates for a person. Valid only if the connection was not resumed, or was
 * refused for its certificate. */
bool tls_can_be_pinned(void);
void tls_append_pin(struct text *text);
void tls_append_certificate(struct text *text);

/* Sends a TLS close without waiting, and forgets the connection but keeps the session. Does nothing
 * if closed. */
void tls_close(struct tls *tls);

#endif
