/* fuzz_gluetun: any bytes as what the control server answers.
 *
 * The first byte chooses the credentials; then come the replies, one a request, each ended by a
 * byte 0x1e. In place of net.c, connections are made here: to those bytes. */
#include "gluetun.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array_stream.h"
#include "mono.h"

/* Requests of one question: one, and another where the first route is not known. */
#define REQUESTS_MAX 2

#define USER "gluetun-user"
#define PASSWORD "Pa55-of-gluetun"
#define KEY "Key-of-gluetun"
/* In base64. */
#define BASIC "Z2x1ZXR1bi11c2VyOlBhNTUtb2YtZ2x1ZXR1bg=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct array_stream array;
static const uint8_t *rest;
static size_t rest_len;
static unsigned connected;
static bool open_now;
static struct config config;

/* ---- in place of net.c ---- */

static enum fail read_reply(struct stream *stream, void *buf, size_t max, size_t *len,
                            int64_t deadline_ms, struct failure *why)
{
	(void)stream;
	assert(open_now);
	return array.stream.read(&array.stream, buf, max, len, deadline_ms, why);
}

/* The request must be one of the four that there are. */
static enum fail write_request(struct stream *stream, const void *data, size_t len,
                               int64_t deadline_ms, struct failure *why)
{
	static const char *const routes[] = { "GET /v1/portforward HTTP/1.1\r\n",
		                              "GET /v1/openvpn/portforwarded HTTP/1.1\r\n" };
	static const char *const credentials[] = {
		[CONFIG_AUTH_NONE] = "",
		[CONFIG_AUTH_APIKEY] = "X-API-Key: " KEY "\r\n",
		[CONFIG_AUTH_BASIC] = "Authorization: Basic " BASIC "\r\n",
	};
	char wanted[512];
	struct text text = text_on(wanted, sizeof wanted);
	enum fail f = array.stream.write(&array.stream, data, len, deadline_ms, why);

	(void)stream;
	assert(!f && array.writes == 1);
	array.sent[array.sent_len] = '\0';
	text_puts(&text, routes[strncmp(array.sent, routes[0], strlen(routes[0])) != 0]);
	text_printf(&text, "Host: localhost:8000\r\n%s\r\n", credentials[config.gluetun_auth]);
	assert(strcmp(array.sent, wanted) == 0);
	return f;
}

enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why)
{
	const uint8_t *end = rest_len > 0 ? memchr(rest, 0x1e, rest_len) : NULL;
	size_t len = end ? (size_t)(end - rest) : rest_len;
	int kind;

	(void)stop;
	(void)deadline_ms;
	assert(!open_now && connected < REQUESTS_MAX);
	assert(strcmp(host, "localhost") == 0 && port == 8000);
	connected++;
	array_stream_on(&array, rest, len);
	rest += end ? len + 1 : len;
	rest_len -= end ? len + 1 : len;
	/* A reply of one byte below 8 is a connection that fails in one of these ways. */
	kind = len == 1 ? array.bytes[0] : 8;
	if (kind == 1)
		return fail_set(why, FAIL_REFUSED, "refused");
	if (kind == 2)
		return fail_set(why, FAIL_STOPPED, "stopped");
	if (kind == 3)
		array.end = FAIL_TIMEOUT;
	if (kind < 8)
		array.len = 0;
	open_now = true;
	*tcp = (struct net_tcp){ .stream = { read_reply, write_request } };
	return FAIL_NONE;
}

void net_close(struct net_tcp *tcp)
{
	(void)tcp;
	assert(open_now);
	open_now = false;
}

/* ---- the question ---- */

static void check_why(enum fail f, const struct failure *why)
{
	static const char name[] = "Gluetun's control server at localhost:8000: ";

	assert(why->text[0]);
	if (f == FAIL_STOPPED)
		return;
	assert(strncmp(why->text, name, sizeof name - 1) == 0);
	for (const char *at = why->text; *at; at++)
		assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	assert(f == FAIL_ANSWER || f == FAIL_FORMAT || f == FAIL_TOO_BIG || f == FAIL_CLOSED ||
	       f == FAIL_REFUSED || f == FAIL_TIMEOUT);
}

/* `known`: the other side knows the secrets, and may tell them itself. */
static void ask(struct gluetun *gluetun, struct http_reply *reply, bool known)
{
	struct failure why = { "" };
	uint32_t port = 0x10000;
	uint16_t told = 7;
	enum fail f;

	connected = 0;
	f = gluetun_ask(gluetun, INT64_MAX, &told, &why);
	if (!f)
		port = told;
	assert(!open_now && connected > 0);
	/* Where nothing was learnt, nothing is said. */
	assert(!f ? port <= 65535 : told == 7);
	if (f)
		check_why(f, &why);
	assert(known ||
	       (!strstr(why.text, PASSWORD) && !strstr(why.text, KEY) && !strstr(why.text, BASIC)));
	for (size_t i = 0; i < 4096; i++)
		assert(reply->space[i] == '\0');
	assert(reply->touched == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_reply reply;
	static const struct stop stop = { .fd = -1 };
	struct gluetun gluetun;
	bool known;

	if (size < 1)
		return 0;
	known = memmem(data, size, PASSWORD, strlen(PASSWORD)) ||
	        memmem(data, size, KEY, strlen(KEY)) || memmem(data, size, BASIC, strlen(BASIC));
	config = (struct config){
		.gluetun_host = "localhost",
		.gluetun_port = 8000,
		.gluetun_auth = data[0] % 3,
		.gluetun_username = { .value = USER },
		.gluetun_password = { .value = PASSWORD },
		.gluetun_apikey = { .value = KEY },
	};
	gluetun = gluetun_for(&config, &stop, &reply);
	rest = data + 1;
	rest_len = size - 1;
	/* The route is remembered from one question to the next. */
	do
		ask(&gluetun, &reply, known);
	while (rest_len > 0);
	return 0;
}
