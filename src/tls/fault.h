/* tls_fault: explain why a TLS connection failed.
 *
 * The sentences name no variable. The caller knows by the reason which one may help. A part of
 * tls. */
#ifndef QSTICKY_TLS_FAULT_H
#define QSTICKY_TLS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

/* The sentence for a server that demands a client certificate: by which number of what. */
#define TLS_FAULT_CLIENT_CERTIFICATE                                                               \
	"%s %d: the server demands a client certificate (mutual TLS), which qsticky cannot present"

/* The reasons that a setting may help against. */
enum tls_reason {
	TLS_REASON_OTHER,        /* any other reason, or none */
	TLS_REASON_CA_FILE,      /* the CA file cannot be used */
	TLS_REASON_NO_CA_FILE,   /* there is neither a pin nor a CA file */
	TLS_REASON_NOT_PINNED,   /* the certificate matches no pin */
	TLS_REASON_NAME,         /* the certificate is for other names */
	TLS_REASON_CERTIFICATE,  /* another fault of the certificate */
	TLS_REASON_UNKNOWN_SITE, /* the server has no site of that name */
	TLS_REASON_SILENT,       /* no answer: the port may expect plain HTTP */
	TLS_REASON_PLAIN,        /* the answer is plain HTTP */
};

/* Explains an alert (RFC 5246, section 7.2) that the server sent in the handshake.
 * `client_certificate_asked`: it asked for a client certificate. `name`: the server name that we
 * sent; "": none. */
enum tls_reason tls_fault_alert(int alert, bool client_certificate_asked, const char *name,
                                struct failure *why);

/* Explains a FAIL_TIMEOUT or FAIL_CLOSED of the stream below in the handshake. `silent`: the server
 * had sent nothing. */
enum tls_reason tls_fault_interrupted(enum fail f, bool silent, struct failure *why);

/* Explains `error`, BearSSL's reason to give up. `first` holds the first `len` bytes that the
 * server sent: they may not be TLS at all. */
enum tls_reason tls_fault_engine(int error, const unsigned char *first, size_t len,
                                 struct failure *why);

#endif
