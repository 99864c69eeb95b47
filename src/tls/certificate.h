/* certificate: read an X.509 certificate (RFC 5280) far enough to name it and to compare it.
 *
 * Whether a signature holds is not decided here. Every byte is hostile: a peer that has proved
 * nothing yet chose it. */
#ifndef QSTICKY_TLS_CERTIFICATE_H
#define QSTICKY_TLS_CERTIFICATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls/der.h"

/* What a key is of, or a signature is made with. */
enum certificate_algorithm {
	CERTIFICATE_OTHER,
	CERTIFICATE_RSA,      /* PKCS#1; of a signature: with SHA-2 */
	CERTIFICATE_RSA_LONG, /* a key over the limits below, or whose exponent is even or 1 */
	CERTIFICATE_RSA_PSS,
	CERTIFICATE_EC, /* of a key: on a curve below; of a signature: with SHA-2 */
	CERTIFICATE_EC_OTHER,
	CERTIFICATE_ED25519,
	CERTIFICATE_SHA1, /* a signature over SHA-1 or MD5, by whichever key */
};

/* Longest RSA key, in bytes: 4096 bits; and its exponent, which is 65537 nearly everywhere. */
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

/* No limit to the CAs below a CA. */
#define CERTIFICATE_ANY_DEPTH UINT_MAX

/* All parts are borrowed from the bytes that were parsed. */
struct certificate {
	struct der_part whole;
	struct der_part issuer; /* the encoded name, with its header */
	struct der_part subject;
	struct der_part names; /* inside of the subjectAltName; `at` NULL: there is none */
	time_t not_before;
	time_t not_after;
	enum certificate_algorithm key;
	struct der_part modulus, exponent; /* CERTIFICATE_RSA and _LONG: without zeros in front */
	enum certificate_curve curve;      /* CERTIFICATE_EC */
	struct der_part point;

	enum certificate_algorithm signature; /* as the signed part says too, else _OTHER */
	enum certificate_hash hash;           /* of a signature with SHA-2 */
	struct der_part signed_part;          /* what was signed, with its header */
	struct der_part signature_bytes;

	bool is_ca;       /* says so */
	bool is_old_root; /* of version 1, which cannot say so, and issued by itself, by its names */
	unsigned depth_max;      /* CAs that may be between it and a server's certificate */
	bool signs_certificates; /* its key usage, if there is one, allows that */
	bool signs_handshakes;   /* the same: digitalSignature */
	bool for_server;         /* its extended key usage, if there is one, allows a server */
	bool constrained;        /* it may vouch for some names only; which, is not looked at */
	struct der_part unknown; /* the OID of a critical extension that is not read here */
};

/* Reads the `len` bytes at `der`, which must outlive `certificate`. False where they are not
 * exactly one certificate. */
bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len);

/* Whether both are there and the same, byte for byte. */
bool certificate_same(struct der_part a, struct der_part b);

/* Whether `moment` is within the dates. */
bool certificate_valid_at(const struct certificate *certificate, time_t moment);

#endif
