#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct text text_on(char *buf, size_t cap)
{
	buf[0] = '\0';
	return (struct text){ .buf = buf, .cap = cap };
}

void text_add(struct text *text, const void *bytes, size_t len)
{
	if (len >= text->cap - text->len) {
		text->full = true;
		return;
	}
	memcpy(text->buf + text->len, bytes, len);
	text->len += len;
	text->buf[text->len] = '\0';
}

void text_puts(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
	size_t room = text->cap - text->len;
	int len = vsnprintf(text->buf + text->len, room, format, args);

	if (len < 0) {
		text->buf[text->len] = '\0';
		text->full = true;
	} else if ((size_t)len >= room) {
		text->len = text->cap - 1;
		text->full = true;
	} else {
		text->len += (size_t)len;
	}
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprintf(text, format, args);
	va_end(args);
}

/* Bytes in the UTF-8 character that starts here, or 0 where none does (RFC 3629, section 4). The
 * C1 controls, U+0080 to U+009F, count as none: some terminals obey them. */
static size_t utf8_len(const char *bytes, size_t left)
{
	const unsigned char *b = (const unsigned char *)bytes;
	size_t len = b[0] < 0x80   ? 1
	             : b[0] < 0xc2 ? 0
	             : b[0] < 0xe0 ? 2
	             : b[0] < 0xf0 ? 3
	             : b[0] < 0xf5 ? 4
	                           : 0;

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xc2 && b[1] < 0xa0) || (b[0] == 0xe0 && b[1] < 0xa0) ||
	    (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
	    (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return len;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

void text_add_printable(struct text *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !text->full;) {
		size_t step = utf8_len(bytes + i, len - i);
		char escape[sizeof "\\xNN"];

		if (step > 0 && !is_control(bytes[i])) {
			text_add(text, bytes + i, step);
			i += step;
			continue;
		}
		snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)bytes[i]);
		text_puts(text, escape);
		i++;
	}
}

void text_add_json(struct text *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !text->full;) {
		size_t step = utf8_len(bytes + i, len - i);
		char escape[sizeof "\\uNNNN"];

		if (step == 0) {
			text_puts(text, "\\ufffd");
			i++;
		} else if (bytes[i] == '"' || bytes[i] == '\\') {
			char pair[] = { '\\', bytes[i++] };

			text_add(text, pair, sizeof pair);
		} else if (is_control(bytes[i])) {
			snprintf(escape, sizeof escape, "\\u%04x",
			         (unsigned)(unsigned char)bytes[i++]);
			text_puts(text, escape);
		} else {
			text_add(text, bytes + i, step);
			i += step;
		}
	}
}
