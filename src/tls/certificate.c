#include "tls/certificate.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"

/* Tags of the optional fields (RFC 5280, section 4.1). */
enum {
	TAG_VERSION = 0xa0,
	TAG_ISSUER_ID = 0x81,
	TAG_SUBJECT_ID = 0x82,
	TAG_EXTENSIONS = 0xa3,
};

static int two_digits(const unsigned char *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return (at[0] - '0') * 10 + (at[1] - '0');
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ" (RFC 5280, section 4.1.2.5). */
static bool parse_time(struct der_part *in, time_t *moment)
{
	enum { CENTURY, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };

	int field[FIELDS];
	struct der_part text;
	unsigned tag;
	size_t skip;

	if (!der_next(in, &tag, &text, NULL) || (tag != DER_UTC_TIME && tag != DER_TIME))
		return false;
	skip = tag == DER_UTC_TIME ? 2 : 0;
	if (text.len != 15 - skip || text.at[text.len - 1] != 'Z')
		return false;
	for (size_t i = skip / 2; i < FIELDS; i++) {
		field[i] = two_digits(text.at + 2 * i - skip);
		if (field[i] < 0)
			return false;
	}
	if (tag == DER_UTC_TIME)
		field[CENTURY] = field[YEAR] < 50 ? 20 : 19;
	if (field[MONTH] < 1 || field[MONTH] > 12 || field[DAY] < 1 || field[DAY] > 31 ||
	    field[HOUR] > 23 || field[MINUTE] > 59 || field[SECOND] > 60)
		return false;
	*moment = utc_moment(field[CENTURY] * 100 + field[YEAR], field[MONTH], field[DAY],
	                     field[HOUR], field[MINUTE], field[SECOND]);
	return true;
}

static enum certificate_curve curve_of(struct der_part parameters)
{
	struct der_part oid;

	if (!der_expect(&parameters, DER_OID, &oid))
		return CERTIFICATE_NO_CURVE;
	if (DER_IS_OID(oid, "\x2a\x86\x48\xce\x3d\x03\x01\x07"))
		return CERTIFICATE_P256;
	if (DER_IS_OID(oid, "\x2b\x81\x04\x00\x22"))
		return CERTIFICATE_P384;
	if (DER_IS_OID(oid, "\x2b\x81\x04\x00\x23"))
		return CERTIFICATE_P521;
	return CERTIFICATE_NO_CURVE;
}

/* Whether the OID is of PKCS#1 (RFC 3279, section 1.2; RFC 4055); its last byte says which one. */
static bool is_pkcs1(struct der_part oid)
{
	static const unsigned char pkcs1[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01 };

	return oid.len == sizeof pkcs1 + 1 && memcmp(oid.at, pkcs1, sizeof pkcs1) == 0;
}

/* Parses the AlgorithmIdentifier of a key. */
static bool parse_key_algorithm(struct der_part *in, struct certificate *certificate)
{
	struct der_part inside, oid;
	enum certificate_algorithm key = CERTIFICATE_OTHER;

	if (!der_expect(in, DER_SEQUENCE, &inside) || !der_expect(&inside, DER_OID, &oid))
		return false;
	if (is_pkcs1(oid)) {
		key = oid.at[oid.len - 1] == 1    ? CERTIFICATE_RSA
		      : oid.at[oid.len - 1] == 10 ? CERTIFICATE_RSA_PSS
		                                  : CERTIFICATE_OTHER;
	} else if (DER_IS_OID(oid, "\x2a\x86\x48\xce\x3d\x02\x01")) {
		certificate->curve = curve_of(inside);
		key = certificate->curve ? CERTIFICATE_EC : CERTIFICATE_EC_OTHER;
	} else if (DER_IS_OID(oid, "\x2b\x65\x70")) {
		key = CERTIFICATE_ED25519;
	}
	certificate->key = key;
	return true;
}

static void set_rsa_signature(struct certificate *certificate, unsigned which)
{
	/* Indexed by the last byte of the OID, from 11: sha256, sha384, sha512,
	 * sha224WithRSAEncryption. */
	static const enum certificate_hash hashes[] = { CERTIFICATE_SHA256, CERTIFICATE_SHA384,
		                                        CERTIFICATE_SHA512, CERTIFICATE_SHA224 };

	if (which >= 11 && which <= 14) {
		certificate->signature = CERTIFICATE_RSA;
		certificate->hash = hashes[which - 11];
	} else if (which == 10) {
		certificate->signature = CERTIFICATE_RSA_PSS;
	} else if (which == 4 || which == 5) { /* md5, sha1 */
		certificate->signature = CERTIFICATE_SHA1;
	}
}

/* Parses the AlgorithmIdentifier of the signature. The signed part must name the same one. */
static bool parse_signature_algorithm(struct der_part *in, struct der_part named,
                                      struct certificate *certificate)
{
	/* ecdsa-with-SHA2 (RFC 5758, section 3.2) without the last byte of the OID: 1 is
	 * SHA-224. */
	static const unsigned char ecdsa[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03 };
	struct der_part whole, inside, oid;
	unsigned tag;

	if (!der_next(in, &tag, &inside, &whole) || tag != DER_SEQUENCE ||
	    !der_expect(&inside, DER_OID, &oid))
		return false;
	if (!certificate_same(whole, named))
		return true;
	if (is_pkcs1(oid)) {
		set_rsa_signature(certificate, oid.at[oid.len - 1]);
	} else if (DER_IS_OID(oid, "\x2a\x86\x48\xce\x3d\x04\x01")) {
		certificate->signature = CERTIFICATE_SHA1;
	} else if (oid.len == sizeof ecdsa + 1 && memcmp(oid.at, ecdsa, sizeof ecdsa) == 0 &&
	           oid.at[sizeof ecdsa] >= 1 && oid.at[sizeof ecdsa] <= 4) {
		certificate->signature = CERTIFICATE_EC;
		certificate->hash = CERTIFICATE_SHA224 + oid.at[sizeof ecdsa] - 1;
	} else if (DER_IS_OID(oid, "\x2b\x65\x70")) {
		certificate->signature = CERTIFICATE_ED25519;
	}
	return true;
}

/* Parses a bit string that consists of whole bytes. */
static bool parse_bits(struct der_part *in, struct der_part *bytes)
{
	if (!der_expect(in, DER_BITS, bytes) || bytes->len < 1 || bytes->at[0] != 0)
		return false;
	bytes->at++;
	bytes->len--;
	return true;
}

static bool parse_unsigned(struct der_part *in, struct der_part *number)
{
	if (!der_expect(in, DER_INTEGER, number))
		return false;
	while (number->len > 0 && number->at[0] == 0) {
		number->at++;
		number->len--;
	}
	return number->len > 0;
}

/* Whether an RSA key with that exponent can sign. With 1, anybody can forge a signature. An even
 * exponent is invalid (RFC 8017, section 3.1: odd, and at least 3). */
static bool is_exponent(struct der_part exponent)
{
	return exponent.len <= CERTIFICATE_EXPONENT_MAX && exponent.at[exponent.len - 1] & 1 &&
	       (exponent.len > 1 || exponent.at[0] > 1);
}

static bool parse_key(struct der_part *in, struct certificate *certificate)
{
	struct der_part key, bits, pair;

	if (!der_expect(in, DER_SEQUENCE, &key) || !parse_key_algorithm(&key, certificate) ||
	    !parse_bits(&key, &bits))
		return false;
	certificate->point = bits;
	if (certificate->key != CERTIFICATE_RSA)
		return true;
	if (!der_expect(&bits, DER_SEQUENCE, &pair) ||
	    !parse_unsigned(&pair, &certificate->modulus) ||
	    !parse_unsigned(&pair, &certificate->exponent))
		return false;
	if (certificate->modulus.len > CERTIFICATE_RSA_MAX || !is_exponent(certificate->exponent))
		certificate->key = CERTIFICATE_RSA_LONG;
	return true;
}

/* ---- extensions (RFC 5280, section 4.2) ---- */

static bool parse_basic_constraints(struct certificate *certificate, struct der_part value)
{
	struct der_part inside, flag, number;

	if (!der_expect(&value, DER_SEQUENCE, &inside))
		return false;
	certificate->is_ca =
		der_expect(&inside, DER_BOOLEAN, &flag) && flag.len == 1 && flag.at[0] != 0;
	if (der_expect(&inside, DER_INTEGER, &number)) {
		/* Refuse a negative number, and a leading zero, which DER forbids: it would hide a
		 * small number. */
		if (number.len < 1 || number.at[0] > 0x7f ||
		    (number.len > 1 && number.at[0] == 0 && number.at[1] <= 0x7f))
			return false;
		/* A longer number is larger than any chain accepted here. */
		if (number.len == 1)
			certificate->depth_max = number.at[0];
	}
	return inside.len == 0;
}

static bool parse_extended_key_usage(struct certificate *certificate, struct der_part value)
{
	struct der_part inside, oid;

	if (!der_expect(&value, DER_SEQUENCE, &inside))
		return false;
	certificate->for_server = false;
	while (der_expect(&inside, DER_OID, &oid))
		/* serverAuth, anyExtendedKeyUsage */
		if (DER_IS_OID(oid, "\x2b\x06\x01\x05\x05\x07\x03\x01") ||
		    DER_IS_OID(oid, "\x55\x1d\x25\x00"))
			certificate->for_server = true;
	return inside.len == 0;
}

static bool parse_key_usage(struct certificate *certificate, struct der_part value)
{
	struct der_part bits;
	unsigned usages;

	if (!der_expect(&value, DER_BITS, &bits) || bits.len < 2 || bits.at[0] > 7)
		return false;
	usages = bits.at[1];
	if (bits.len == 2)
		usages = usages >> bits.at[0] << bits.at[0];
	/* RFC 5280, section 4.2.1.3: keyCertSign is bit 5, counted from the first. */
	certificate->signs_certificates = usages & 0x04;
	certificate->signs_handshakes = usages & 0x80;
	return true;
}

/* Whether critical policies can be ignored. Their identity does not matter here. A qualifier would
 * have to be understood, except a CPS pointer (RFC 5280, section 4.2.1.4). */
static bool are_plain_policies(struct der_part value)
{
	struct der_part policies, policy, oid, qualifiers, qualifier;

	if (!der_expect(&value, DER_SEQUENCE, &policies))
		return false;
	while (der_expect(&policies, DER_SEQUENCE, &policy)) {
		if (!der_expect(&policy, DER_OID, &oid))
			return false;
		if (!der_expect(&policy, DER_SEQUENCE, &qualifiers))
			qualifiers.len = 0;
		while (der_expect(&qualifiers, DER_SEQUENCE, &qualifier))
			if (!der_expect(&qualifier, DER_OID, &oid) ||
			    !DER_IS_OID(oid, "\x2b\x06\x01\x05\x05\x07\x02\x01"))
				return false;
		if (qualifiers.len > 0 || policy.len > 0)
			return false;
	}
	return policies.len == 0;
}

/* The last byte of an OID in id-ce (RFC 5280, section 4.2.1); 0 for any other OID. */
static unsigned number_of(struct der_part oid)
{
	return oid.len == 3 && oid.at[0] == 0x55 && oid.at[1] == 0x1d ? oid.at[2] : 0;
}

/* `seen` has a bit for each extension read so far: none may occur twice. */
static bool parse_extension(struct certificate *certificate, struct der_part extension,
                            uint64_t *seen)
{
	struct der_part oid, value, flag;
	bool critical = false, known = true;
	unsigned number;

	if (!der_expect(&extension, DER_OID, &oid))
		return false;
	if (der_expect(&extension, DER_BOOLEAN, &flag))
		critical = flag.len != 1 || flag.at[0] != 0;
	if (!der_expect(&extension, DER_OCTETS, &value) || extension.len > 0)
		return false;
	number = number_of(oid);
	if (number > 0 && number < 64) {
		if (*seen >> number & 1)
			return false;
		*seen |= (uint64_t)1 << number;
	}
	switch (number) {
	case 15:
		return parse_key_usage(certificate, value);
	case 17:
		return der_expect(&value, DER_SEQUENCE, &certificate->names);
	case 19:
		return parse_basic_constraints(certificate, value);
	case 37:
		return parse_extended_key_usage(certificate, value);
	case 30:
		certificate->constrained = true;
		known = false;
		break;
	case 32:
		known = !critical || are_plain_policies(value);
		break;
	case 14: /* subject key identifier */
	case 31: /* CRL distribution points: revocations are not checked */
	case 35: /* authority key identifier */
		break;
	default:
		known = false;
	}
	if (critical && !known && !certificate->unknown.at)
		certificate->unknown = oid;
	return true;
}

/* Parses the list of extensions in `in`. `certificate` must hold the values of a certificate
 * without any. False: malformed, or one extension occurs twice. */
static bool parse_extensions(struct certificate *certificate, struct der_part in)
{
	struct der_part list, extension;
	uint64_t seen = 0;

	if (!der_expect(&in, DER_SEQUENCE, &list))
		return false;
	while (der_expect(&list, DER_SEQUENCE, &extension))
		if (!parse_extension(certificate, extension, &seen))
			return false;
	return list.len == 0;
}

/* ---- the certificate ---- */

/* Sets `*algorithm` to the signature algorithm that the signed part names. */
static bool parse_signed_part(struct certificate *certificate, struct der_part in,
                              struct der_part *algorithm)
{
	struct der_part part, number, dates, extensions;
	bool has_version = der_expect(&in, TAG_VERSION, &part);
	unsigned tag;

	/* Version 3, the last one, is encoded as 2. */
	if (has_version &&
	    (!der_expect(&part, DER_INTEGER, &number) || number.len != 1 || number.at[0] > 2))
		return false;
	if (!der_expect(&in, DER_INTEGER, &part) || /* serial number */
	    !der_next(&in, &tag, &part, algorithm) || tag != DER_SEQUENCE ||
	    !der_next(&in, &tag, &part, &certificate->issuer) || tag != DER_SEQUENCE ||
	    !der_expect(&in, DER_SEQUENCE, &dates) ||
	    !parse_time(&dates, &certificate->not_before) ||
	    !parse_time(&dates, &certificate->not_after) ||
	    !der_next(&in, &tag, &part, &certificate->subject) || tag != DER_SEQUENCE ||
	    !parse_key(&in, certificate))
		return false;
	certificate->is_old_root =
		!has_version && certificate_same(certificate->issuer, certificate->subject);
	certificate->depth_max = CERTIFICATE_ANY_DEPTH;
	certificate->signs_certificates = certificate->signs_handshakes = true;
	certificate->for_server = true;
	(void)der_expect(&in, TAG_ISSUER_ID, &part);
	(void)der_expect(&in, TAG_SUBJECT_ID, &part);
	if (in.len == 0)
		return true;
	certificate->is_old_root = false; /* version 1 has no extensions */
	return der_expect(&in, TAG_EXTENSIONS, &extensions) && in.len == 0 &&
	       parse_extensions(certificate, extensions);
}

bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len)
{
	struct der_part in = { der, len }, outer, signed_part, algorithm;
	unsigned tag;

	*certificate = (struct certificate){ .whole = in };
	return der_expect(&in, DER_SEQUENCE, &outer) && in.len == 0 &&
	       der_next(&outer, &tag, &signed_part, &certificate->signed_part) &&
	       tag == DER_SEQUENCE && parse_signed_part(certificate, signed_part, &algorithm) &&
	       parse_signature_algorithm(&outer, algorithm, certificate) &&
	       parse_bits(&outer, &certificate->signature_bytes) && outer.len == 0;
}

bool certificate_same(struct der_part a, struct der_part b)
{
	return a.len > 0 && der_is(a, b.at, b.len);
}

bool certificate_valid_at(const struct certificate *certificate, time_t moment)
{
	return certificate->not_before <= moment && moment <= certificate->not_after;
}
