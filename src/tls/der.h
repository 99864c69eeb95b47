/* der: the elements of DER (X.690), one after the other.
 *
 * Every byte is hostile. Nothing is copied: what is taken is a part of what it was taken from. */
#ifndef QSTICKY_TLS_DER_H
#define QSTICKY_TLS_DER_H

#include <stdbool.h>
#include <stddef.h>

/* Some bytes, mostly elements. */
struct der_part {
	const unsigned char *at;
	size_t len;
};

/* Universal types. */
enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_NUMERIC = 0x12,
	DER_PRINTABLE = 0x13,
	DER_TELETEX = 0x14,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};

/* Takes the first element of `in`: its tag, of one of these types or any other, what is inside, and, unless
 * `whole` is NULL, all of it with its header. False at the end, and for what DER or this does not allow:
 * a length that is open or does not fit. */
bool der_next(struct der_part *in, unsigned *tag, struct der_part *inside, struct der_part *whole);

/* The same where only the tag `wanted` will do; `in` stays as it is where it is another. */
bool der_expect(struct der_part *in, unsigned wanted, struct der_part *inside);

/* Whether `part` is these bytes. */
bool der_is(struct der_part part, const void *bytes, size_t len);

/* The same for an object identifier, its bytes given one by one. */
#define DER_IS_OID(part, ...)                                                                      \
	der_is(part, (const unsigned char[]){ __VA_ARGS__ },                                       \
	       sizeof(const unsigned char[]){ __VA_ARGS__ })

#endif
