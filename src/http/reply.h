/* http_reply: a reply and its headers, and the space that it came through. */
#ifndef QSTICKY_HTTP_REPLY_H
#define QSTICKY_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* Longest head, in bytes, interim (1xx) heads and the trailers of a chunked body included. As long
 * may the line before a chunk be, with its extensions. */
#define HTTP_HEAD_MAX (16 * 1024)

/* Longest body, in bytes, after decoding. */
#define HTTP_BODY_MAX (1024 * 1024)

/* A reply, and the space through which request and reply pass: static storage of the caller, reused
 * for every exchange. It costs no memory beyond what an exchange touches. */
struct http_reply {
	int status;      /* 200 to 599 */
	bool begun;      /* at least one byte of it arrived, also where http_send() failed */
	bool keep_alive; /* the connection can carry another request */
	size_t head_len;
	size_t body_len;
	const char *body; /* in `space`, behind the head */
	size_t touched;   /* bytes of `space` in use since http_forget() */
	/* The request, then the reply as it came: a head, then a body and the framing of its
	 * chunks. */
	char space[HTTP_HEAD_MAX + HTTP_BODY_MAX + HTTP_HEAD_MAX];
};

/* The value of the header `name` (any case), blanks around it dropped, `*len` bytes without a NUL;
 * NULL when there is none. `*cursor` starts at 0; the next call with it finds the next one. */
const char *http_header(const struct http_reply *reply, const char *name, size_t *cursor,
                        size_t *len);

/* Wipes what the last exchange left, since a reply may hold secrets, and gives back the memory of
 * a large one. */
void http_forget(struct http_reply *reply);

/* Notes that the first `len` bytes of the reply's space hold something. */
void http_touch(struct http_reply *reply, size_t len);

/* Whether a header's value is `word`, in any case. */
bool http_value_is(const char *value, size_t len, const char *word);

#endif
