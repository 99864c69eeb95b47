/* http_exchange: reads a reply, a piece at a time.
 *
 * A part of http. */
#ifndef QSTICKY_HTTP_EXCHANGE_H
#define QSTICKY_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "http/reply.h"
#include "net/tcp.h"

/* One exchange in progress. */
struct http_exchange {
	struct stream *stream;
	struct http_reply *reply;
	struct failure *why;
	int64_t deadline_ms;
	size_t head_room; /* bytes left of HTTP_HEAD_MAX, for all heads and trailers together */
	size_t body_at;   /* offset of the body in reply->space */
	size_t raw_at;    /* offset of the bytes that are not parsed yet */
	size_t raw_len;   /* their number */
	size_t body_room; /* bytes of the body that may follow */
	http_sink *sink;  /* takes the body; NULL: it is collected */
	bool refused;     /* by the sink */
};

/* Returns FAIL_FORMAT; `what` says what is wrong with the reply. */
enum fail http_malformed(struct http_exchange *x, const char *what);

/* Reads 1 to `room` bytes into `space`, or 0 at the end of the stream. `part` names the part of the
 * reply in messages. Fails as the stream does. */
enum fail http_read_more(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part);

/* As http_read_more(), but the end of the stream is FAIL_CLOSED. */
enum fail http_read_some(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part);

/* Whether there are no control bytes, which other programs may take for the end of a line. */
bool http_is_text(const char *at, const char *stop);

/* Reads the body after the head, by any of the ways to find its end (RFC 9112, section 6.3). */
enum fail http_read_body(struct http_exchange *x);

#endif
