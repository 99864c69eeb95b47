/* tls: a stream wrapped around a stream. Nobody but it and its parts (tls_...) sees BearSSL.
 *
 * TLS 1.2, as a client. Nothing is sent over it before the server has proved who it is. Trust
 * comes, in this order, from pins, from nothing (where any is accepted) or from a CA file.
 * Sessions are resumed, so that a connection a cycle is cheap.
 *
 * There is room for one open connection in the program; while none is open, it costs no memory. */
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

/* Longest time for which a session that was verified is resumed, in milliseconds. */
#define TLS_SESSION_MS (60 * 60 * 1000)

/* Room for the parameters of a session. */
#define TLS_SESSION_BYTES 96

/* What is remembered of the last server that was verified. Parameters of a session are as secret as
 * what they protect: no copy is left behind. */
struct tls_session {
	bool known;
	int64_t verified_ms;
	time_t not_after;         /* of its certificate, where that matters; else 0 */
	struct file_version file; /* by which it was verified */
	unsigned char parameters[TLS_SESSION_BYTES]; /* secret */
};

struct tls {
	struct stream stream; /* must be first: the stream's functions find the rest behind it */
	struct trust trust;
	struct stream *inner; /* borrowed; NULL while closed */
	struct tls_session session;
	bool resumed;                  /* the open connection took up an earlier session */
	bool client_certificate_asked; /* the server asked for a certificate of ours; there is none */
	enum tls_reason reason;        /* of a failed tls_open(), until tls_close() */
};

/* A closed stream with that trust, whose strings and pins are borrowed for its life. */
struct tls tls_for(const struct trust *trust);

/* Shakes hands over `inner`, which is borrowed until tls_close(), and verifies the server.
 * After a failure `inner` is of no use any more, `reason` says what may help, and what the server
 * presented can be shown until tls_close().
 * FAIL_UNTRUSTED: the certificate. FAIL_TLS: the handshake. FAIL_FORMAT,
 * FAIL_TOO_BIG, FAIL_IO: also the CA file. FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED. */
enum fail tls_open(struct tls *tls, struct stream *inner, int64_t deadline_ms, struct failure *why);

/* Of the server's certificate, on a connection that did not take up an earlier session, or was refused
 * for its certificate: whether its key is of a kind that can be used, so that a pin helps; its SHA-256 in
 * hex; all of it that a person compares. */
bool tls_can_be_pinned(void);
void tls_append_pin(struct text *text);
void tls_append_certificate(struct text *text);

/* Tells the server that this is the end, without waiting, and forgets the connection; the session
 * is kept. Nothing happens where it is closed already. */
void tls_close(struct tls *tls);

#endif
