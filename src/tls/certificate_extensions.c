#include "tls/certificate_extensions.h"

#include <stdint.h>

static bool parse_basic_constraints(struct certificate *certificate, struct der_part value)
{
	struct der_part inside, flag, number;

	if (!der_expect(&value, DER_SEQUENCE, &inside))
		return false;
	certificate->is_ca =
		der_expect(&inside, DER_BOOLEAN, &flag) && flag.len == 1 && flag.at[0] != 0;
	if (der_expect(&inside, DER_INTEGER, &number)) {
		/* Negative; or with a zero in front that DER forbids, which would hide how small it is. */
		if (number.len < 1 || number.at[0] > 0x7f ||
		    (number.len > 1 && number.at[0] == 0 && number.at[1] <= 0x7f))
			return false;
		/* A number of more bytes is over any depth that is tried. */
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
		if (DER_IS_OID(oid, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01) ||
		    DER_IS_OID(oid, 0x55, 0x1d, 0x25, 0x00))
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

/* Whether critical policies can be left alone: which they are does not matter here, but some bring
 * qualifiers that would have to be understood, bar where they are published (RFC 5280, section
 * 4.2.1.4). */
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
			    !DER_IS_OID(oid, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01))
				return false;
		if (qualifiers.len > 0 || policy.len > 0)
			return false;
	}
	return policies.len == 0;
}

/* id-ce (RFC 5280, section 4.2.1), bar its last byte: 0 for another. */
static unsigned number_of(struct der_part oid)
{
	return oid.len == 3 && oid.at[0] == 0x55 && oid.at[1] == 0x1d ? oid.at[2] : 0;
}

/* `seen` has a bit for each number up to now: an extension may be there once. */
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
	case 14: /* the key's name */
	case 31: /* where revocations are published, which are not looked for */
	case 35: /* the name of the issuer's key */
		break;
	default:
		known = false;
	}
	if (critical && !known && !certificate->unknown.at)
		certificate->unknown = oid;
	return true;
}

bool certificate_parse_extensions(struct certificate *certificate, struct der_part in)
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
