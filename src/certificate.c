#include "certificate.h"

#include <stdint.h>
#include <string.h>

#include "utc.h"

/* Bytes of a name, or of a list of names, that are shown. */
#define SHOWN_MAX 112

/* X.690: universal types, and how the choices of RFC 5280 are tagged. */
enum tag {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_BITS = 0x03,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_UTF8 = 0x0c,
	TAG_NUMERIC = 0x12,
	TAG_PRINTABLE = 0x13,
	TAG_TELETEX = 0x14,
	TAG_IA5 = 0x16,
	TAG_UTC_TIME = 0x17,
	TAG_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_DNS = 0x82,
	TAG_IP = 0x87,
	TAG_VERSION = 0xa0,
	TAG_ISSUER_ID = 0x81,
	TAG_SUBJECT_ID = 0x82,
	TAG_EXTENSIONS = 0xa3,
};

/* ---- DER ---- */

/* Takes the first element of `in`: its tag, what is inside, and all of it with its header. False at
 * the end, and for what DER or this does not allow: a length that is open or does not fit. */
static bool take(struct certificate_part *in, unsigned *tag, struct certificate_part *inside,
                 struct certificate_part *whole)
{
	size_t len, header = 2;

	if (in->len < 2 || (in->at[0] & 0x1f) == 0x1f)
		return false;
	*tag = in->at[0];
	len = in->at[1];
	if (len >= 0x80) {
		size_t more = len & 0x7f;

		if (more < 1 || more > 3 || in->len < 2 + more)
			return false;
		len = 0;
		for (size_t i = 0; i < more; i++)
			len = len << 8 | in->at[2 + i];
		header += more;
	}
	if (len > in->len - header)
		return false;
	*inside = (struct certificate_part){ in->at + header, len };
	if (whole)
		*whole = (struct certificate_part){ in->at, header + len };
	in->at += header + len;
	in->len -= header + len;
	return true;
}

/* The same where only `wanted` will do. */
static bool expect(struct certificate_part *in, unsigned wanted, struct certificate_part *inside)
{
	struct certificate_part before = *in;
	unsigned tag;

	if (take(in, &tag, inside, NULL) && tag == wanted)
		return true;
	*in = before;
	return false;
}

static bool is(struct certificate_part part, const void *bytes, size_t len)
{
	return part.len == len && memcmp(part.at, bytes, len) == 0;
}

#define IS_OID(part, ...)                                                                          \
	is(part, (const unsigned char[]){ __VA_ARGS__ },                                           \
	   sizeof(const unsigned char[]){ __VA_ARGS__ })

/* ---- the parts of a certificate ---- */

static int two_digits(const unsigned char *at)
{
	if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
		return -1;
	return (at[0] - '0') * 10 + (at[1] - '0');
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ" (RFC 5280, section 4.1.2.5). */
static bool take_time(struct certificate_part *in, time_t *moment)
{
	enum { CENTURY, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };

	int field[FIELDS];
	struct certificate_part text;
	unsigned tag;
	size_t skip;

	if (!take(in, &tag, &text, NULL) || (tag != TAG_UTC_TIME && tag != TAG_TIME))
		return false;
	skip = tag == TAG_UTC_TIME ? 2 : 0;
	if (text.len != 15 - skip || text.at[text.len - 1] != 'Z')
		return false;
	for (size_t i = skip / 2; i < FIELDS; i++) {
		field[i] = two_digits(text.at + 2 * i - skip);
		if (field[i] < 0)
			return false;
	}
	if (tag == TAG_UTC_TIME)
		field[CENTURY] = field[YEAR] < 50 ? 20 : 19;
	if (field[MONTH] < 1 || field[MONTH] > 12 || field[DAY] < 1 || field[DAY] > 31 ||
	    field[HOUR] > 23 || field[MINUTE] > 59 || field[SECOND] > 60)
		return false;
	*moment = utc_moment(field[CENTURY] * 100 + field[YEAR], field[MONTH], field[DAY],
	                     field[HOUR], field[MINUTE], field[SECOND]);
	return true;
}

static enum certificate_curve curve_of(struct certificate_part parameters)
{
	struct certificate_part oid;

	if (!expect(&parameters, TAG_OID, &oid))
		return CERTIFICATE_NO_CURVE;
	if (IS_OID(oid, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07))
		return CERTIFICATE_P256;
	if (IS_OID(oid, 0x2b, 0x81, 0x04, 0x00, 0x22))
		return CERTIFICATE_P384;
	return CERTIFICATE_NO_CURVE;
}

/* An AlgorithmIdentifier, of a key or of a signature; only the former has a curve. */
static bool take_algorithm(struct certificate_part *in, enum certificate_algorithm *algorithm,
                           enum certificate_curve *curve)
{
	static const unsigned char pkcs1[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01 };
	static const unsigned char ecdsa[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04 };
	struct certificate_part inside, oid;

	if (!expect(in, TAG_SEQUENCE, &inside) || !expect(&inside, TAG_OID, &oid))
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
static bool take_bits(struct certificate_part *in, struct certificate_part *bytes)
{
	if (!expect(in, TAG_BITS, bytes) || bytes->len < 1 || bytes->at[0] != 0)
		return false;
	bytes->at++;
	bytes->len--;
	return true;
}

static bool take_unsigned(struct certificate_part *in, struct certificate_part *number)
{
	if (!expect(in, TAG_INTEGER, number))
		return false;
	while (number->len > 0 && number->at[0] == 0) {
		number->at++;
		number->len--;
	}
	return number->len > 0;
}

static bool take_key(struct certificate_part *in, struct certificate *certificate)
{
	struct certificate_part key, bits, pair;

	if (!expect(in, TAG_SEQUENCE, &key) ||
	    !take_algorithm(&key, &certificate->key, &certificate->curve) ||
	    !take_bits(&key, &bits))
		return false;
	certificate->point = bits;
	if (certificate->key != CERTIFICATE_RSA)
		return true;
	if (!expect(&bits, TAG_SEQUENCE, &pair) || !take_unsigned(&pair, &certificate->modulus) ||
	    !take_unsigned(&pair, &certificate->exponent))
		return false;
	if (certificate->modulus.len > CERTIFICATE_RSA_MAX ||
	    certificate->exponent.len > CERTIFICATE_EXPONENT_MAX)
		certificate->key = CERTIFICATE_RSA_LONG;
	return true;
}

static bool parse_basic_constraints(struct certificate *certificate, struct certificate_part value)
{
	struct certificate_part inside, flag;

	if (!expect(&value, TAG_SEQUENCE, &inside))
		return false;
	certificate->is_ca =
		expect(&inside, TAG_BOOLEAN, &flag) && flag.len == 1 && flag.at[0] != 0;
	return true;
}

static bool parse_extended_key_usage(struct certificate *certificate, struct certificate_part value)
{
	struct certificate_part inside, oid;

	if (!expect(&value, TAG_SEQUENCE, &inside))
		return false;
	certificate->for_server = false;
	while (expect(&inside, TAG_OID, &oid))
		/* serverAuth, anyExtendedKeyUsage */
		if (IS_OID(oid, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01) ||
		    IS_OID(oid, 0x55, 0x1d, 0x25, 0x00))
			certificate->for_server = true;
	return inside.len == 0;
}

static bool parse_key_usage(struct certificate *certificate, struct certificate_part value)
{
	struct certificate_part bits;

	/* RFC 5280, section 4.2.1.3: keyCertSign is bit 5, counted from the first. */
	if (!expect(&value, TAG_BITS, &bits) || bits.len < 2)
		return false;
	certificate->signs_certificates = bits.at[1] & 0x04;
	return true;
}

static bool parse_extension(struct certificate *certificate, struct certificate_part extension)
{
	struct certificate_part oid, value, unused;

	if (!expect(&extension, TAG_OID, &oid))
		return false;
	(void)expect(&extension, TAG_BOOLEAN, &unused); /* critical or not */
	if (!expect(&extension, TAG_OCTETS, &value))
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
	return !certificate->names.at && expect(&value, TAG_SEQUENCE, &certificate->names);
}

static bool parse_extensions(struct certificate *certificate, struct certificate_part in)
{
	struct certificate_part list, extension;

	if (!expect(&in, TAG_SEQUENCE, &list))
		return false;
	while (expect(&list, TAG_SEQUENCE, &extension))
		if (!parse_extension(certificate, extension))
			return false;
	return list.len == 0;
}

static bool parse_signed_part(struct certificate *certificate, struct certificate_part in)
{
	struct certificate_part part, dates, extensions;
	bool has_version = expect(&in, TAG_VERSION, &part);
	unsigned tag;

	if (!expect(&in, TAG_INTEGER, &part) || /* serial number */
	    !expect(&in, TAG_SEQUENCE, &part) || !take(&in, &tag, &part, &certificate->issuer) ||
	    tag != TAG_SEQUENCE || !expect(&in, TAG_SEQUENCE, &dates) ||
	    !take_time(&dates, &certificate->not_before) ||
	    !take_time(&dates, &certificate->not_after) ||
	    !take(&in, &tag, &part, &certificate->subject) || tag != TAG_SEQUENCE ||
	    !take_key(&in, certificate))
		return false;
	certificate->is_ca =
		!has_version && certificate_same(certificate->issuer, certificate->subject);
	certificate->signs_certificates = certificate->for_server = true;
	(void)expect(&in, TAG_ISSUER_ID, &part);
	(void)expect(&in, TAG_SUBJECT_ID, &part);
	if (in.len == 0)
		return true;
	return expect(&in, TAG_EXTENSIONS, &extensions) && in.len == 0 &&
	       parse_extensions(certificate, extensions);
}

bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len)
{
	struct certificate_part in = { der, len }, outer, signed_part, bits;
	enum certificate_curve none;

	*certificate = (struct certificate){ .whole = in };
	return expect(&in, TAG_SEQUENCE, &outer) && in.len == 0 &&
	       expect(&outer, TAG_SEQUENCE, &signed_part) &&
	       parse_signed_part(certificate, signed_part) &&
	       take_algorithm(&outer, &certificate->signature, &none) && take_bits(&outer, &bits) &&
	       outer.len == 0;
}

/* ---- questions ---- */

bool certificate_same(struct certificate_part a, struct certificate_part b)
{
	return a.len > 0 && is(a, b.at, b.len);
}

bool certificate_valid_at(const struct certificate *certificate, time_t moment)
{
	return certificate->not_before <= moment && moment <= certificate->not_after;
}

bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len)
{
	struct certificate_part names = certificate->names, name;
	unsigned tag;

	while (take(&names, &tag, &name, NULL))
		if (tag == TAG_IP && len > 0 && is(name, ip, len))
			return true;
	return false;
}

/* ---- for a person ---- */

static void put_string(struct text *text, unsigned tag, struct certificate_part value)
{
	switch (tag) {
	case TAG_UTF8:
	case TAG_NUMERIC:
	case TAG_PRINTABLE:
	case TAG_TELETEX:
	case TAG_IA5:
	case TAG_DNS:
		text_add_printable(text, (const char *)value.at, value.len);
		break;
	default:
		text_puts(text, "?");
	}
}

/* The attributes that people know (RFC 4519, section 2); others are left out. */
static const char *label_of(struct certificate_part oid)
{
	static const char *const labels[] = {
		[3] = "CN", [6] = "C", [7] = "L", [8] = "ST", [10] = "O", [11] = "OU",
	};

	if (oid.len != 3 || oid.at[0] != 0x55 || oid.at[1] != 0x04)
		return NULL;
	return oid.at[2] < sizeof labels / sizeof labels[0] ? labels[oid.at[2]] : NULL;
}

/* Ends a text that was cut with dots, and moves it over. */
static void put_shown(struct text *text, struct text *shown)
{
	if (shown->full && shown->len >= 3)
		memcpy(shown->buf + shown->len - 3, "...", 3);
	text_puts(text, shown->len > 0 ? shown->buf : "(none)");
}

void certificate_put_name(struct text *text, struct certificate_part name)
{
	char buf[SHOWN_MAX];
	struct text shown = text_on(buf, sizeof buf);
	struct certificate_part sets, set, pair, oid, value;
	unsigned tag;

	if (!expect(&name, TAG_SEQUENCE, &sets))
		sets.len = 0;
	while (expect(&sets, TAG_SET, &set)) {
		while (expect(&set, TAG_SEQUENCE, &pair)) {
			const char *label;

			if (!expect(&pair, TAG_OID, &oid) || !take(&pair, &tag, &value, NULL))
				continue;
			label = label_of(oid);
			if (!label)
				continue;
			text_printf(&shown, "%s%s=", shown.len > 0 ? ", " : "", label);
			put_string(&shown, tag, value);
		}
	}
	put_shown(text, &shown);
}

void certificate_put_names(struct text *text, const struct certificate *certificate)
{
	char buf[SHOWN_MAX];
	struct text shown = text_on(buf, sizeof buf);
	struct certificate_part names = certificate->names, name;
	unsigned tag;

	while (take(&names, &tag, &name, NULL)) {
		if (tag != TAG_DNS && tag != TAG_IP)
			continue;
		if (shown.len > 0)
			text_puts(&shown, ", ");
		if (tag == TAG_IP)
			text_add_ip(&shown, name.at, name.len);
		else
			put_string(&shown, tag, name);
	}
	put_shown(text, &shown);
}
