/* tls_engine: what of BearSSL is used, none more linked in: suites, curves and hashes; keys and
 * signatures of certificates.
 *
 * A part of tls. */
#ifndef QSTICKY_TLS_ENGINE_H
#define QSTICKY_TLS_ENGINE_H

#include <bearssl.h>
#include <stdbool.h>

#include "base/fail.h"
#include "tls/certificate.h"

/* Sets suites, curves and hashes, for TLS 1.2: ECDHE with RSA or ECDSA, AES-GCM or
 * ChaCha20-Poly1305. */
void tls_engine_set_ciphers(br_ssl_engine_context *engine);

/* Gives it random numbers of the kernel. FAIL_IO: there are none. */
enum fail tls_engine_seed(br_ssl_engine_context *engine, struct failure *why);

/* Answers a server's request for a client certificate: there is none. That it has asked is noted, since
 * a refusal later on is likely to be about that. */
struct tls_client_certificate {
	const br_ssl_client_certificate_class *methods; /* must be first: what the engine calls */
	bool *asked; /* borrowed; set once the server has asked */
};

/* `methods` then goes to the engine. */
struct tls_client_certificate tls_client_certificate_for(bool *asked);

/* The key of a certificate, borrowed from it; false where it is of a kind that is not supported. */
bool tls_engine_key(br_x509_pkey *key, const struct certificate *certificate);

/* Whether `certificate` was signed with the key of `issuer`. Only that is looked at. False also
 * where the key or the signature is of a kind that is not supported. */
bool tls_engine_signature_holds(const struct certificate *certificate,
                                const struct certificate *issuer);

#endif
