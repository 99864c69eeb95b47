#include "http/exchange.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

enum fail http_malformed(struct http_exchange *x, const char *what)
{
	return fail_set(x->why, FAIL_FORMAT, "not an HTTP reply: %s", what);
}

enum fail http_read_more(struct http_exchange *x, char *space, size_t room, size_t *len,
                         const char *part)
{
	enum fail f = x->stream->read(x->stream, space, room, len, x->deadline_ms, x->why);

	if (f == FAIL_TIMEOUT && !x->reply->begun)
		return fail_set(x->why, f, "timed out: connected, but no reply");
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

/* ---- the body ---- */

static enum fail body_too_big(struct http_exchange *x)
{
	return fail_set(x->why, FAIL_TOO_BIG, "the reply's body is over %s MiB",
	                x->sink ? "64" : "1");
}

/* The body grows at the front of the space, unless a sink takes it; the raw bytes follow, after a gap. They are
 * moved to close the gap only when more must be read. So each byte moves a few times at most, however small
 * the chunks are. */
static void skip_raw(struct http_exchange *x, size_t len)
{
	x->raw_at += len;
	x->raw_len -= len;
}

/* Reads more raw bytes. `*ended`: whether the stream ended; NULL: that is a failure. */
static enum fail read_raw(struct http_exchange *x, bool *ended)
{
	struct http_reply *reply = x->reply;
	size_t body_end = x->body_at + reply->body_len;
	size_t room = sizeof reply->space - body_end - x->raw_len, len = 0;
	char *space = reply->space + body_end;
	enum fail f;

	/* Memory stays as it is, however long the body. */
	if (x->sink && room > HTTP_HEAD_MAX)
		room = HTTP_HEAD_MAX;
	memmove(space, reply->space + x->raw_at, x->raw_len);
	x->raw_at = body_end;
	space += x->raw_len;
	f = ended ? http_read_more(x, space, room, &len, "body")
	          : http_read_some(x, space, room, &len, "body");
	if (f)
		return f;
	x->raw_len += len;
	http_touch(reply, body_end + x->raw_len);
	if (ended)
		*ended = len == 0;
	return FAIL_NONE;
}

/* Notes the first byte that says what kind of body this is. */
static void note_first(struct http_reply *reply, const char *at, size_t len)
{
	for (; len > 0 && (!reply->first || isspace((unsigned char)reply->first)); at++, len--)
		reply->first = *at;
}

/* Takes the raw bytes, `most` of them at most, into the body. Returns the number. */
static size_t take_raw(struct http_exchange *x, size_t most)
{
	struct http_reply *reply = x->reply;
	const char *raw = reply->space + x->raw_at;
	size_t len = x->raw_len < most ? x->raw_len : most;

	note_first(reply, raw, len);
	if (!x->sink) {
		memmove(reply->space + x->body_at + reply->body_len, raw, len);
		reply->body_len += len;
	} else {
		x->refused |= !x->sink(raw, len);
	}
	x->body_room -= len;
	skip_raw(x, len);
	return len;
}

/* Reads `size` bytes of the body. */
static enum fail read_sized(struct http_exchange *x, size_t size)
{
	if (size > x->body_room)
		return body_too_big(x);
	for (;;) {
		enum fail f;

		size -= take_raw(x, size);
		if (size == 0 || x->refused)
			return FAIL_NONE;
		f = read_raw(x, NULL);
		if (f)
			return f;
	}
}

static enum fail read_to_end(struct http_exchange *x)
{
	bool ended = false;

	x->reply->keep_alive = false;
	for (;;) {
		enum fail f;

		if (x->raw_len > x->body_room)
			return body_too_big(x);
		(void)take_raw(x, x->raw_len);
		if (ended || x->refused)
			return FAIL_NONE;
		f = read_raw(x, &ended);
		if (f)
			return f;
	}
}

/* Reads until the raw bytes begin with a whole line; `*len` is its length without CRLF. */
static enum fail read_line(struct http_exchange *x, size_t most, size_t *len)
{
	for (;;) {
		const char *raw = x->reply->space + x->raw_at;
		const char *stop = text_find(raw, x->raw_len, "\r\n");
		enum fail f;

		if (stop && (size_t)(stop - raw) + 2 <= most) {
			*len = (size_t)(stop - raw);
			return http_is_text(raw, stop)
			               ? FAIL_NONE
			               : http_malformed(x, "its chunks hold control bytes");
		}
		if (stop || x->raw_len >= most)
			return fail_set(x->why, FAIL_TOO_BIG,
			                "the reply's chunk extensions or trailers are over 16 KiB");
		f = read_raw(x, NULL);
		if (f)
			return f;
	}
}

static bool parse_chunk_size(const char *line, size_t len, size_t *size)
{
	size_t value = 0, digits = 0;

	for (; digits < len; digits++) {
		char c = line[digits];
		size_t digit = c >= '0' && c <= '9'   ? (size_t)(c - '0')
		               : c >= 'a' && c <= 'f' ? (size_t)(c - 'a') + 10
		               : c >= 'A' && c <= 'F' ? (size_t)(c - 'A') + 10
		                                      : 16;

		if (digit == 16)
			break;
		/* Stop above the limit, so that the number cannot overflow. */
		if (value <= HTTP_SINK_MAX)
			value = value * 16 + digit;
	}
	while (digits < len && (line[digits] == ' ' || line[digits] == '\t'))
		digits++;
	*size = value;
	return digits > 0 && line[0] != ' ' && line[0] != '\t' &&
	       (digits == len || line[digits] == ';');
}

/* Reads the data of one chunk and the CRLF behind it. */
static enum fail read_chunk(struct http_exchange *x, size_t size)
{
	enum fail f = read_sized(x, size);

	while (!f && !x->refused && x->raw_len < 2)
		f = read_raw(x, NULL);
	if (f || x->refused)
		return f;
	if (memcmp(x->reply->space + x->raw_at, "\r\n", 2) != 0)
		return http_malformed(x, "a chunk is longer than its size");
	skip_raw(x, 2);
	return FAIL_NONE;
}

static enum fail read_chunked(struct http_exchange *x)
{
	size_t size = 0, len = 0;
	enum fail f;

	do {
		f = read_line(x, HTTP_HEAD_MAX, &len);
		if (f)
			return f;
		if (!parse_chunk_size(x->reply->space + x->raw_at, len, &size))
			return http_malformed(x, "a chunk has no size");
		skip_raw(x, len + 2);
		f = size > 0 ? read_chunk(x, size) : FAIL_NONE;
		if (f || x->refused)
			return f;
	} while (size > 0);
	do { /* trailers, up to the empty line */
		f = read_line(x, x->head_room, &len);
		if (f)
			return f;
		x->head_room -= len + 2;
		skip_raw(x, len + 2);
	} while (len > 0);
	return FAIL_NONE;
}

/* Reads the Content-Length: digits only, one header only (RFC 9110, section 8.6). */
static enum fail content_length(struct http_exchange *x, bool *there, size_t *size)
{
	size_t cursor = 0, len;
	const char *value = http_header(x->reply, "Content-Length", &cursor, &len);

	*there = value;
	*size = 0;
	if (!value)
		return FAIL_NONE;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return http_malformed(x, "its Content-Length is not a number");
		if (*size <= HTTP_SINK_MAX)
			*size = *size * 10 + (size_t)(value[i] - '0');
	}
	if (len == 0)
		return http_malformed(x, "its Content-Length is empty");
	if (http_header(x->reply, "Content-Length", &cursor, &len))
		return http_malformed(x, "it has two Content-Length headers");
	return FAIL_NONE;
}

static enum fail read_body(struct http_exchange *x)
{
	size_t cursor = 0, len = 0, size = 0;
	const char *coding = http_header(x->reply, "Transfer-Encoding", &cursor, &len);
	bool sized = false;
	enum fail f;

	if (x->reply->status == 204 || x->reply->status == 304)
		return FAIL_NONE;
	f = content_length(x, &sized, &size);
	if (f)
		return f;
	if (coding && sized)
		return http_malformed(x, "it has both Content-Length and Transfer-Encoding");
	if (coding && (!http_value_is(coding, len, "chunked") ||
	               http_header(x->reply, "Transfer-Encoding", &cursor, &len)))
		return http_malformed(x, "its Transfer-Encoding is not chunked");
	return coding ? read_chunked(x) : sized ? read_sized(x, size) : read_to_end(x);
}

enum fail http_read_body(struct http_exchange *x)
{
	enum fail f;

	x->body_room = x->sink ? HTTP_SINK_MAX : HTTP_BODY_MAX;
	f = read_body(x);
	/* Bytes that are left, since a sink wants no more or the server sent more than it promised, could
	 * be taken for the next reply. Do not use the connection again. */
	if (x->refused || x->raw_len > 0)
		x->reply->keep_alive = false;
	return f;
}
