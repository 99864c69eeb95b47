/* text: appends to a buffer of fixed size.
 *
 * A piece that does not fit is left out and sets `full`. So a caller may append many pieces and check
 * once. The buffer always ends in a NUL. Log lines, requests and the health file are built with it. */
#ifndef QSTICKY_BASE_TEXT_H
#define QSTICKY_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *buf;  /* borrowed; NUL-terminated */
	size_t cap; /* bytes in buf, with the NUL; at least 1 */
	size_t len; /* bytes used, without the NUL */
	bool full;  /* something was left out */
};

/* An empty text on `buf` of `cap` bytes (at least 1). */
struct text text_on(char *buf, size_t cap);

/* The text that `buf` of `cap` bytes holds already, to append to. */
struct text text_at_end(char *buf, size_t cap);

/* Appends `len` bytes: all of them or, if they do not fit, none. */
void text_append_bytes(struct text *text, const void *bytes, size_t len);

/* Appends a string: all of it or none. */
void text_append(struct text *text, const char *string);

/* Appends as printf does; cuts at the capacity. Knows %s, %d, %u, %x, %X and %%, with -, 0, a width,
 * a precision for %s, and l, ll or z. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Appends an IPv4 address (4 bytes) or an IPv6 address (16 bytes, written as RFC 5952, section 4),
 * in network order. */
void text_append_ip(struct text *text, const unsigned char *ip, size_t len);

/* Append `len` bytes from outside, escaped, up to the last character that fits. For a terminal:
 * control characters and bytes that are not UTF-8 become \xNN. For the inside of a JSON string
 * (RFC 8259, section 7): JSON escapes, and U+FFFD for bytes that are not UTF-8. */
void text_append_printable(struct text *text, const char *bytes, size_t len);
void text_append_json(struct text *text, const char *bytes, size_t len);

/* Whether `c` is an ASCII letter, a digit, or one of `others`. */
bool text_is_alnum(char c, const char *others);

/* Whether the bytes are UTF-8. */
bool text_is_utf8(const char *bytes, size_t len);

/* Writes the whole text to `fd`; ignores errors. */
void text_write(const struct text *text, int fd);

/* The first place of `string` (not empty) in the `len` bytes, or NULL. */
const char *text_find(const char *bytes, size_t len, const char *string);

/* Cuts the last name off an absolute path. False: only the root is left. */
bool text_cut_name(char *path);

#endif
