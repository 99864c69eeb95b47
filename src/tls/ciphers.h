/* tls_ciphers: what TLS is made of here: suites, curves and hashes, none more linked in.
 *
 * A part of tls. */
#ifndef QSTICKY_TLS_CIPHERS_H
#define QSTICKY_TLS_CIPHERS_H

#include <bearssl.h>

/* SHA-2: of signatures, and of TLS itself. */
#define TLS_HASHES 4

struct tls_hash {
	int id; /* as in TLS and BearSSL */
	const br_hash_class *hash;
	const unsigned char *oid; /* as RSA signatures name it */
};

extern const struct tls_hash tls_hashes[TLS_HASHES];

/* Sets all of it, for TLS 1.2: ECDHE with RSA or ECDSA, AES-GCM or ChaCha20-Poly1305. */
void tls_ciphers_set(br_ssl_engine_context *engine);

#endif
