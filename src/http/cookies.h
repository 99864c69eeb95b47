/* cookies: what the server set, to be echoed as it was set.
 *
 * One server, no paths, no dates: enough for a session cookie of any name, and for the ones that a
 * proxy in front may add. */
#ifndef QSTICKY_HTTP_COOKIES_H
#define QSTICKY_HTTP_COOKIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Cookies kept; when one more comes, the one set longest ago goes. */
#define COOKIES_COUNT 8

/* Longest "name=value" kept, in bytes with a NUL. qBittorrent's are under 64; longer ones are not
 * a session of qBittorrent and are left out. */
#define COOKIES_PAIR_MAX 512

struct cookies {
	size_t count;
	char pairs[COOKIES_COUNT][COOKIES_PAIR_MAX];
};

/* Takes the value of one Set-Cookie header (RFC 6265, section 5.2), `len` bytes. A cookie of the
 * same name is replaced; an empty value or Max-Age of 0 or less removes it. Returns whether the
 * cookies are others than before. */
bool cookies_set(struct cookies *cookies, const char *value, size_t len);

/* Appends the value of the Cookie header: "a=1; b=2". */
void cookies_append(const struct cookies *cookies, struct text *text);

#endif
