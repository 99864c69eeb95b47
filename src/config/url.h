/* url: the parts of an http:// or https:// URL (RFC 3986) that a client needs. */
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
	const char *path; /* borrowed: what follows, as it is; "", or begins with one of /?# */
};

/* Takes `text` apart; false, and anything in `url`, where it is not such a URL, names a user, or holds
 * a blank, a control character or another byte that no request can. */
bool url_parse(struct url *url, const char *text);

/* Appends where the `len` bytes of a Location header lead, as far as anybody may read that: scheme, host and
 * port, never a user, a path or a query. In words where they lead to the same server or are no such URL. */
void url_append_origin(struct text *text, const char *location, size_t len);

#endif
