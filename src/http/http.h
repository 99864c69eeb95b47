/* http: one HTTP/1.1 request and its reply over a `struct stream`, with limited sizes.
 *
 * Refuses a reply whose end is ambiguous (RFC 9112, section 6.3). That is: two lengths, a length that is
 * not only digits, a length together with chunks, folded headers, control bytes. Does not follow
 * redirects. */
#ifndef QSTICKY_HTTP_HTTP_H
#define QSTICKY_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "http/cookies.h"
#include "http/reply.h"
#include "net/tcp.h"

/* Longest request, head and body. Holds a form with two secrets of 4 KiB, each byte escaped as %XX,
 * and 8 cookies. */
#define HTTP_REQUEST_MAX (32 * 1024)

/* One field of a form, not yet encoded. */
struct http_field {
	const char *name; /* unreserved characters only (RFC 3986, section 2.3) */
	const char *value;
};

/* A GET or, with `post`, a POST. Its body is `json` or, if that is NULL, the form. */
struct http_request {
	bool post;
	const char *path; /* the end of a URL: a query is sent, a fragment cut, a missing / added */
	const char *host; /* value of the Host header */
	const struct cookies *cookies; /* may be empty; NULL: none */
	const char *credential_name;   /* a header before its value, "X-Key: "; NULL: none */
	const char *credential;        /* the value of that header */
	const struct http_field *form; /* `form_count` fields; may be none */
	size_t form_count;
	const char *json; /* NULL: none */
	http_sink *sink;  /* takes the body of a reply with status 200; NULL: it is collected */
};

/* Sends `request` in one write and reads the whole reply until `deadline_ms`. Skips interim replies
 * (1xx). After a failure the connection is unusable. A sink that wants no more is no failure, but it ends
 * the connection.
 * FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED. FAIL_TOO_BIG: over a limit above. FAIL_FORMAT: not
 * HTTP/1.x, or refused (see above); or the credential cannot be in a header, and nothing was sent.
 * FAIL_IO: as the stream says. */
enum fail http_send(struct stream *stream, const struct http_request *request,
                    struct http_reply *reply, int64_t deadline_ms, struct failure *why);

#endif
