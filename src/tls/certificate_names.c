#include "tls/certificate_names.h"

#include <string.h>

/* Longest name, or list of names, shown in a message, in bytes. */
#define SHOWN_MAX 112

/* Tags of the names that a certificate is for (RFC 5280, section 4.2.1.6). */
enum {
	TAG_DNS = 0x82,
	TAG_IP = 0x87,
};

/* ---- comparing names ---- */

/* Whether the string is UTF-8 or a subset of it. */
static bool is_utf8(unsigned tag)
{
	return tag == DER_UTF8 || tag == DER_PRINTABLE || tag == DER_IA5;
}

static unsigned lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20U : c;
}

static void skip_blanks(struct der_part *string)
{
	while (string->len > 0 && *string->at == ' ') {
		string->at++;
		string->len--;
	}
}

/* Returns the next character in lower case, or 256 at the end. A run of blanks counts as one;
 * blanks at the end are ignored. The caller has skipped leading blanks. */
static unsigned next_folded(struct der_part *string)
{
	const unsigned char *at = string->at;
	bool blank = string->len > 0 && *at == ' ';

	skip_blanks(string);
	if (string->len == 0)
		return 256;
	if (blank)
		return ' ';
	string->at++;
	string->len--;
	return lower(*at);
}

static bool same_string(struct der_part a, struct der_part b)
{
	unsigned one;

	skip_blanks(&a);
	skip_blanks(&b);
	do {
		one = next_folded(&a);
		if (one != next_folded(&b))
			return false;
	} while (one != 256);
	return true;
}

/* Compares two AttributeTypeAndValue. */
static bool same_attribute(struct der_part a, struct der_part b)
{
	struct der_part oid, other_oid, value, other;
	unsigned tag, other_tag;

	if (!der_expect(&a, DER_OID, &oid) || !der_expect(&b, DER_OID, &other_oid) ||
	    !der_is(oid, other_oid.at, other_oid.len) || !der_next(&a, &tag, &value, NULL) ||
	    !der_next(&b, &other_tag, &other, NULL) || a.len > 0 || b.len > 0)
		return false;
	if (is_utf8(tag) && is_utf8(other_tag))
		return same_string(value, other);
	return tag == other_tag && der_is(value, other.at, other.len);
}

bool certificate_same_name(struct der_part a, struct der_part b)
{
	struct der_part sets, other_sets, set, other_set, pair, other_pair;

	if (certificate_same(a, b))
		return true;
	if (!der_expect(&a, DER_SEQUENCE, &sets) || !der_expect(&b, DER_SEQUENCE, &other_sets))
		return false;
	while (sets.len > 0 && other_sets.len > 0) {
		if (!der_expect(&sets, DER_SET, &set) ||
		    !der_expect(&other_sets, DER_SET, &other_set))
			return false;
		while (set.len > 0 && other_set.len > 0)
			if (!der_expect(&set, DER_SEQUENCE, &pair) ||
			    !der_expect(&other_set, DER_SEQUENCE, &other_pair) ||
			    !same_attribute(pair, other_pair))
				return false;
		if (set.len > 0 || other_set.len > 0)
			return false;
	}
	return sets.len == 0 && other_sets.len == 0;
}

/* ---- matching a host ---- */

static bool same_letters(const unsigned char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower((unsigned char)b[i]))
			return false;
	return true;
}

static bool is_for(struct der_part pattern, const char *name)
{
	size_t len = strlen(name);
	const char *rest = strchr(name, '.');

	if (pattern.len == len && same_letters(pattern.at, name, len))
		return true;
	if (pattern.len < 3 || memcmp(pattern.at, "*.", 2) != 0 || !rest || rest == name)
		return false;
	return pattern.len - 1 == strlen(rest) &&
	       same_letters(pattern.at + 1, rest, pattern.len - 1);
}

static bool common_name_is_for(struct der_part subject, const char *name)
{
	struct der_part sets, set, pair, oid, value;
	unsigned tag;

	if (!der_expect(&subject, DER_SEQUENCE, &sets))
		return false;
	while (der_expect(&sets, DER_SET, &set))
		while (der_expect(&set, DER_SEQUENCE, &pair))
			if (der_expect(&pair, DER_OID, &oid) && DER_IS_OID(oid, "\x55\x04\x03") &&
			    der_next(&pair, &tag, &value, NULL) && is_utf8(tag) &&
			    is_for(value, name))
				return true;
	return false;
}

bool certificate_names_host(const struct certificate *certificate, const char *name)
{
	struct der_part names = certificate->names, one;
	unsigned tag;

	if (!names.at)
		return common_name_is_for(certificate->subject, name);
	while (der_next(&names, &tag, &one, NULL))
		if (tag == TAG_DNS && is_for(one, name))
			return true;
	return false;
}

bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len)
{
	struct der_part names = certificate->names, name;
	unsigned tag;

	while (der_next(&names, &tag, &name, NULL))
		if (tag == TAG_IP && len > 0 && der_is(name, ip, len))
			return true;
	return false;
}

/* ---- showing names ---- */

void certificate_append_oid(struct text *text, struct der_part oid)
{
	unsigned arc = 0;
	bool first = true;

	if (oid.len == 0 || oid.len > 32 || oid.at[oid.len - 1] >= 0x80) {
		text_append(text, "?");
		return;
	}
	for (size_t i = 0; i < oid.len; i++) {
		/* The first number holds the first two arcs (X.690, section 8.19.4). */
		arc = arc << 7 | (oid.at[i] & 0x7f);
		if (oid.at[i] >= 0x80)
			continue;
		if (first)
			text_printf(text, "%u.%u", arc < 80 ? arc / 40 : 2,
			            arc < 80 ? arc % 40 : arc - 80);
		else
			text_printf(text, ".%u", arc);
		first = false;
		arc = 0;
	}
}

static void append_string(struct text *text, unsigned tag, struct der_part value)
{
	switch (tag) {
	case DER_UTF8:
	case DER_NUMERIC:
	case DER_PRINTABLE:
	case DER_TELETEX:
	case DER_IA5:
		text_append_printable(text, (const char *)value.at, value.len);
		break;
	default:
		text_append(text, "?");
	}
}

/* The label of a common attribute (RFC 4519, section 2); NULL: not shown. */
static const char *label_of(struct der_part oid)
{
	static const char *const labels[] = {
		[3] = "CN", [6] = "C", [7] = "L", [8] = "ST", [10] = "O", [11] = "OU",
	};

	if (oid.len != 3 || oid.at[0] != 0x55 || oid.at[1] != 0x04)
		return NULL;
	return oid.at[2] < sizeof labels / sizeof labels[0] ? labels[oid.at[2]] : NULL;
}

/* Appends `shown`, with dots at its end if it was cut. */
static void append_shown(struct text *text, struct text *shown)
{
	if (shown->full && shown->len >= 3)
		memcpy(shown->buf + shown->len - 3, "...", 3);
	text_append(text, shown->len > 0 ? shown->buf : "(none)");
}

void certificate_append_name(struct text *text, struct der_part name)
{
	char buf[SHOWN_MAX];
	struct text shown = text_on(buf, sizeof buf);
	struct der_part sets, set, pair, oid, value;
	unsigned tag;

	if (!der_expect(&name, DER_SEQUENCE, &sets))
		sets.len = 0;
	while (der_expect(&sets, DER_SET, &set)) {
		while (der_expect(&set, DER_SEQUENCE, &pair)) {
			const char *label;

			if (!der_expect(&pair, DER_OID, &oid) ||
			    !der_next(&pair, &tag, &value, NULL))
				continue;
			label = label_of(oid);
			if (!label)
				continue;
			text_printf(&shown, "%s%s=", shown.len > 0 ? ", " : "", label);
			append_string(&shown, tag, value);
		}
	}
	append_shown(text, &shown);
}

void certificate_append_names(struct text *text, const struct certificate *certificate)
{
	char buf[SHOWN_MAX];
	struct text shown = text_on(buf, sizeof buf);
	struct der_part names = certificate->names, name;
	unsigned tag;

	while (der_next(&names, &tag, &name, NULL)) {
		if (tag != TAG_DNS && tag != TAG_IP)
			continue;
		if (shown.len > 0)
			text_append(&shown, ", ");
		if (tag == TAG_IP)
			text_append_ip(&shown, name.at, name.len);
		else
			text_append_printable(&shown, (const char *)name.at, name.len);
	}
	append_shown(text, &shown);
}
