/* http_exchange: what http.c (requests, heads) and http_body.c share; nobody else needs it. */
#ifndef QSTICKY_HTTP_EXCHANGE_H
#define QSTICKY_HTTP_EXCHANGE_H

#include "http.h"

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

/* Notes that the first `len` bytes of the reply's space hold something. */
void http_touch(struct http_reply *reply, size_t len);

/* Whether a header's value is `word`, in any case. */
bool http_value_is(const char *value, size_t len, const char *word);

/* Whether there are no control bytes, which others may take for the end of a line. */
bool http_is_text(const char *at, const char *stop);

/* Reads the body that belongs to the head that was read (RFC 9112, section 6.3). */
enum fail http_read_body(struct http_exchange *x);

#endif
