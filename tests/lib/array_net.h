/* array_net: in place of net/tcp.c, connections to the replies in a fuzzer's input: one a request, each ended
 * by a byte 0x1e.
 *
 * A reply of one byte below 8 is a failure instead: 1: the connection is refused. 2: a stop comes
 * meanwhile. 3: there is no reply in time. 4: nor is the request taken. Else it is closed. */
#ifndef QSTICKY_TESTS_ARRAY_NET_H
#define QSTICKY_TESTS_ARRAY_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "array_stream.h"

#define ARRAY_NET_END 0x1e

struct array_net {
	struct array_stream array; /* the last request, as a string, and its reply */
	const uint8_t *rest;       /* the replies to come */
	size_t rest_len;
	bool open;
	unsigned connects;
	unsigned requests; /* on this connection */
};

static inline void array_net_on(struct array_net *net, const uint8_t *bytes, size_t len)
{
	memset(net, 0, sizeof *net);
	array_stream_on(&net->array, bytes, 0);
	net->rest = bytes;
	net->rest_len = len;
}

/* Bytes of the next reply, without its end. */
static inline size_t array_net_next(const struct array_net *net)
{
	const uint8_t *end =
		net->rest_len > 0 ? memchr(net->rest, ARRAY_NET_END, net->rest_len) : NULL;

	return end ? (size_t)(end - net->rest) : net->rest_len;
}

/* What the next reply fails with instead, or 8. */
static inline int array_net_fault(const struct array_net *net)
{
	return array_net_next(net) == 1 && net->rest[0] < 8 ? net->rest[0] : 8;
}

/* Leaves it out. */
static inline void array_net_skip(struct array_net *net)
{
	size_t len = array_net_next(net);

	len += len < net->rest_len ? 1 : 0;
	net->rest += len;
	net->rest_len -= len;
}

static inline void array_net_take(struct array_net *net)
{
	int fault = array_net_fault(net);

	array_stream_on(&net->array, net->rest, fault < 8 ? 0 : array_net_next(net));
	net->array.end = fault == 3 ? FAIL_TIMEOUT : FAIL_NONE;
	array_net_skip(net);
}

/* As net_connect(). */
static inline enum fail array_net_connect(struct array_net *net, struct failure *why)
{
	int fault = array_net_fault(net);

	net->connects++;
	net->requests = 0;
	if (fault == 1 || fault == 2) {
		array_net_skip(net);
		return fault == 1 ? fail_set(why, FAIL_REFUSED, "refused")
		                  : fail_set(why, FAIL_STOPPED, "stopped");
	}
	net->open = true;
	return FAIL_NONE;
}

/* As the write() and read() of a stream. */
static inline enum fail array_net_write(struct array_net *net, const void *data, size_t len,
                                        int64_t deadline_ms, struct failure *why)
{
	int fault = array_net_fault(net);
	enum fail f;

	array_net_take(net);
	net->requests++;
	f = net->array.stream.write(&net->array.stream, data, len, deadline_ms, why);
	if (f)
		return f;
	net->array.sent[net->array.sent_len] = '\0';
	return fault == 4 ? fail_set(why, FAIL_CLOSED, "reset") : FAIL_NONE;
}

static inline enum fail array_net_read(struct array_net *net, void *buf, size_t max, size_t *len,
                                       int64_t deadline_ms, struct failure *why)
{
	return net->array.stream.read(&net->array.stream, buf, max, len, deadline_ms, why);
}

#endif
