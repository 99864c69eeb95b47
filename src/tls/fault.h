/* tls_fault: why there is no TLS with a server.
 *
 * The sentences name no variable: which one may help, the caller knows by the reason.
 * A part of tls. */
#ifndef QSTICKY_TLS_FAULT_H
#define QSTICKY_TLS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

/* Why, as far as a setting of whoever asks may help. */
enum tls_reason {
	TLS_REASON_OTHER,   /* none of these; or nothing is wrong */
	TLS_REASON_CA_FILE, /* the CA file cannot be used */
	TLS_REASON_NO_CA_FILE, /* nothing could vouch for the certificate: neither a pin nor a CA file */
	TLS_REASON_NOT_PINNED,   /* the certificate is none of the pinned ones */
	TLS_REASON_NAME,         /* the certificate is for other names */
	TLS_REASON_CERTIFICATE,  /* the certificate is refused for what else the sentence says */
	TLS_REASON_UNKNOWN_SITE, /* the server knows no site of the name it was asked by */
	TLS_REASON_SILENT,       /* no answer: the port may be one for plain HTTP */
	TLS_REASON_PLAIN,        /* an answer in plain HTTP */
};

/* The server gave up with an alert (RFC 5246, section 7.2) in the handshake. `client_certificate_asked`: it
 * has asked for a certificate of ours. `name` is the one it was asked by; "": by none. */
enum tls_reason tls_fault_alert(int alert, bool client_certificate_asked, const char *name,
                                struct failure *why);

/* The stream below failed with FAIL_TIMEOUT or FAIL_CLOSED in the handshake; `silent`: before the server
 * said anything. */
enum tls_reason tls_fault_interrupted(enum fail f, bool silent, struct failure *why);

/* The engine gave up with `error`, one of BearSSL's. The server has sent `len` bytes, or more, that begin
 * with those at `first`: they may be no TLS at all. */
enum tls_reason tls_fault_engine(int error, const unsigned char *first, size_t len,
                                 struct failure *why);

#endif
