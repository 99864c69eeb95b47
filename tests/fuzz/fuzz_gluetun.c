/* fuzz_gluetun: any bytes as what the control server answers.
 *
 * The first byte chooses the credentials; then come the replies (array_net.h). In place of net/tcp.c,
 * connections are made here. */
#include "gluetun/control_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array_net.h"
#include "base/clock.h"

/* Requests of one question: one, and another where the first route is not known. */
#define REQUESTS_MAX 2

#define USER "gluetun-user"
#define PASSWORD "Pa55-of-gluetun"
#define KEY "Key-of-gluetun"
/* In base64. */
#define BASIC "Z2x1ZXR1bi11c2VyOlBhNTUtb2YtZ2x1ZXR1bg=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct array_net net;
static unsigned who; /* of `credentials` */

/* ---- in place of net/tcp.c ---- */

static enum fail read_reply(struct stream *stream, void *buf, size_t max, size_t *len,
                            int64_t deadline_ms, struct failure *why)
{
	(void)stream;
	assert(net.open);
	return array_net_read(&net, buf, max, len, deadline_ms, why);
}

/* The request must be one of the four that there are. */
static enum fail write_request(struct stream *stream, const void *data, size_t len,
                               int64_t deadline_ms, struct failure *why)
{
	static const char *const routes[] = { "GET /v1/portforward HTTP/1.1\r\n",
		                              "GET /v1/openvpn/portforwarded HTTP/1.1\r\n" };
	static const char *const credentials[] = {
		"",
		"Authorization: Basic " BASIC "\r\n",
		"X-API-Key: " KEY "\r\n",
	};
	char wanted[512];
	struct text text = text_on(wanted, sizeof wanted);
	enum fail f = array_net_write(&net, data, len, deadline_ms, why);
	const char *sent = net.array.sent;

	(void)stream;
	assert(net.open && net.requests == 1);
	text_append(&text, routes[strncmp(sent, routes[0], strlen(routes[0])) != 0]);
	text_printf(&text, "Host: localhost:8000\r\n%s\r\n", credentials[who]);
	assert(strcmp(sent, wanted) == 0);
	return f;
}

enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why)
{
	enum fail f;

	(void)stop;
	(void)deadline_ms;
	assert(!net.open && net.connects < REQUESTS_MAX);
	assert(strcmp(host, "localhost") == 0 && port == 8000);
	f = array_net_connect(&net, why);
	if (!f)
		*tcp = (struct net_tcp){ .stream = { read_reply, write_request } };
	return f;
}

enum fail net_connect_again(struct net_tcp *tcp, const struct stop *stop, int64_t deadline_ms,
                            struct failure *why)
{
	(void)tcp;
	(void)stop;
	(void)deadline_ms;
	(void)why;
	abort(); /* it is no session that could be taken up again */
}

bool net_is_here(const struct resolve_address *to)
{
	(void)to;
	return true;
}

void net_send_now(const struct net_tcp *tcp)
{
	(void)tcp;
}

void net_close(struct net_tcp *tcp)
{
	assert(net.open == (tcp->fd >= 0));
	net.open = false;
	tcp->fd = -1;
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
	struct failure why = { .text = "" };
	struct port_file_ports told = { .count = SIZE_MAX };
	enum fail f;

	net.connects = 0;
	f = gluetun_ask(gluetun, INT64_MAX, &told, &why);
	assert(!net.open && net.connects > 0);
	/* Where nothing was learnt, nothing is said. */
	assert(!f ? told.count <= PORT_FILE_PORTS_MAX : told.count == SIZE_MAX);
	for (size_t i = 0; !f && i < told.count; i++)
		assert(told.port[i] > 0);
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
	static const struct secret user = { .value = USER }, password = { .value = PASSWORD },
				   key = { .value = KEY };
	static const struct peer_address address = { .host = "localhost", .port = 8000 };
	static const struct gluetun_account accounts[] = {
		{ .apikey = NULL },
		{ .username = &user, .password = &password },
		{ .apikey = &key },
	};
	struct gluetun gluetun;
	bool known;

	if (size < 1)
		return 0;
	known = memmem(data, size, PASSWORD, strlen(PASSWORD)) ||
	        memmem(data, size, KEY, strlen(KEY)) || memmem(data, size, BASIC, strlen(BASIC));
	who = data[0] % 3;
	gluetun_start(&gluetun, &address, &accounts[who], &stop, &reply);
	array_net_on(&net, data + 1, size - 1);
	/* The route is remembered from one question to the next. */
	do
		ask(&gluetun, &reply, known);
	while (net.rest_len > 0);
	return 0;
}
