/* http: one HTTP/1.1 request and its reply over a `struct stream`, sizes capped.
 *
 * Strict where leniency would mean guessing where a reply ends (RFC 9112, section 6.3): two
 * lengths, a length that is not plain digits, a length beside chunks, folded headers and control
 * bytes are refused. Redirects are the caller's business. */
#ifndef QSTICKY_HTTP_HTTP_H
#define QSTICKY_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "http/cookies.h"
#include "http/reply.h"
#include "net/tcp.h"

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

/* Sends `request` in one write and reads the whole reply, interim ones (1xx) skipped, until
 * `deadline_ms` at the latest. After a failure the connection is of no use any more.
 * FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED. FAIL_TOO_BIG: over a limit above. FAIL_FORMAT: not
 * HTTP/1.x, or of a form that this refuses; or the credential cannot stand in a header, and nothing
 * was sent. FAIL_IO: as the stream says. */
enum fail http_send(struct stream *stream, const struct http_request *request,
                    struct http_reply *reply, int64_t deadline_ms, struct failure *why);

#endif
