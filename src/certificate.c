#include "certificate.h"

#include <string.h>

#include "utc.h"

/* How RFC 5280 tags what need not be there (section 4.1). */
enum {
	TAG_VERSION = 0xa0,
	TAG_ISSUER_ID = 0x81,
	TAG_SUBJECT_ID = 0x82,
	TAG_EXTENSIONS = 0xa3,
};

#define IS_OID(part, ...)                                                                          \
	der_is(part, (const unsigned char[]){ __VA_ARGS__ },                                       \
	       sizeof(const unsigned char[]){ __VA_ARGS__ })

static int two_digits(const unsigned char *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return (at[0] - '0') * 10 + (at[1] - '0');
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ" (RFC 5280, section 4.1.2.5). */
static bool take_time(struct der_part *in, time_t *moment)
{
	enum { CENTURY, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };

	int field[FIELDS];
	struct der_part text;
	unsigned tag;
	size_t skip;

	if (!der_take(in, &tag, &text, NULL) || (tag != DER_UTC_TIME && tag != DER_TIME))
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
	if (IS_OID(oid, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07))
		return CERTIFICATE_P256;
	if (IS_OID(oid, 0x2b, 0x81, 0x04, 0x00, 0x22))
		return CERTIFICATE_P384;
	return CERTIFICATE_NO_CURVE;
}

/* An AlgorithmIdentifier, of a key or of a signature; only the former has a curve. */
static bool take_algorithm(struct der_part *in, enum certificate_algorithm *algorithm,
                           enum certificate_curve *curve)
{
	static const unsigned char pkcs1[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01 };
	static const unsigned char ecdsa[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04 };
	struct der_part inside, oid;

	if (!der_expect(in, DER_SEQUENCE, &inside) || !der_expect(&inside, DER_OID, &oid))
		return false;
	*algorithm = CERTIFICATE_OTHER;
	if (oid.len == sizeof pkcs1 + 1 && memcmp(oid.at, pkcs1, sizeof pkcs1) == 0) {
		unsigned which = oid.at[sizeof pkcs1];

		/* 1 is the key itself, 4 and 5 are MD5 and SHA-1, 10 is PSS, 11 to 14 SHA-2. */
		*algorithm = which == 1 || (which >= 11 && which <= 14) ? CERTIFICATE_RSA
		             : which == 4 || which == 5                 ? CERTIFICATE_SHA1
		             : which == 10                              ? CERTIFICATE_RSA_PSS
		                                                        : CERTIFICATE_OTHER;
	} else if (IS_OID(oid, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)) {
		*curve = curve_of(inside);
		*algorithm = *curve ? CERTIFICATE_EC : CERTIFICATE_EC_OTHER;
	} else if (oid.len >= sizeof ecdsa + 1 && memcmp(oid.at, ecdsa, sizeof ecdsa) == 0) {
		*algorithm = oid.at[sizeof ecdsa] == 1 ? CERTIFICATE_SHA1 : CERTIFICATE_EC;
	} else if (IS_OID(oid, 0x2b, 0x65, 0x70)) {
		*algorithm = CERTIFICATE_ED25519;
	}
	return true;
}

/* The whole bytes in a string of bits. */
static bool take_bits(struct der_part *in, struct der_part *bytes)
{
	if (!der_expect(in, DER_BITS, bytes) || bytes->len < 1 || bytes->at[0] != 0)
		return false;
	bytes->at++;
	bytes->len--;
	return true;
}

static bool take_unsigned(struct der_part *in, struct der_part *number)
{
	if (!der_expect(in, DER_INTEGER, number))
		return false;
	while (number->len > 0 && number->at[0] == 0) {
		number->at++;
		number->len--;
	}
	return number->len > 0;
}

static bool take_key(struct der_part *in, struct certificate *certificate)
{
	struct der_part key, bits, pair;

	if (!der_expect(in, DER_SEQUENCE, &key) ||
	    !take_algorithm(&key, &certificate->key, &certificate->curve) ||
	    !take_bits(&key, &bits))
		return false;
	certificate->point = bits;
	if (certificate->key != CERTIFICATE_RSA)
		return true;
	if (!der_expect(&bits, DER_SEQUENCE, &pair) ||
	    !take_unsigned(&pair, &certificate->modulus) ||
	    !take_unsigned(&pair, &certificate->exponent))
		return false;
	if (certificate->modulus.len > CERTIFICATE_RSA_MAX ||
	    certificate->exponent.len > CERTIFICATE_EXPONENT_MAX)
		certificate->key = CERTIFICATE_RSA_LONG;
	return true;
}

static bool parse_basic_constraints(struct certificate *certificate, struct der_part value)
{
	struct der_part inside, flag;

	if (!der_expect(&value, DER_SEQUENCE, &inside))
		return false;
	certificate->is_ca =
		der_expect(&inside, DER_BOOLEAN, &flag) && flag.len == 1 && flag.at[0] != 0;
	return true;
}

static bool parse_extended_key_usage(struct certificate *certificate, struct der_part value)
{
	struct der_part inside, oid;

	if (!der_expect(&value, DER_SEQUENCE, &inside))
		return false;
	certificate->for_server = false;
	while (der_expect(&inside, DER_OID, &oid))
		/* serverAuth, anyExtendedKeyUsage */
		if (IS_OID(oid, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01) ||
		    IS_OID(oid, 0x55, 0x1d, 0x25, 0x00))
			certificate->for_server = true;
	return inside.len == 0;
}

static bool parse_key_usage(struct certificate *certificate, struct der_part value)
{
	struct der_part bits;

	/* RFC 5280, section 4.2.1.3: keyCertSign is bit 5, counted from the first. */
	if (!der_expect(&value, DER_BITS, &bits) || bits.len < 2)
		return false;
	certificate->signs_certificates = bits.at[1] & 0x04;
	return true;
}

static bool parse_extension(struct certificate *certificate, struct der_part extension)
{
	struct der_part oid, value, unused;

	if (!der_expect(&extension, DER_OID, &oid))
		return false;
	(void)der_expect(&extension, DER_BOOLEAN, &unused); /* critical or not */
	if (!der_expect(&extension, DER_OCTETS, &value))
		return false;
	if (IS_OID(oid, 0x55, 0x1d, 0x13))
		return parse_basic_constraints(certificate, value);
	if (IS_OID(oid, 0x55, 0x1d, 0x0f))
		return parse_key_usage(certificate, value);
	if (IS_OID(oid, 0x55, 0x1d, 0x25))
		return parse_extended_key_usage(certificate, value);
	if (IS_OID(oid, 0x55, 0x1d, 0x1e))
		certificate->constrained = true;
	if (!IS_OID(oid, 0x55, 0x1d, 0x11))
		return true;
	/* Twice is not allowed, and which one would count is anybody's guess. */
	return !certificate->names.at && der_expect(&value, DER_SEQUENCE, &certificate->names);
}

static bool parse_extensions(struct certificate *certificate, struct der_part in)
{
	struct der_part list, extension;

	if (!der_expect(&in, DER_SEQUENCE, &list))
		return false;
	while (der_expect(&list, DER_SEQUENCE, &extension))
		if (!parse_extension(certificate, extension))
			return false;
	return list.len == 0;
}

static bool parse_signed_part(struct certificate *certificate, struct der_part in)
{
	struct der_part part, dates, extensions;
	bool has_version = der_expect(&in, TAG_VERSION, &part);
	unsigned tag;

	if (!der_expect(&in, DER_INTEGER, &part) || /* serial number */
	    !der_expect(&in, DER_SEQUENCE, &part) ||
	    !der_take(&in, &tag, &part, &certificate->issuer) || tag != DER_SEQUENCE ||
	    !der_expect(&in, DER_SEQUENCE, &dates) ||
	    !take_time(&dates, &certificate->not_before) ||
	    !take_time(&dates, &certificate->not_after) ||
	    !der_take(&in, &tag, &part, &certificate->subject) || tag != DER_SEQUENCE ||
	    !take_key(&in, certificate))
		return false;
	certificate->is_ca =
		!has_version && certificate_same(certificate->issuer, certificate->subject);
	certificate->signs_certificates = certificate->for_server = true;
	(void)der_expect(&in, TAG_ISSUER_ID, &part);
	(void)der_expect(&in, TAG_SUBJECT_ID, &part);
	if (in.len == 0)
		return true;
	return der_expect(&in, TAG_EXTENSIONS, &extensions) && in.len == 0 &&
	       parse_extensions(certificate, extensions);
}

bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len)
{
	struct der_part in = { der, len }, outer, signed_part, bits;
	enum certificate_curve none;

	*certificate = (struct certificate){ .whole = in };
	return der_expect(&in, DER_SEQUENCE, &outer) && in.len == 0 &&
	       der_expect(&outer, DER_SEQUENCE, &signed_part) &&
	       parse_signed_part(certificate, signed_part) &&
	       take_algorithm(&outer, &certificate->signature, &none) && take_bits(&outer, &bits) &&
	       outer.len == 0;
}

bool certificate_same(struct der_part a, struct der_part b)
{
	return a.len > 0 && der_is(a, b.at, b.len);
}

bool certificate_valid_at(const struct certificate *certificate, time_t moment)
{
	return certificate->not_before <= moment && moment <= certificate->not_after;
}
