#include "http/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "http/exchange.h"

/* ---- request ---- */

/* Appends `value` percent-encoded; only counts if `text` is NULL. Returns the encoded length. */
static size_t append_encoded(struct text *text, const char *value)
{
	size_t len = 0;

	for (; *value; value++) {
		bool plain = text_is_alnum(*value, "-._~"); /* RFC 3986, section 2.3 */

		len += plain ? 1 : 3;
		if (text && plain)
			text_append_bytes(text, value, 1);
		else if (text)
			text_printf(text, "%%%02X", (unsigned)(unsigned char)*value);
	}
	return len;
}

/* append_encoded() for a whole form: "a=1&b=2". */
static size_t append_form(struct text *text, const struct http_request *request)
{
	size_t len = 0;

	for (size_t i = 0; i < request->form_count; i++) {
		const struct http_field *field = &request->form[i];

		if (text)
			text_printf(text, "%s%s=", i > 0 ? "&" : "", field->name);
		len += (i > 0 ? 1 : 0) + strlen(field->name) + 1;
		len += append_encoded(text, field->value);
	}
	return len;
}

static void append_request(struct text *text, const struct http_request *request)
{
	const char *path = request->path;

	text_printf(text, "%s %s%.*s HTTP/1.1\r\nHost: %s\r\n", request->post ? "POST" : "GET",
	            *path == '/' ? "" : "/", (int)strcspn(path, "#"), path, request->host);
	if (request->credential_name)
		text_printf(text, "%s%s\r\n", request->credential_name, request->credential);
	if (request->cookies && request->cookies->count > 0) {
		text_append(text, "Cookie: ");
		cookies_append(request->cookies, text);
		text_append(text, "\r\n");
	}
	if (request->post)
		text_printf(text,
		            "Content-Type: application/%s\r\n"
		            "Content-Length: %zu\r\n",
		            request->json ? "json" : "x-www-form-urlencoded",
		            request->json ? strlen(request->json) : append_form(NULL, request));
	text_append(text, "\r\n");
	if (request->json)
		text_append(text, request->json);
	else if (request->post)
		append_form(text, request);
}

/* ---- head ---- */

static enum fail head_too_big(struct http_exchange *x)
{
	return fail_set(x->why, FAIL_TOO_BIG, "the reply's headers are over 16 KiB");
}

/* Length of the head, with the blank line at its end; 0 if it is not complete. */
static size_t head_end(const char *bytes, size_t len)
{
	const char *end = text_find(bytes, len, "\r\n\r\n");

	return end ? (size_t)(end - bytes) + 4 : 0;
}

static bool is_token(char c)
{
	/* RFC 9110, section 5.6.2. */
	return text_is_alnum(c, "-!#$%&'*+.^_`|~");
}

/* Every line must be "name: value" and not folded (RFC 9112, section 5). Notes the names. */
static bool head_is_sound(struct http_reply *reply, const char *line, const char *end)
{
	reply->names = 0;
	while (line < end) {
		const char *stop = text_find(line, (size_t)(end - line), "\r\n");
		const char *colon;

		if (!stop)
			return false;
		if (stop == line)
			return stop + 2 == end;
		colon = memchr(line, ':', (size_t)(stop - line));
		if (!colon || colon == line)
			return false;
		for (const char *at = line; at < colon; at++)
			if (!is_token(*at))
				return false;
		if (!http_is_text(colon, stop))
			return false;
		reply->names |= http_name_bit(line, (size_t)(colon - line));
		line = stop + 2;
	}
	return false;
}

/* "HTTP/1.1 200 Any Words", or without words, as from qBittorrent 5.3. */
static bool parse_status_line(struct http_reply *reply, size_t *len)
{
	static const char form[] = "HTTP/1.d ddd";
	const char *head = reply->space;
	const char *stop = text_find(head, reply->head_len, "\r\n");

	if (!stop || (size_t)(stop - head) < sizeof form - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? head[i] < '0' || head[i] > '9' : head[i] != form[i])
			return false;
	if (stop > head + sizeof form - 1 && head[sizeof form - 1] != ' ')
		return false;
	if (!http_is_text(head, stop))
		return false;
	reply->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
	reply->keep_alive = head[7] != '0';
	*len = (size_t)(stop - head) + 2;
	return reply->status >= 100 && reply->status <= 599;
}

/* Reads one head to the front of the space. Bytes behind it are the first raw bytes. */
static enum fail read_head(struct http_exchange *x)
{
	struct http_reply *reply = x->reply;
	size_t got = x->raw_len, end, status_len;

	/* After a 1xx head, bytes of the next head may be there already. */
	memmove(reply->space, reply->space + x->raw_at, got);
	while ((end = head_end(reply->space, got)) == 0) {
		size_t len;
		enum fail f;

		if (got >= x->head_room)
			return head_too_big(x);
		f = http_read_some(x, reply->space + got, HTTP_HEAD_MAX - got, &len, "headers");
		if (f)
			return f;
		got += len;
		http_touch(reply, got);
		if (reply->space[0] == 0x15 || reply->space[0] == 0x16)
			return http_malformed(
				x, "the server speaks TLS on this port (https, not http)");
		if (reply->space[0] != 'H')
			return http_malformed(x, "it does not begin with HTTP/1");
	}
	if (end > x->head_room)
		return head_too_big(x);
	x->head_room -= end;
	x->raw_at = x->body_at = end;
	x->raw_len = got - end;
	reply->head_len = end;
	reply->body = reply->space + end;
	if (!parse_status_line(reply, &status_len))
		return http_malformed(x, "its first line is not a status line");
	if (!head_is_sound(reply, reply->space + status_len, reply->space + end))
		return http_malformed(x, "its headers are malformed");
	return FAIL_NONE;
}

/* Whether `word` is in the comma-separated values of the headers `name`. */
static bool lists(const struct http_reply *reply, const char *name, const char *word)
{
	size_t cursor = 0, len;
	const char *value;

	while ((value = http_header(reply, name, &cursor, &len))) {
		while (len > 0) {
			const char *comma = memchr(value, ',', len);
			size_t part = comma ? (size_t)(comma - value) : len;
			size_t bare = part;

			while (bare > 0 && (value[bare - 1] == ' ' || value[bare - 1] == '\t'))
				bare--;
			if (http_value_is(value, bare, word))
				return true;
			part += comma ? 1 : 0;
			while (part < len && (value[part] == ' ' || value[part] == '\t'))
				part++;
			value += part;
			len -= part;
		}
	}
	return false;
}

/* ---- the whole ---- */

static enum fail send_request(struct http_exchange *x, const struct http_request *request)
{
	/* The space is free until the reply comes. */
	struct text text = text_on(x->reply->space, HTTP_REQUEST_MAX);
	enum fail f;

	append_request(&text, request);
	http_touch(x->reply, text.len);
	if (text.full)
		return fail_set(x->why, FAIL_TOO_BIG, "the request is over 32 KiB");
	f = x->stream->write(x->stream, text.buf, text.len, x->deadline_ms, x->why);
	explicit_bzero(text.buf, text.len);
	if (f == FAIL_TIMEOUT)
		return fail_set(x->why, f, "timed out: the server does not read the request");
	if (f == FAIL_CLOSED)
		fail_in(x->why, "before the reply");
	return f;
}

/* Visible ASCII only (RFC 9110, section 5.5): a line end would begin another header. */
static bool is_header_value(const char *value)
{
	for (; *value; value++)
		if (*value <= ' ' || *value > '~')
			return false;
	return true;
}

enum fail http_send(struct stream *stream, const struct http_request *request,
                    struct http_reply *reply, int64_t deadline_ms, struct failure *why)
{
	struct http_exchange x = {
		.stream = stream,
		.reply = reply,
		.why = why,
		.deadline_ms = deadline_ms,
		.head_room = HTTP_HEAD_MAX,
	};
	enum fail f;

	reply->status = 0;
	reply->begun = reply->keep_alive = false;
	reply->head_len = reply->body_len = 0;
	reply->first = '\0';
	reply->names = 0;
	reply->body = reply->space;
	if (request->credential_name && !is_header_value(request->credential))
		return fail_set(why, FAIL_FORMAT,
		                "the key or password holds characters that a header cannot hold");
	f = send_request(&x, request);
	if (f)
		return f;
	do {
		f = read_head(&x);
		if (f)
			return f;
		if (reply->status == 101)
			return http_malformed(
				&x, "it switches protocols, which qsticky did not ask for");
	} while (reply->status < 200);
	if (lists(reply, "Connection", "close"))
		reply->keep_alive = false;
	if (reply->status == 200)
		x.sink = request->sink;
	return http_read_body(&x);
}
