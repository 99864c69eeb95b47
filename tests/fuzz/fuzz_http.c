/* fuzz_http: any bytes as a reply, at once and in pieces, collected and handed to a sink: all must come to the
 * same.
 *
 * The first byte says how many of those behind it are sizes of pieces, then comes the reply; its
 * upper bits choose the request and how the connection ends. */
#include "http/http.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_reply reply;
static struct array_stream array;

/* Bits of the first byte. */
enum {
	POST = 0x08,
	TIMES_OUT = 0x10,
	RESET = 0x20,
	INFLATED = 0x40, /* bytes 1 and 2 stand for many, to get at the limits */
	DEAF = 0x80,     /* the request is not taken */
};

static uint8_t mode;

/* What a sink got. */
static char *sunk;
static size_t sunk_len, sunk_cap;
static size_t sink_most; /* it wants no more */

static bool sink(const char *bytes, size_t len)
{
	assert(sunk_len <= sink_most && len <= sunk_cap - sunk_len);
	memcpy(sunk + sunk_len, bytes, len);
	sunk_len += len;
	return sunk_len <= sink_most;
}

struct outcome {
	enum fail f;
	int status;
	size_t head_len;
	size_t body_len;
	char *body;
};

static void check_headers(void)
{
	size_t cursor = 0, len;
	const char *value;

	while ((value = http_header(&reply, "Set-Cookie", &cursor, &len))) {
		assert(value >= reply.space && value + len <= reply.space + reply.head_len);
		assert(!memchr(value, '\0', len) && !memchr(value, '\n', len) &&
		       !memchr(value, '\r', len));
	}
}

/* Nothing of what was received may stay. */
static void check_forgotten(size_t received)
{
	http_forget(&reply);
	/* The request is in the same place, and shorter than most replies. */
	for (size_t i = 0; i < received + 64 && i < sizeof reply.space; i++)
		assert(reply.space[i] == '\0');
}

static char unescaped(const char **at)
{
	char digits[3] = "";
	char *end;
	unsigned long value;

	if (**at != '%')
		return *(*at)++;
	memcpy(digits, *at + 1, 2);
	value = strtoul(digits, &end, 16);
	assert(end == digits + 2);
	*at += 3;
	return (char)value;
}

/* The form that was sent is the one that was to be sent, and as long as its head says. */
static void check_form(const char *value)
{
	static const char first[] = "POST /x HTTP/1.1\r\nHost: nas\r\nX-Key: k\r\n";
	const char *head_end = strstr(array.sent, "\r\n\r\n");
	const char *length = strstr(array.sent, "Content-Length: ");
	const char *at;

	assert(strncmp(array.sent, first, sizeof first - 1) == 0);
	assert(strstr(array.sent, "\r\nCookie: SID=1; b=2\r\n"));
	assert(head_end && length && length < head_end);
	at = head_end + 4;
	assert(strtoul(length + 16, NULL, 10) == strlen(at));
	assert(strncmp(at, "a=", 2) == 0);
	for (at += 2; *value; value++) {
		char c = unescaped(&at);

		assert(c == *value);
	}
	assert(strcmp(at, "&b=") == 0);
}

static struct outcome exchange(const uint8_t *bytes, size_t size, const uint8_t *pieces,
                               size_t count)
{
	const struct cookies none = { 0 };
	const struct cookies some = { .count = 2, .pairs = { "SID=1", "b=2" } };
	char value[64] = "";
	const struct http_field form[] = { { "a", value }, { "b", "" } };
	const struct http_request get = { .path = "/", .host = "localhost", .cookies = &none };
	const struct http_request post = {
		.post = true,
		.path = "/x",
		.host = "nas",
		.cookies = &some,
		.credential_name = "X-Key: ",
		.credential = "k",
		.form = form,
		.form_count = 2,
	};
	struct failure why = { .text = "" };
	struct outcome outcome = { 0 };

	memcpy(value, bytes, size < sizeof value ? size : sizeof value - 1);
	array_stream_on(&array, bytes, size);
	array.end = (mode & TIMES_OUT) ? FAIL_TIMEOUT : (mode & RESET) ? FAIL_CLOSED : FAIL_NONE;
	array.write_as = (mode & DEAF) ? array.end : FAIL_NONE;
	array.pieces = count > 0 ? pieces : NULL;
	array.piece_count = count;
	outcome.f = http_send(&array.stream, (mode & POST) ? &post : &get, &reply, INT64_MAX, &why);
	array.sent[array.sent_len] = '\0';
	if ((mode & POST) && array.writes > 0)
		check_form(value);
	assert(reply.begun == (array.at > 0));
	if (outcome.f) {
		assert(why.text[0]);
		assert(outcome.f == FAIL_FORMAT || outcome.f == FAIL_CLOSED ||
		       outcome.f == FAIL_TOO_BIG || outcome.f == array.end);
	} else {
		assert(reply.status >= 200 && reply.status <= 599);
		assert(reply.head_len > 0 && reply.head_len <= HTTP_HEAD_MAX);
		assert(reply.body_len <= HTTP_BODY_MAX && reply.body_len <= size);
		assert(reply.body >= reply.space + reply.head_len);
		assert(reply.body + reply.body_len <= reply.space + sizeof reply.space);
		/* A connection that has bytes of another reply must not be used again. */
		assert(!reply.keep_alive || pieces || array.at == size ||
		       (size > HTTP_HEAD_MAX && reply.body_len > 0));
		check_headers();
		outcome.status = reply.status;
		outcome.head_len = reply.head_len;
		outcome.body_len = reply.body_len;
		outcome.body = malloc(reply.body_len + 1);
		assert(outcome.body);
		memcpy(outcome.body, reply.body, reply.body_len);
	}
	check_forgotten(size);
	return outcome;
}

static uint8_t *inflate(const uint8_t *bytes, size_t *size)
{
	static const size_t times[] = { 1, 3000, 600 * 1000 };
	size_t most = (mode & INFLATED) ? sizeof reply.space + 2 * times[2] : *size, len = 0;
	uint8_t *inflated = malloc(most + 1);

	assert(inflated);
	for (size_t i = 0; i < *size; i++) {
		bool is_many = (mode & INFLATED) && (bytes[i] == 1 || bytes[i] == 2);
		size_t count = is_many ? times[bytes[i]] : 1;

		if (count > most - len)
			break;
		memset(inflated + len, is_many ? '0' : bytes[i], count);
		len += count;
	}
	*size = len;
	return inflated;
}

/* A sink gets the same body, or the part that it wants. */
static void check_sink(const uint8_t *bytes, size_t size, const uint8_t *pieces, size_t count,
                       const struct outcome *collected)
{
	const struct cookies none = { 0 };
	const struct http_request request = {
		.path = "/", .host = "localhost", .cookies = &none, .sink = sink
	};
	struct failure why;
	enum fail f;

	array_stream_on(&array, bytes, size);
	array.pieces = count > 0 ? pieces : NULL;
	array.piece_count = count;
	sunk_len = 0;
	sunk_cap = size;
	sunk = malloc(size + 1);
	assert(sunk);
	f = http_send(&array.stream, &request, &reply, INT64_MAX, &why);
	if (!collected->f) {
		assert(!f && reply.status == collected->status);
		assert(sunk_len <= (reply.status == 200 ? collected->body_len : 0));
		assert(reply.status != 200 || sunk_len > sink_most ||
		       (sunk_len == collected->body_len && reply.body_len == 0));
		assert(memcmp(sunk, collected->body, sunk_len) == 0);
		assert(!reply.keep_alive || sunk_len <= sink_most);
	}
	assert(reply.status != 200 || reply.touched <= 3 * HTTP_HEAD_MAX);
	free(sunk);
	check_forgotten(size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome at_once, in_pieces;
	uint8_t *bytes;
	size_t count, len;

	if (size < 1)
		return 0;
	count = data[0] % 8;
	if (size < 1 + count)
		return 0;
	mode = data[0];
	len = size - 1 - count;
	bytes = inflate(data + 1 + count, &len);
	at_once = exchange(bytes, len, NULL, 0);
	/* Not a mebibyte in pieces of a few bytes each. */
	in_pieces = exchange(bytes, len, data + 1, (mode & INFLATED) ? 0 : count);
	assert(!at_once.f == !in_pieces.f);
	assert(at_once.status == in_pieces.status);
	assert(at_once.head_len == in_pieces.head_len);
	assert(at_once.body_len == in_pieces.body_len);
	if (at_once.body && in_pieces.body)
		assert(memcmp(at_once.body, in_pieces.body, at_once.body_len) == 0);
	if (!(mode & DEAF) && !(mode & (TIMES_OUT | RESET))) {
		sink_most = SIZE_MAX;
		check_sink(bytes, len, data + 1, (mode & INFLATED) ? 0 : count, &at_once);
		sink_most = count;
		check_sink(bytes, len, data + 1, (mode & INFLATED) ? 0 : count, &at_once);
	}
	free(at_once.body);
	free(in_pieces.body);
	free(bytes);
	return 0;
}
