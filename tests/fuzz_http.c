/* fuzz_http: any bytes as a reply, at once and in pieces: both must come to the same.
 *
 * The first byte says how many of those behind it are sizes of pieces, then comes the reply. */
#include "http.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_reply reply;
static struct array_stream array;

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

static struct outcome exchange(const uint8_t *bytes, size_t size, const uint8_t *pieces,
                               size_t count)
{
	const struct cookies none = { 0 };
	const struct http_request request = { .path = "/", .host = "localhost", .cookies = &none };
	struct failure why = { "" };
	struct outcome outcome = { 0 };

	array_stream_on(&array, bytes, size);
	array.pieces = count > 0 ? pieces : NULL;
	array.piece_count = count;
	outcome.f = http_send(&array.stream, &request, &reply, INT64_MAX, &why);
	assert(reply.begun == (array.at > 0));
	if (outcome.f) {
		assert(why.text[0]);
		assert(outcome.f == FAIL_FORMAT || outcome.f == FAIL_CLOSED ||
		       outcome.f == FAIL_TOO_BIG);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome at_once, in_pieces;
	size_t count;

	if (size < 1)
		return 0;
	count = data[0] % 8;
	if (size < 1 + count)
		return 0;
	at_once = exchange(data + 1 + count, size - 1 - count, NULL, 0);
	in_pieces = exchange(data + 1 + count, size - 1 - count, data + 1, count);
	assert(!at_once.f == !in_pieces.f);
	assert(at_once.status == in_pieces.status);
	assert(at_once.head_len == in_pieces.head_len);
	assert(at_once.body_len == in_pieces.body_len);
	if (at_once.body && in_pieces.body)
		assert(memcmp(at_once.body, in_pieces.body, at_once.body_len) == 0);
	free(at_once.body);
	free(in_pieces.body);
	return 0;
}
