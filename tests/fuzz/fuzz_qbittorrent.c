/* fuzz_qbittorrent: any bytes as what qBittorrent answers, or whatever sits on its port.
 *
 * The first bytes choose what is asked and how; then come the replies (array_net.h). In place of net/tcp.c
 * and tls/tls.c, connections are made here, and nobody sleeps. Each request must be, to the last byte, the
 * one of the few that qsticky makes which is due. */
#include "qbittorrent/client.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "array_net.h"
#include "base/clock.h"
#include "qbittorrent/login.h"
#include "qbittorrent_replies.h"
#include "qbittorrent_requests.h"
#include "sidecar/servers.h"

#define PASSWORD "Pa55 of=qBittorrent"
#define ESCAPED "Pa55%20of%3DqBittorrent"
#define KEY "qbt_KeyOfQbittorrent"

/* The bytes that choose. The bits of ASKED are operations, each cycle's, in their order. */
enum { SETUP, ASKED, LOGINS, PORT_HIGH, PORT_LOW, BINDING, CHOICES };

/* Bits of SETUP; the lowest three choose the credentials. */
enum {
	HTTPS = 0x08,
	LATE = 0x10,    /* the deadline is over */
	STOPPED = 0x20, /* while it sleeps */
	NAMED = 0x40,   /* by another name than its address */
	IPV6 = 0x80,
};

enum credentials { BY_PASSWORD, BY_KEY, BY_DEFAULT, BY_BAD_KEY, BY_LOST_FILE, WAYS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct array_net net;
static struct http_reply reply;
static struct config settings;
static struct qbittorrent qb;
static struct qbittorrent_view view;
static struct qbittorrent_wanted wanted;
static uint8_t setup;
static bool known;             /* the other side knows the secrets, and may tell them itself */
static const uint8_t *session; /* the first reply since the last logout */
static const uint8_t *asked_version; /* the first reply since the version was asked for */
static uint16_t port_to_restore;

/* Of the present cycle. */
static bool may_login;
static bool looks; /* at the login page, before a login and after one that failed */
static unsigned logins;

/* Of the present operation. */
static enum operation operation;
static struct qbittorrent_view before;
static unsigned sent[ROUTES];
static enum route last;
/* The Web UI is in this network: after a refusal qsticky asks with another Host. Its requests are then
 * not those that are checked here, but nothing may crash or stay. */
static bool here;
static bool has_other_port; /* a rebind has set the other one, the wanted one not yet */

static enum credentials way(void)
{
	return (setup & 7) % WAYS;
}

static struct replies last_reply(void)
{
	const uint8_t *at = (const uint8_t *)net.array.bytes;

	return (struct replies){ at, at + net.array.len };
}

static struct replies since(const uint8_t *first)
{
	return (struct replies){ first, net.rest };
}

/* ---- requests ---- */

static struct requests requests(void)
{
	bool named = (setup & HTTPS) && (setup & NAMED);

	return (struct requests){
		.host = named          ? "nas.home.arpa"
		        : setup & IPV6 ? "[fe80::1]"
		                       : "localhost",
		.cookies = &qb.cookies,
		.password = way() == BY_PASSWORD ? ESCAPED : "adminadmin",
		.key = way() == BY_KEY ? KEY : NULL,
		.wanted = wanted,
		.view = before,
		.ending = operation == LOGOUT,
	};
}

static void check_request(const char *data, size_t len)
{
	struct requests its = requests();
	enum route route = requests_route(data, len);
	bool other = operation == REBIND && route == POST_PREFERENCES && !has_other_port;

	if (here)
		return;
	assert(way() != BY_BAD_KEY && sent[route] < requests_most[operation][route]);
	for (size_t i = 0; i < qb.cookies.count; i++)
		assert(replies_give(since(session), qb.cookies.pairs[i]));
	if (route == POST_LOGIN) {
		assert(may_login && operation != REANNOUNCE && logins == 0 && net.requests == 0);
		assert(way() == BY_PASSWORD || way() == BY_DEFAULT);
		assert(last != ROUTES);
		assert(last == GET_PAGE || replies_say_forbidden(last_reply()));
		logins++;
	}
	/* The wanted one only once the other one has been taken. */
	if (other && last == POST_PREFERENCES && !requests_are(&its, data, len, route, true)) {
		assert(replies_hold(last_reply(), " 20"));
		has_other_port = true;
		other = false;
	}
	assert(requests_are(&its, data, len, route, other));
	assert(operation != LOGOUT || route != POST_PREFERENCES || port_to_restore == wanted.port);
	assert(operation != VERSION || !asked_version ||
	       replies_hold(since(asked_version), "set-cookie"));
	sent[route]++;
	last = route;
}

/* ---- in place of net/tcp.c, tls/tls.c and base/wait.c ---- */

static enum fail read_some(struct stream *stream, void *buf, size_t max, size_t *len,
                           int64_t deadline_ms, struct failure *why)
{
	(void)stream;
	assert(net.open);
	/* What was sent is wiped by now. */
	assert(known || net.array.at > 0 ||
	       (!memmem(reply.space, 4096, ESCAPED, strlen(ESCAPED)) &&
	        !memmem(reply.space, 4096, KEY, strlen(KEY))));
	return array_net_read(&net, buf, max, len, deadline_ms, why);
}

static enum fail write_all(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
                           struct failure *why)
{
	(void)stream;
	assert(net.open && !(setup & HTTPS) == !qb.peer.tls.inner);
	check_request(data, len);
	return array_net_write(&net, data, len, deadline_ms, why);
}

static enum fail write_plainly(struct stream *stream, const void *data, size_t len,
                               int64_t deadline_ms, struct failure *why)
{
	assert(!(setup & HTTPS));
	return write_all(stream, data, len, deadline_ms, why);
}

static enum fail connect_to(struct net_tcp *tcp, struct failure *why)
{
	enum fail f;

	assert(!net.open && tcp == &qb.peer.tcp && tcp->fd < 0);
	f = array_net_connect(&net, why);
	if (!f) {
		tcp->stream = (struct stream){ read_some, write_plainly };
		tcp->fd = 0;
	}
	return f;
}

enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why)
{
	(void)stop;
	(void)deadline_ms;
	assert(operation != LOGOUT && strcmp(host, settings.host) == 0 && port == 8080);
	return connect_to(tcp, why);
}

enum fail net_connect_again(struct net_tcp *tcp, const struct stop *stop, int64_t deadline_ms,
                            struct failure *why)
{
	(void)stop;
	(void)deadline_ms;
	assert(operation == LOGOUT);
	return connect_to(tcp, why);
}

bool net_is_here(const struct resolve_address *to)
{
	assert(to == &qb.peer.tcp.peer);
	return here;
}

void net_send_now(const struct net_tcp *tcp)
{
	assert(tcp == &qb.peer.tcp);
}

void net_close(struct net_tcp *tcp)
{
	assert(tcp == &qb.peer.tcp && net.open == (tcp->fd >= 0) && !qb.peer.tls.inner);
	net.open = false;
	tcp->fd = -1;
}

void tls_start(struct tls *tls, const struct trust *trust)
{
	*tls = (struct tls){ .trust = *trust };
}

enum fail tls_open(struct tls *tls, struct stream *inner, int64_t deadline_ms, struct failure *why)
{
	int fault = array_net_fault(&net);

	(void)deadline_ms;
	assert((setup & HTTPS) && net.open && tls == &qb.peer.tls && inner == &qb.peer.tcp.stream);
	assert(!tls->inner && net.requests == 0);
	if (fault == 5 || fault == 6) {
		array_net_skip(&net);
		tls->reason = fault == 5 ? TLS_REASON_NAME : TLS_REASON_PLAIN;
		return fail_set(why, fault == 5 ? FAIL_UNTRUSTED : FAIL_TLS, "no TLS");
	}
	tls->stream = (struct stream){ read_some, write_all };
	tls->inner = inner;
	memset(&tls->session, 0xaa, sizeof tls->session);
	return FAIL_NONE;
}

void tls_close(struct tls *tls)
{
	assert(tls == &qb.peer.tls);
	tls->inner = NULL;
	tls->reason = TLS_REASON_OTHER;
}

bool tls_can_be_pinned(void)
{
	return setup & NAMED;
}

void tls_append_pin(struct text *text)
{
	text_append(text, "00");
}

void tls_append_certificate(struct text *text)
{
	text_append(text, "subject CN=nas");
}

void wait_catch_up(void)
{
}

enum fail wait_until(const struct stop *stop, int64_t due_ms, struct failure *why)
{
	assert(stop == qb.peer.stop && due_ms <= mono_now_ms() + 250);
	return (setup & STOPPED) ? fail_set(why, FAIL_STOPPED, "stopped") : FAIL_NONE;
}

/* ---- what comes of it ---- */

static void check_why(enum fail f, const char *why)
{
	char name[64];
	size_t len = (size_t)snprintf(name, sizeof name, "qBittorrent at %s:8080: ",
	                              (setup & IPV6) ? "[fe80::1]" : "localhost");
	const char *redirect;

	assert(why[0]);
	assert(known || (!strstr(why, PASSWORD) && !strstr(why, ESCAPED) && !strstr(why, KEY)));
	for (size_t i = 0; i < qb.cookies.count; i++)
		assert(!strstr(why, qb.cookies.pairs[i]) || strlen(qb.cookies.pairs[i]) < 12 ||
		       f == FAIL_TLS);
	if (f == FAIL_STOPPED)
		return;
	assert(strncmp(why, name, len) == 0);
	redirect = strstr(why, "a redirect to ");
	assert(!redirect || !strpbrk(redirect, "?#@")); /* behind them may be a token */
	for (; *why; why++)
		assert((unsigned char)*why >= 0x20 && *why != 0x7f);
}

static void check_set(enum fail f)
{
	bool taken = sent[GET_PREFERENCES] > 0;

	assert(f || (taken && last == GET_PREFERENCES && view.listen_port == wanted.port));
	assert(f || operation == SET || has_other_port);
	assert(f != FAIL_UNPROVEN || taken);
	if (operation == REBIND)
		port_to_restore = wanted.port;
	/* What was not taken is owed still. */
	assert(qb.port_to_restore == port_to_restore ||
	       (qb.port_to_restore == 0 && sent[POST_PREFERENCES] > 0 &&
	        (operation == SET || has_other_port)));
	port_to_restore = qb.port_to_restore;
	assert(port_to_restore == 0 || (f && f != FAIL_UNPROVEN));
}

static void check_zeros(const void *bytes, size_t len)
{
	for (const char *at = bytes; len > 0; at++, len--)
		assert(*at == '\0');
}

/* Nothing of what passed through stays once a cycle has ended, and of a session once it has. */
static void check_forgotten(bool ended)
{
	assert(!net.open && !qb.peer.tls.inner && !qb.api_key && reply.touched == 0);
	check_zeros(reply.space, 16384);
	if (ended) {
		check_zeros(&qb.cookies, sizeof qb.cookies);
		check_zeros(&qb.peer.tls.session, sizeof qb.peer.tls.session);
	}
}

static void ask_version(void)
{
	const uint8_t *first = net.rest;

	qbittorrent_ask_version(&qb);
	if (sent[GET_VERSION] > 0)
		asked_version = first;
	for (const char *at = qb.version; *at; at++)
		assert((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void operate(enum operation next)
{
	struct qbittorrent_hints hints;
	struct failure why = { .text = "" };
	enum fail f = FAIL_NONE;

	memset(&hints, 0, sizeof hints);
	operation = next;
	memset(sent, 0, sizeof sent);
	last = ROUTES;
	has_other_port = false;
	memcpy(&before, &view, sizeof before);
	if (next == READ)
		f = qbittorrent_read(&qb, &view, &why);
	if (next == SET)
		f = qbittorrent_set(&qb, &wanted, &view, &why);
	if (next == REBIND)
		f = qbittorrent_rebind(&qb, &wanted, &view, &why);
	if (next == REANNOUNCE)
		f = qbittorrent_reannounce(&qb, &why);
	if (next == HINTS)
		qbittorrent_ask_hints(&qb, &hints);
	if (next == VERSION)
		ask_version();
	if (next == LOGOUT) {
		qbittorrent_logout(&qb);
		check_forgotten(true);
		session = net.rest;
	}
	if (here)
		return;
	/* What failed may have come from another version. */
	if (f || (next == HINTS && !hints.connection_status[0]) ||
	    (next == VERSION && !qb.version[0]))
		asked_version = NULL;
	if (f)
		check_why(f, why.text);
	if (next == SET || next == REBIND)
		check_set(f);
	if (next == READ && f)
		assert(view.listen_port == before.listen_port);
	assert(f || next > REBIND || replies_say_port(last_reply(), view.listen_port));
}

static void look_at_page(struct qbittorrent *its)
{
	char id[QBITTORRENT_CACHE_ID_MAX] = "";

	if (!looks || !qbittorrent_ask_cache_id(its, id))
		return;
	assert(replies_hold(last_reply(), "css/login.css?v="));
	assert(id[0] && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz") == strlen(id));
}

static enum fail before_login(struct qbittorrent_gate *gate, struct qbittorrent *its,
                              const char *user, const char *password, struct failure *why)
{
	(void)gate;
	assert(its == &qb && strcmp(user, "admin") == 0 && password[0]);
	look_at_page(its);
	return may_login ? FAIL_NONE : fail_set(why, FAIL_HELD_BACK, "not now");
}

static enum fail after_login(struct qbittorrent_gate *gate, struct qbittorrent *its, enum fail f,
                             struct failure *why)
{
	(void)gate;
	(void)why;
	assert(may_login && its == &qb && !f == (qb.login == QBITTORRENT_LOGIN_ACCEPTED));
	assert(here || qb.login == QBITTORRENT_LOGIN_NONE || logins == 1);
	if (f)
		look_at_page(its);
	return f;
}

static void run_cycle(uint8_t operations)
{
	static struct qbittorrent_gate gate = { before_login, after_login };

	logins = 0;
	qbittorrent_begin(&qb, (setup & LATE) ? 0 : INT64_MAX, &gate);
	for (unsigned i = 0; i < LOGOUT; i++)
		if (operations & 1 << i)
			operate(i);
	qbittorrent_end(&qb);
	check_forgotten(false);
}

static void choose(const uint8_t *data)
{
	static const char *const interfaces[] = { NULL, "tun0", "wg0.1", "tun0" };
	static const char *const addresses[] = { NULL, "10.2.0.2", "0.0.0.0", "fd00::2" };

	setup = data[SETUP];
	here = data[BINDING] & 0x40;
	wanted.port = (uint16_t)(data[PORT_HIGH] << 8 | data[PORT_LOW]);
	wanted.port |= wanted.port == 0;
	wanted.interface = interfaces[data[BINDING] % 4];
	wanted.address = addresses[data[BINDING] / 4 % 4];
	settings = (struct config){
		.port = 8080,
		.user = { .name = "QSTICKY_QBITTORRENT_USER", .value = "admin" },
		.pass = { .name = "QSTICKY_QBITTORRENT_PASS",
		          .value = way() == BY_PASSWORD ? PASSWORD : "adminadmin",
		          .file = way() == BY_LOST_FILE ? "/nonexistent/pass" : NULL },
		.api_key = { .name = "QSTICKY_QBITTORRENT_API_KEY",
		             .value = way() == BY_KEY       ? KEY
		                      : way() == BY_BAD_KEY ? KEY "\r\nX: y"
		                                            : "" },
		.use_https = setup & HTTPS,
		.tls_ca_file = "",
	};
	snprintf(settings.host, sizeof settings.host, "%s",
	         (setup & IPV6) ? "fe80::1%eth0" : "localhost");
	snprintf(settings.tls_server_name, sizeof settings.tls_server_name, "%s",
	         (setup & NAMED) ? "nas.home.arpa" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct stop stop = { .fd = -1 };

	if (size < CHOICES)
		return 0;
	choose(data);
	array_net_on(&net, data + CHOICES, size - CHOICES);
	known = memmem(data, size, PASSWORD, strlen(PASSWORD)) ||
	        memmem(data, size, ESCAPED, strlen(ESCAPED)) ||
	        memmem(data, size, KEY, strlen(KEY));
	session = net.rest;
	asked_version = NULL;
	port_to_restore = 0;
	view = (struct qbittorrent_view){ 0 };
	servers_qbittorrent(&qb, &settings, &stop, &reply);
	qb.peer.tls.client_certificate_asked = data[BINDING] & 0x80;
	for (unsigned i = 0; i < 3 && (i == 0 || net.rest_len > 0); i++) {
		may_login = data[LOGINS] & 1 << i;
		looks = data[LOGINS] & 8 << i;
		run_cycle(data[ASKED]);
		if (data[ASKED] & 1 << LOGOUT)
			operate(LOGOUT);
	}
	operate(LOGOUT);
	return 0;
}
