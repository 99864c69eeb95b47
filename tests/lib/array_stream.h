/* array_stream: a test's bytes behind `struct stream`, handed out in pieces; keeps what is sent. */
#ifndef QSTICKY_TESTS_ARRAY_STREAM_H
#define QSTICKY_TESTS_ARRAY_STREAM_H

#include <stdint.h>
#include <string.h>

#include "http/http.h"
#include "net/tcp.h"

struct array_stream {
	struct stream stream; /* must be first */
	const char *bytes;
	size_t len;
	size_t at;
	const uint8_t *pieces; /* most bytes of each read, in turn; NULL: as many as fit */
	size_t piece_count;
	enum fail end;      /* what a read behind the last byte gives; FAIL_NONE: the end */
	enum fail write_as; /* what a write gives */
	unsigned reads;
	unsigned writes;
	size_t sent_len;
	char sent[HTTP_REQUEST_MAX + 1];
};

static inline enum fail array_stream_read(struct stream *stream, void *buf, size_t max, size_t *len,
                                          int64_t deadline_ms, struct failure *why)
{
	struct array_stream *from = (struct array_stream *)stream;
	size_t left = from->len - from->at;
	size_t most = left < max ? left : max;

	(void)deadline_ms;
	if (left == 0 && from->end)
		return fail_set(why, from->end, "from the array");
	if (from->pieces) {
		size_t piece = (size_t)from->pieces[from->reads % from->piece_count] + 1;

		most = piece < most ? piece : most;
	}
	from->reads++;
	memcpy(buf, from->bytes + from->at, most);
	from->at += most;
	*len = most;
	return FAIL_NONE;
}

static inline enum fail array_stream_write(struct stream *stream, const void *data, size_t len,
                                           int64_t deadline_ms, struct failure *why)
{
	struct array_stream *to = (struct array_stream *)stream;

	(void)deadline_ms;
	if (to->write_as)
		return fail_set(why, to->write_as, "from the array");
	to->writes++;
	if (len >= sizeof to->sent)
		return fail_set(why, FAIL_IO, "over the array");
	memcpy(to->sent, data, len);
	to->sent_len = len;
	return FAIL_NONE;
}

/* Makes `array` hand out `len` bytes, which are borrowed. */
static inline void array_stream_on(struct array_stream *array, const void *bytes, size_t len)
{
	memset(array, 0, sizeof *array);
	array->stream.read = array_stream_read;
	array->stream.write = array_stream_write;
	array->bytes = bytes;
	array->len = len;
}

#endif
