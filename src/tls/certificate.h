/* certificate: parse an X.509 certificate (RFC 5280), as far as qsticky needs it.
 *
 * Signatures are not verified here. Every byte is hostile: it comes from a peer that has not proved
 * its identity yet. */
#ifndef QSTICKY_TLS_CERTIFICATE_H
#define QSTICKY_TLS_CERTIFICATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls/der.h"

/* The algorithm of a key or of a signature. */
enum certificate_algorithm {
	CERTIFICATE_OTHER,
	CERTIFICATE_RSA,      /* PKCS#1; as a signature: with SHA-2 */
	CERTIFICATE_RSA_LONG, /* a key over the limits below, or its exponent is even or 1 */
	CERTIFICATE_RSA_PSS,
	CERTIFICATE_EC, /* as a key: on a curve below; as a signature: with SHA-2 */
	CERTIFICATE_EC_OTHER,
	CERTIFICATE_ED25519,
	CERTIFICATE_SHA1, /* a signature over SHA-1 or MD5, by any key */
};

/* Longest RSA key (4096 bits) and its longest exponent (nearly always 65537), in bytes. */
#define CERTIFICATE_RSA_MAX 512
#define CERTIFICATE_EXPONENT_MAX 4

/* Curves, by their number in TLS (RFC 8422, section 5.1.1). */
enum certificate_curve {
	CERTIFICATE_NO_CURVE = 0,
	CERTIFICATE_P256 = 23,
	CERTIFICATE_P384 = 24,
	CERTIFICATE_P521 = 25,
};

/* Hashes, by their number in TLS (RFC 5246, section 7.4.1.4.1). */
enum certificate_hash {
	CERTIFICATE_NO_HASH = 0,
	CERTIFICATE_SHA224 = 3,
	CERTIFICATE_SHA256 = 4,
	CERTIFICATE_SHA384 = 5,
	CERTIFICATE_SHA512 = 6,
};

/* No limit on the number of CAs below a CA. */
#define CERTIFICATE_ANY_DEPTH UINT_MAX

/* A parsed certificate. All parts are borrowed from the bytes that were parsed. */
struct certificate {
	struct der_part whole;
	struct der_part issuer; /* the encoded name, with its header */
	struct der_part subject;
	struct der_part names; /* content of the subjectAltName; `at` NULL: it has none */
	time_t not_before;
	time_t not_after;
	enum certificate_algorithm key;
	struct der_part modulus, exponent; /* CERTIFICATE_RSA and _LONG: without leading zeros */
	enum certificate_curve curve;      /* CERTIFICATE_EC */
	struct der_part point;

	enum certificate_algorithm signature; /* _OTHER if the signed part differs */
	enum certificate_hash hash;           /* of a signature with SHA-2 */
	struct der_part signed_part;          /* the signed bytes, with their header */
	struct der_part signature_bytes;

	bool is_ca;         /* says that it is a CA */
	bool is_old_root;   /* self-issued and of version 1, which cannot say that it is a CA */
	unsigned depth_max; /* most CAs between it and a server's certificate */
	bool signs_certificates; /* key usage allows it, or is absent */
	bool signs_handshakes;   /* key usage allows digitalSignature, or is absent */
	bool for_server;         /* extended key usage allows a server, or is absent */
	bool constrained;        /* has name constraints, which are not read */
	struct der_part unknown; /* OID of a critical extension that qsticky does not know */
};

/* Parses the `len` bytes at `der`, which must outlive `certificate`. False: they are not exactly
 * one certificate. */
bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len);

/* Whether both are present and equal, byte for byte. */
bool certificate_same(struct der_part a, struct der_part b);

/* Whether the certificate is valid at `moment`, by its dates. */
bool certificate_valid_at(const struct certificate *certificate, time_t moment);

#endif
