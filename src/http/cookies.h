/* cookies: keeps a server's cookies and sends them back unchanged.
 *
 * One server, no paths, no dates. That is enough for a session cookie of any name and for those of
 * a proxy in front. */
#ifndef QSTICKY_HTTP_COOKIES_H
#define QSTICKY_HTTP_COOKIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Most cookies. One more replaces the oldest. */
#define COOKIES_COUNT 8

/* Longest "name=value", in bytes with its NUL. qBittorrent's are under 64. Longer ones are ignored. */
#define COOKIES_PAIR_MAX 512

struct cookies {
	size_t count;
	char pairs[COOKIES_COUNT][COOKIES_PAIR_MAX];
};

/* Sets or replaces a cookie by the value of a Set-Cookie header (RFC 6265, section 5.2), `len` bytes.
 * An empty value, or a Max-Age of 0 or less, removes it. Returns whether anything changed. */
bool cookies_set(struct cookies *cookies, const char *value, size_t len);

/* Appends the value of the Cookie header: "a=1; b=2". */
void cookies_append(const struct cookies *cookies, struct text *text);

#endif
