#include "base/text.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Inlined in each of its 72 callers, it would take 0.8 KiB more. */
__attribute__((noinline)) struct text text_on(char *buf, size_t cap)
{
	buf[0] = '\0';
	return (struct text){ .buf = buf, .cap = cap };
}

struct text text_at_end(char *buf, size_t cap)
{
	return (struct text){ .buf = buf, .cap = cap, .len = strlen(buf) };
}

void text_append_bytes(struct text *text, const void *bytes, size_t len)
{
	if (len >= text->cap - text->len) {
		text->full = true;
		return;
	}
	memcpy(text->buf + text->len, bytes, len);
	text->len += len;
	text->buf[text->len] = '\0';
}

void text_append(struct text *text, const char *string)
{
	text_append_bytes(text, string, strlen(string));
}

/* Finds the longest run of zeros in an IPv6 address, the first of several. Returns its offset; `*len`
 * is its length in bytes, 0 if no run has two groups (RFC 5952, section 4.2). */
static size_t find_zeros(const unsigned char *ip, size_t *len)
{
	size_t found = 0, start = 0;

	*len = 0;
	for (size_t i = 0; i < 16; i += 2) {
		if (ip[i] || ip[i + 1])
			start = i + 2;
		else if (i + 2 - start > 2 && i + 2 - start > *len) {
			found = start;
			*len = i + 2 - start;
		}
	}
	return found;
}

void text_append_ip(struct text *text, const unsigned char *ip, size_t len)
{
	size_t zeros_len = 0, zeros = len == 16 ? find_zeros(ip, &zeros_len) : 0;

	/* inet_ntop() would link all of printf. */
	for (size_t i = 0; len == 4 && i < len; i++)
		text_printf(text, i > 0 ? ".%u" : "%u", (unsigned)ip[i]);
	for (size_t i = 0; len == 16 && i < len; i += 2) {
		if (zeros_len > 0 && i == zeros) {
			text_append(text, "::");
			i += zeros_len - 2;
		} else {
			text_printf(text, i > 0 && i != zeros + zeros_len ? ":%x" : "%x",
			            (unsigned)ip[i] << 8 | ip[i + 1]);
		}
	}
}

/* One conversion of a format, from '%' to its letter. */
struct conversion {
	bool left;
	bool zeros;
	size_t width;
	size_t most; /* most bytes of a string */
	unsigned longs;
	char letter;
};

static size_t parse_size(const char **format, va_list *args)
{
	size_t size = 0;

	if (**format == '*') {
		int given = va_arg(*args, int);

		++*format;
		return given > 0 ? (size_t)given : 0;
	}
	for (; **format >= '0' && **format <= '9'; ++*format)
		size = size * 10 + (size_t)(**format - '0');
	return size;
}

static struct conversion parse_conversion(const char **format, va_list *args)
{
	struct conversion c = { .most = SIZE_MAX };

	for (; **format == '-' || **format == '0'; ++*format) {
		c.left = c.left || **format == '-';
		c.zeros = c.zeros || **format == '0';
	}
	c.width = parse_size(format, args);
	if (**format == '.') {
		++*format;
		c.most = parse_size(format, args);
	}
	for (; **format == 'l' || **format == 'z'; ++*format)
		c.longs++; /* size_t is as long as long */
	c.letter = *(*format)++;
	return c;
}

/* Appends as many bytes as fit. */
static void append_cut(struct text *text, const char *bytes, size_t len)
{
	size_t room = text->cap - text->len - 1;

	if (len > room) {
		len = room;
		text->full = true;
	}
	memcpy(text->buf + text->len, bytes, len);
	text->len += len;
	text->buf[text->len] = '\0';
}

static void append_padded(struct text *text, const struct conversion *c, const char *bytes,
                          size_t len)
{
	size_t fill = c->width > len ? c->width - len : 0;

	for (; fill > 0 && !c->left; fill--)
		append_cut(text, c->zeros ? "0" : " ", 1);
	append_cut(text, bytes, len);
	for (; fill > 0; fill--)
		append_cut(text, " ", 1);
}

static void append_number(struct text *text, const struct conversion *c, unsigned long long number,
                          bool negative)
{
	unsigned base = c->letter == 'x' || c->letter == 'X' ? 16 : 10;
	const char *digits = c->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[24];
	char *at = buf + sizeof buf;

	do {
		*--at = digits[number % base];
		number /= base;
	} while (number > 0);
	if (negative)
		*--at = '-';
	append_padded(text, c, at, (size_t)(buf + sizeof buf - at));
}

static long long signed_arg(const struct conversion *c, va_list *args)
{
	return c->longs >= 2   ? va_arg(*args, long long)
	       : c->longs == 1 ? va_arg(*args, long)
	                       : va_arg(*args, int);
}

static unsigned long long unsigned_arg(const struct conversion *c, va_list *args)
{
	return c->longs >= 2   ? va_arg(*args, unsigned long long)
	       : c->longs == 1 ? va_arg(*args, unsigned long)
	                       : va_arg(*args, unsigned);
}

static void append_conversion(struct text *text, const struct conversion *c, va_list *args)
{
	const char *string;
	long long number;

	switch (c->letter) {
	case 's':
		string = va_arg(*args, const char *);
		append_padded(text, c, string, strnlen(string, c->most));
		break;
	case 'd':
		number = signed_arg(c, args);
		append_number(text, c,
		              number < 0 ? 0 - (unsigned long long)number
		                         : (unsigned long long)number,
		              number < 0);
		break;
	case 'u':
	case 'x':
	case 'X':
		append_number(text, c, unsigned_arg(c, args), false);
		break;
	default: /* '%' */
		append_cut(text, &c->letter, 1);
	}
}

/* vsnprintf(), with floating point and wide characters, would be an eighth of the program. */
void text_vprintf(struct text *text, const char *format, va_list args)
{
	va_list rest;

	va_copy(rest, args);
	while (*format) {
		size_t plain = 0;

		while (format[plain] && format[plain] != '%') /* too short for strcspn() */
			plain++;
		append_cut(text, format, plain);
		format += plain;
		if (*format) {
			struct conversion c;

			format++;
			c = parse_conversion(&format, &rest);
			append_conversion(text, &c, &rest);
		}
	}
	va_end(rest);
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_vprintf(text, format, args);
	va_end(args);
}

/* Length of the UTF-8 character at `bytes`, 0 if malformed (RFC 3629, section 4). Also 0 for the C1
 * controls, U+0080 to U+009F: some terminals obey them. */
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

bool text_is_utf8(const char *bytes, size_t len)
{
	size_t step = 1;

	for (size_t i = 0; i < len && step > 0; i += step)
		step = utf8_len(bytes + i, len - i);
	return step > 0;
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Appends the visible ASCII characters and blanks at the front, up to a quote or a backslash: nearly all
 * text is such. Returns their number. */
static size_t append_plain(struct text *text, const char *bytes, size_t len)
{
	size_t plain = 0;

	while (plain < len && bytes[plain] >= ' ' && bytes[plain] < 0x7f && bytes[plain] != '"' &&
	       bytes[plain] != '\\')
		plain++;
	append_cut(text, bytes, plain);
	return plain;
}

void text_append_printable(struct text *text, const char *bytes, size_t len)
{
	for (size_t i = append_plain(text, bytes, len); i < len && !text->full;) {
		size_t step = utf8_len(bytes + i, len - i);
		char buf[sizeof "\\xNN"];
		struct text escape = text_on(buf, sizeof buf);

		if (step > 0 && !is_control(bytes[i])) {
			text_append_bytes(text, bytes + i, step);
			i += step;
			continue;
		}
		text_printf(&escape, "\\x%02x", (unsigned)(unsigned char)bytes[i]);
		text_append(text, buf);
		i++;
	}
}

void text_append_json(struct text *text, const char *bytes, size_t len)
{
	for (size_t i = append_plain(text, bytes, len); i < len && !text->full;) {
		size_t step = utf8_len(bytes + i, len - i);
		char buf[sizeof "\\uNNNN"];
		struct text escape = text_on(buf, sizeof buf);

		if (step == 0) {
			text_append(text, "\\ufffd");
			i++;
		} else if (bytes[i] == '"' || bytes[i] == '\\') {
			char pair[] = { '\\', bytes[i++] };

			text_append_bytes(text, pair, sizeof pair);
		} else if (is_control(bytes[i])) {
			text_printf(&escape, "\\u%04x", (unsigned)(unsigned char)bytes[i++]);
			text_append(text, buf);
		} else {
			text_append_bytes(text, bytes + i, step);
			i += step;
		}
	}
}

bool text_is_alnum(char c, const char *others)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c && strchr(others, c));
}

/* memmem() is made for long strings and would add 1 KiB. */
const char *text_find(const char *bytes, size_t len, const char *string)
{
	size_t need = strlen(string);

	while (len >= need) {
		const char *at = memchr(bytes, string[0], len - need + 1);

		if (!at || memcmp(at, string, need) == 0)
			return at;
		len -= (size_t)(at + 1 - bytes);
		bytes = at + 1;
	}
	return NULL;
}

void text_write(const struct text *text, int fd)
{
	const char *next = text->buf;
	size_t left = text->len;

	while (left > 0) {
		ssize_t some = write(fd, next, left);

		if (some <= 0)
			return;
		next += some;
		left -= (size_t)some;
	}
}

bool text_cut_name(char *path)
{
	size_t len = strlen(path);

	if (len < 2)
		return false;
	while (len > 1 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	path[len] = '\0';
	return true;
}
