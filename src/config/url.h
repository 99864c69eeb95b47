/* url: splits an http:// or https:// URL (RFC 3986) into the parts that a client needs. */
#ifndef QSTICKY_CONFIG_URL_H
#define QSTICKY_CONFIG_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

/* Room for scheme, host and port, with its NUL. */
#define URL_ORIGIN_MAX (LIMITS_HOST_MAX + 24)

struct url {
	bool https;
	char host[LIMITS_HOST_MAX]; /* name or address, without brackets */
	uint16_t port;
	const char *path; /* borrowed: the rest, unchanged; "", or begins with /, ? or # */
};

/* Parses `text`. False, and `url` undefined: it is not such a URL, names a user, or holds a byte that no
 * request may hold (blanks, control characters). */
bool url_parse(struct url *url, const char *text);

/* Appends the target of a Location header of `len` bytes: scheme, host and port, never a user, a path
 * or a query. Appends words for a path of the same server and for anything else. */
void url_append_origin(struct text *text, const char *location, size_t len);

#endif
