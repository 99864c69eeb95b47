/* tls_engine: selects the parts of BearSSL to link: cipher suites, curves and hashes. Also checks
 * keys and signatures of certificates.
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

/* Seeds the engine with random numbers from the kernel. FAIL_IO: there are none. */
enum fail tls_engine_seed(br_ssl_engine_context *engine, struct failure *why);

/* Answers a server's request for a client certificate: we have none. Sets `*asked`, since a later
 * refusal is probably about that. */
struct tls_client_certificate {
	const br_ssl_client_certificate_class *methods; /* must be first: BearSSL's methods */
	bool *asked;                                    /* borrowed; set when the server asks */
};

/* Makes an answer; pass its `methods` to the engine. */
struct tls_client_certificate tls_client_certificate_for(bool *asked);

/* Sets `*key` to the certificate's key, borrowed from it. False: the algorithm is not supported. */
bool tls_engine_key(br_x509_pkey *key, const struct certificate *certificate);

/* Whether the key of `issuer` made the signature of `certificate`; nothing else is checked. False
 * also if an algorithm is not supported. */
bool tls_engine_signature_holds(const struct certificate *certificate,
                                const struct certificate *issuer);

#endif
