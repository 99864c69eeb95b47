/* http: one HTTP/1.1 request and its reply over a `struct stream`, sizes capped.
 *
 * Strict where leniency would mean guessing where a reply ends (RFC 9112, section 6.3): two
 * lengths, a length that is not plain digits, a length beside chunks, folded headers and control
 * bytes are refused. Redirects are the caller's business. */
#ifndef QSTICKY_HTTP_H
#define QSTICKY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cookies.h"
#include "fail.h"
#include "net.h"

/* Longest head, in bytes, interim (1xx) heads and the trailers of a chunked body included. As long
 * may the line before a chunk be, with its extensions. */
#define HTTP_HEAD_MAX (16 * 1024)

/* Longest body, in bytes, after decoding. */
#define HTTP_BODY_MAX (1024 * 1024)

/* Longest request, head and body together: a form with two secrets of 4 KiB, each byte of them
 * escaped as %XX, and 8 cookies. */
#define HTTP_REQUEST_MAX (32 * 1024)

/* One field of a form, not encoded yet. */
struct http_field {
	const char *name; /* of unreserved characters (RFC 3986, section 2.3) only */
	const char *value;
};

/* A GET or, with `post`, a POST whose body is a form or, with `json`, that. */
struct http_request {
	bool post;
	const char *path; /* with query; a fragment, and what has no / yet, as in URLs */
	const char *host; /* value of the Host header */
	const struct cookies *cookies; /* to send; may be empty; NULL: none */
	const char *credential_name;   /* a header up to its value, "X-Key: "; NULL: none */
	const char *credential;        /* its value */
	const struct http_field *form; /* with `post`: `form_count` fields; may be none */
	size_t form_count;
	const char *json; /* the body instead; NULL: none */
};

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

/* Sends `request` in one write and reads the whole reply, interim ones (1xx) skipped, until
 * `deadline_ms` at the latest. After a failure the connection is of no use any more.
 * FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED. FAIL_TOO_BIG: over a limit above. FAIL_FORMAT: not
 * HTTP/1.x, or of a form that this refuses; or the credential cannot stand in a header, and nothing
 * was sent. FAIL_IO: as the stream says. */
enum fail http_send(struct stream *stream, const struct http_request *request,
                    struct http_reply *reply, int64_t deadline_ms, struct failure *why);

/* The value of the header `name` (any case), blanks around it dropped, `*len` bytes without a NUL;
 * NULL when there is none. `*cursor` starts at 0; the next call with it finds the next one. */
const char *http_header(const struct http_reply *reply, const char *name, size_t *cursor,
                        size_t *len);

/* Wipes what the last exchange left, since a reply may hold secrets, and gives back the memory of
 * a large one. */
void http_forget(struct http_reply *reply);

#endif
