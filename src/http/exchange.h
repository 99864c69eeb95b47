/* http_exchange: reading a reply, a piece at a time.
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

/* One exchange on its way. */
struct http_exchange {
	struct stream *stream;
	struct http_reply *reply;
	struct failure *why;
	int64_t deadline_ms;
	size_t head_room; /* what is left of HTTP_HEAD_MAX, over all heads and trailers */
	size_t body_at;   /* where in reply->space the body begins */
	size_t raw_at;    /* where the bytes begin that are not understood yet */
	size_t raw_len;   /* and how many they are */
};

/* Fails with FAIL_FORMAT: the reply is `what`. */
enum fail http_malformed(struct http_exchange *x, const char *what);

/* Reads some more, 1 to `room` bytes into `space`, or none at the end of the stream. `part` names
 * what is being read, for the messages. Fails as the stream does. */
enum fail http_read_more(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part);

/* As http_read_more(), where the end of the stream is FAIL_CLOSED. */
enum fail http_read_some(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part);

/* Whether there are no control bytes, which others may take for the end of a line. */
bool http_is_text(const char *at, const char *stop);

/* Reads the body that belongs to the head that was read, however its end is marked (RFC 9112,
 * section 6.3). */
enum fail http_read_body(struct http_exchange *x);

#endif
