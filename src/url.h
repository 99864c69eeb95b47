/* url: the parts of an http:// or https:// URL (RFC 3986) that a client needs. */
#ifndef QSTICKY_URL_H
#define QSTICKY_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct url {
	bool https;
	char host[CONFIG_HOST_MAX]; /* name or address, without brackets */
	uint16_t port;
	const char *path; /* borrowed: what follows, as it is; "", or begins with one of /?# */
};

/* Takes `text` apart; false, and anything in `url`, where it is not such a URL, names a user, or holds
 * a blank, a control character or another byte that no request can. */
bool url_parse(struct url *url, const char *text);

#endif
