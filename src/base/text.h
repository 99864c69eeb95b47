/* text: append to a buffer of fixed size.
 *
 * What does not fit is left out and remembered in `full`, so a caller may append many pieces and
 * look once. The buffer always ends in a NUL. Log lines, requests and the health file are all
 * put together with this. */
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

/* Appends `len` bytes as they are: all of them or, where they do not fit, none. */
void text_append_bytes(struct text *text, const void *bytes, size_t len);

/* Appends a string as it is: all of it or none. */
void text_append(struct text *text, const char *string);

/* Appends as printf does, of which it knows %s, %d, %u, %x, %X and %%, with -, 0, a width, a
 * precision for %s, and l, ll or z; cut at the capacity. */
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Appends an IPv4 address of 4 bytes or an IPv6 address of 16, in network order; the latter as RFC 5952,
 * section 4, has it. */
void text_append_ip(struct text *text, const unsigned char *ip, size_t len);

/* Append `len` bytes from outside so that they can do no harm, up to the last character that fits:
 * for a terminal, control characters and bytes that are not UTF-8 become \xNN; for the inside of a
 * JSON string (RFC 8259, section 7), escapes, and U+FFFD for bytes that are not UTF-8. */
void text_append_printable(struct text *text, const char *bytes, size_t len);
void text_append_json(struct text *text, const char *bytes, size_t len);

/* Writes it to `fd`, whole. Where that fails nobody is left to be told. */
void text_write(const struct text *text, int fd);

/* Where `string` (not empty) first is in the `len` bytes, or NULL. */
const char *text_find(const char *bytes, size_t len, const char *string);

/* Cuts the last name off an absolute path; false where only the root is left. */
bool text_cut_name(char *path);

#endif
