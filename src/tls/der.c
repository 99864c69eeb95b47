#include "tls/der.h"

#include <string.h>

bool der_next(struct der_part *in, unsigned *tag, struct der_part *inside, struct der_part *whole)
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
	*inside = (struct der_part){ in->at + header, len };
	if (whole)
		*whole = (struct der_part){ in->at, header + len };
	in->at += header + len;
	in->len -= header + len;
	return true;
}

bool der_expect(struct der_part *in, unsigned wanted, struct der_part *inside)
{
	struct der_part before = *in;
	unsigned tag;

	if (der_next(in, &tag, inside, NULL) && tag == wanted)
		return true;
	*in = before;
	return false;
}

bool der_is(struct der_part part, const void *bytes, size_t len)
{
	return part.len == len && memcmp(part.at, bytes, len) == 0;
}
