#include "http/exchange.h"

enum fail http_malformed(struct http_exchange *x, const char *what)
{
	return fail_set(x->why, FAIL_FORMAT, "not a reply in HTTP: %s", what);
}

enum fail http_read_more(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part)
{
	enum fail f = x->stream->read(x->stream, space, room, len, x->deadline_ms, x->why);

	if (f == FAIL_TIMEOUT && !x->reply->begun)
		return fail_set(x->why, f, "timed out: the connection is there, but no reply");
	if (f == FAIL_TIMEOUT)
		return fail_set(x->why, f, "timed out before the end of the reply's %s", part);
	if (f == FAIL_CLOSED)
		fail_in(x->why, x->reply->begun ? "in the reply" : "before the reply");
	if (f)
		return f;
	if (*len > 0)
		x->reply->begun = true;
	return FAIL_NONE;
}

enum fail http_read_some(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part)
{
	enum fail f = http_read_more(x, space, room, len, part);

	if (f || *len > 0)
		return f;
	if (!x->reply->begun)
		return fail_set(x->why, FAIL_CLOSED,
		                "the server closed the connection without a reply");
	return fail_set(x->why, FAIL_CLOSED,
	                "the server closed the connection before the end of the reply's %s", part);
}

bool http_is_text(const char *at, const char *stop)
{
	for (; at < stop; at++)
		if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
			return false;
	return true;
}
