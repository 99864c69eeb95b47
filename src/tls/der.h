/* der: read the elements of DER (X.690), one after another.
 *
 * Every byte is hostile. Nothing is copied: each part points into the bytes that it was read
 * from. */
#ifndef QSTICKY_TLS_DER_H
#define QSTICKY_TLS_DER_H

#include <stdbool.h>
#include <stddef.h>

/* Borrowed bytes, usually some elements. */
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

/* Reads the first element of `in`, of any tag, and moves `in` past it. `*inside` gets its content;
 * `*whole`, unless NULL, the element with its header. False: the end, or a length that is
 * indefinite or does not fit. */
bool der_next(struct der_part *in, unsigned *tag, struct der_part *inside, struct der_part *whole);

/* The same for the tag `wanted` only. False leaves `in` unchanged. */
bool der_expect(struct der_part *in, unsigned wanted, struct der_part *inside);

/* Whether `part` equals these bytes. */
bool der_is(struct der_part part, const void *bytes, size_t len);

/* The same for an object identifier, given as a string literal of its bytes. */
#define DER_IS_OID(part, bytes) der_is(part, bytes, sizeof(bytes) - 1)

#endif
