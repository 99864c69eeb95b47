/* http_reply: a reply, its headers, and the buffer for both directions. */
#ifndef QSTICKY_HTTP_REPLY_H
#define QSTICKY_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest head, in bytes, with interim (1xx) heads and the trailers of a chunked body. Also the limit
 * of the line before a chunk, with its extensions. */
#define HTTP_HEAD_MAX (16 * 1024)

/* Longest body, in bytes, after decoding; and longest that a sink takes. */
#define HTTP_BODY_MAX (1024 * 1024)
#define HTTP_SINK_MAX (64 * 1024 * 1024)

/* Takes the next bytes of a body. False: it wants no more. */
typedef bool http_sink(const char *bytes, size_t len);

/* A reply, and the buffer for request and reply. The caller keeps it in static storage and reuses it
 * for every exchange. It costs only the memory that an exchange touches. */
struct http_reply {
	int status;      /* 200 to 599 */
	bool begun;      /* at least one byte arrived, even if http_send() failed */
	bool keep_alive; /* the connection can carry another request */
	size_t head_len;
	uint32_t names; /* a bit for the name of each header, http_name_bit() */
	char first; /* of the body, the first byte that is no blank, else a blank; NUL: there is no body */
	size_t body_len;  /* 0 if a sink took the body */
	const char *body; /* in `space`, behind the head */
	size_t touched;   /* bytes of `space` in use since http_forget() */
	/* First the request; then the reply: a head, a body, and the framing of its chunks. */
	char space[HTTP_HEAD_MAX + HTTP_BODY_MAX + HTTP_HEAD_MAX];
};

/* The bit for a header's name, in any case. Most other names have other bits, so few heads are searched in vain. */
static inline uint32_t http_name_bit(const char *name, size_t len)
{
	return (uint32_t)1 << (((size_t)(unsigned char)*name ^ len) & 31);
}

/* The value of the header `name` (any case), `*len` bytes without a NUL, without blanks around it.
 * NULL: none. `*cursor` starts at 0; the next call finds the next header of that name. */
const char *http_header(const struct http_reply *reply, const char *name, size_t *cursor,
                        size_t *len);

/* Wipes the buffer, since a reply may hold secrets, and gives back the memory of a large reply. */
void http_forget(struct http_reply *reply);

/* Notes that the first `len` bytes of `space` are in use, for http_forget(). */
void http_touch(struct http_reply *reply, size_t len);

/* Whether a header's value is `word`, in any case. */
bool http_value_is(const char *value, size_t len, const char *word);

#endif
