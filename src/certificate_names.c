#include "certificate_names.h"

#include <string.h>

/* Bytes of a name, or of a list of names, that are shown. */
#define SHOWN_MAX 112

/* How names are tagged that a certificate is for (RFC 5280, section 4.2.1.6). */
enum {
	TAG_DNS = 0x82,
	TAG_IP = 0x87,
};

bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len)
{
	struct der_part names = certificate->names, name;
	unsigned tag;

	while (der_take(&names, &tag, &name, NULL))
		if (tag == TAG_IP && len > 0 && der_is(name, ip, len))
			return true;
	return false;
}

static void put_string(struct text *text, unsigned tag, struct der_part value)
{
	switch (tag) {
	case DER_UTF8:
	case DER_NUMERIC:
	case DER_PRINTABLE:
	case DER_TELETEX:
	case DER_IA5:
		text_add_printable(text, (const char *)value.at, value.len);
		break;
	default:
		text_puts(text, "?");
	}
}

/* The attributes that people know (RFC 4519, section 2); others are left out. */
static const char *label_of(struct der_part oid)
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

void certificate_put_name(struct text *text, struct der_part name)
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
			    !der_take(&pair, &tag, &value, NULL))
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
	struct der_part names = certificate->names, name;
	unsigned tag;

	while (der_take(&names, &tag, &name, NULL)) {
		if (tag != TAG_DNS && tag != TAG_IP)
			continue;
		if (shown.len > 0)
			text_puts(&shown, ", ");
		if (tag == TAG_IP)
			text_add_ip(&shown, name.at, name.len);
		else
			text_add_printable(&shown, (const char *)name.at, name.len);
	}
	put_shown(text, &shown);
}
