#include "http/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "scripted_server.h"

static struct server server;
static struct http_reply reply;
static struct peer peer;
static struct failure found;
static const struct stop never = { .fd = -1 };

/* ---- a stub of tls/tls.c ---- */

static enum tls_reason reason; /* why TLS fails */
static bool can_be_pinned;

void tls_start(struct tls *tls, const struct trust *trust)
{
	*tls = (struct tls){ .trust = *trust };
}

enum fail tls_open(struct tls *tls, struct stream *inner, int64_t deadline_ms, struct failure *why)
{
	(void)deadline_ms;
	tls->inner = inner;
	tls->reason = reason;
	return fail_set(why, FAIL_TLS, "so it is");
}

void tls_close(struct tls *tls)
{
	tls->inner = NULL;
	tls->reason = TLS_REASON_OTHER;
}

bool tls_can_be_pinned(void)
{
	return can_be_pinned;
}

void tls_append_pin(struct text *text)
{
	text_append(text, "c0ffee");
}

void tls_append_certificate(struct text *text)
{
	text_append(text, "subject CN=nas");
}

/* ---- a peer ---- */

static void begin(const char *const script[])
{
	struct peer_address address = { .host = "127.0.0.1", .trust = { .name = "nas" } };

	server_start(&server, script);
	address.port = server.port;
	peer_start(&peer, &address, &never);
	peer.name = "The server";
	peer.ca_variable = "CA";
	peer.step_ms = 10000;
	peer.deadline_ms = MONO_NEVER;
}

static int end(void **state)
{
	(void)state;
	peer_close(&peer);
	server_end(&server);
	return 0;
}

static enum fail ask(bool repeatable)
{
	return peer_exchange(&peer, &(const struct http_request){ .path = "/" }, &reply, repeatable,
	                     &found);
}

static void peer_takes_its_steps_one_by_one(void **state)
{
	(void)state;
	begin(SCRIPT(OK(2, "ok")));
	assert_int_equal(peer_connect(&peer, &found), FAIL_NONE);
	assert_int_equal(peer_secure(&peer, &found), FAIL_NONE);
	assert_false(peer.used);
	assert_int_equal(ask(false), FAIL_NONE);
	assert_true(peer.used);
	end(NULL);
	assert_int_equal(server.connections, 1);
}

static void peer_replaces_a_connection_that_was_closed_while_idle_if_it_may(void **state)
{
	(void)state;
	for (int repeatable = 0; repeatable < 2; repeatable++) {
		begin(SCRIPT(OK(2, "ok"), "", OK(2, "ok")));
		assert_int_equal(ask(repeatable), FAIL_NONE);
		assert_int_equal(ask(repeatable), repeatable ? FAIL_NONE : FAIL_CLOSED);
		end(NULL);
		assert_int_equal(server.count, repeatable ? 3 : 2);
	}
}

static void peer_tries_a_new_connection_once_only(void **state)
{
	(void)state;
	begin(SCRIPT("", ""));
	assert_int_equal(ask(true), FAIL_CLOSED);
	end(NULL);
	assert_int_equal(server.count, 1);
}

static void assert_host(const char *wanted)
{
	char line[128];

	assert_int_equal(ask(true), FAIL_NONE);
	end(NULL);
	snprintf(line, sizeof line, "\r\nHost: %s\r\n", wanted);
	if (!strstr(server.requests[0], line))
		fail_msg("not %s but %s", line, server.requests[0]);
}

static void peer_names_the_port_in_the_host_header_unless_it_is_not_to(void **state)
{
	char wanted[64];

	(void)state;
	begin(SCRIPT(OK(2, "ok")));
	snprintf(wanted, sizeof wanted, "127.0.0.1:%u", (unsigned)server.port);
	assert_host(wanted);
	begin(SCRIPT(OK(2, "ok")));
	peer.omits_port = true;
	assert_host("127.0.0.1");
	/* The scheme's default port; the connection is open already. */
	begin(SCRIPT(OK(2, "ok")));
	assert_int_equal(peer_connect(&peer, &found), FAIL_NONE);
	peer.port = 80;
	assert_host("127.0.0.1");
}

static void peer_puts_brackets_around_an_ipv6_address_and_drops_its_zone(void **state)
{
	char buf[PEER_AUTHORITY_MAX];
	struct text text = text_on(buf, sizeof buf);

	(void)state;
	peer_append_authority(&text, "fe80::1%eth0", 65535);
	assert_string_equal(buf, "[fe80::1]:65535");
	text = text_on(buf, sizeof buf);
	peer_append_authority(&text, "nas", 0);
	assert_string_equal(buf, "nas");
}

static void peer_names_itself_in_each_failure_but_a_stop(void **state)
{
	char wanted[64];

	(void)state;
	begin(SCRIPT(NULL));
	snprintf(wanted, sizeof wanted, "The server at 127.0.0.1:%u: gone", (unsigned)server.port);
	fail_set(&found, FAIL_IO, "gone");
	assert_int_equal(peer_fail_in(&peer, FAIL_STOPPED, &found), FAIL_STOPPED);
	assert_string_equal(found.text, "gone");
	assert_int_equal(peer_fail_in(&peer, FAIL_IO, &found), FAIL_IO);
	assert_string_equal(found.text, wanted);
}

/* ---- advice ---- */

static void peer_says_its_own_sentence_where_nobody_listens(void **state)
{
	(void)state;
	begin(SCRIPT(NULL));
	server_end(&server);
	assert_int_equal(ask(true), FAIL_REFUSED);
	assert_string_equal(found.text, "connection refused");
	peer.if_refused = "refused: does it run?";
	assert_int_equal(ask(true), FAIL_REFUSED);
	assert_string_equal(found.text, "refused: does it run?");
}

static void peer_names_the_variable_that_may_help_if_it_is_told_one(void **state)
{
	static const struct {
		enum tls_reason reason;
		const char *with;
		const char *without;
	} cases[] = {
		{ TLS_REASON_OTHER, "so it is", "so it is" },
		{ TLS_REASON_CA_FILE, "CA: so it is", "CA: so it is" },
		{ TLS_REASON_NO_CA_FILE,
		  "so it is: no pin, and no CA file. If it is the right one, set PIN=c0ffee - "
		  "presented: subject CN=nas",
		  "so it is" },
		{ TLS_REASON_NOT_PINNED,
		  "so it is (PIN). If it is the right one, set PIN=c0ffee - presented: subject "
		  "CN=nas",
		  "so it is" },
		{ TLS_REASON_NAME,
		  "so it is (see NAME). If it is the right one, set PIN=c0ffee - presented: "
		  "subject CN=nas",
		  "so it is" },
		{ TLS_REASON_CERTIFICATE,
		  "so it is. If it is the right one, set PIN=c0ffee - presented: subject CN=nas",
		  "so it is" },
		{ TLS_REASON_UNKNOWN_SITE, "so it is: set NAME", "so it is" },
		{ TLS_REASON_SILENT, "so it is; if this port speaks plain HTTP, set HTTPS=false",
		  "so it is" },
		{ TLS_REASON_PLAIN, "so it is: set HTTPS=false, or use another port", "so it is" },
	};

	(void)state;
	begin(SCRIPT(NULL));
	peer.https = true;
	can_be_pinned = true;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		reason = cases[i].reason;
		peer.https_variable = peer.name_variable = peer.pin_variable = NULL;
		assert_int_equal(ask(true), FAIL_TLS);
		assert_string_equal(found.text, cases[i].without);
		peer.https_variable = "HTTPS";
		peer.name_variable = "NAME";
		peer.pin_variable = "PIN";
		assert_int_equal(ask(true), FAIL_TLS);
		assert_string_equal(found.text, cases[i].with);
		assert_null(peer.tls.inner);
		assert_int_equal(peer.tcp.fd, -1);
	}
}

static void peer_advises_no_pin_that_would_not_help(void **state)
{
	(void)state;
	begin(SCRIPT(NULL));
	peer.https = true;
	peer.https_variable = "HTTPS";
	peer.pin_variable = "PIN";
	can_be_pinned = false;
	reason = TLS_REASON_CERTIFICATE;
	assert_int_equal(ask(true), FAIL_TLS);
	assert_string_equal(found.text, "so it is - presented: subject CN=nas");
}

static void peer_knows_a_server_that_wants_https(void **state)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nHTTPS";

	(void)state;
	begin(SCRIPT(answer, answer));
	assert_int_equal(ask(true), FAIL_TLS);
	assert_string_equal(found.text,
	                    "HTTP 400: the server speaks TLS on this port (https, not http)");
	peer.https_variable = "HTTPS";
	assert_int_equal(ask(true), FAIL_TLS);
	assert_non_null(strstr(found.text, "(https, not http): set HTTPS=true"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(peer_takes_its_steps_one_by_one, end),
		cmocka_unit_test_teardown(
			peer_replaces_a_connection_that_was_closed_while_idle_if_it_may, end),
		cmocka_unit_test_teardown(peer_tries_a_new_connection_once_only, end),
		cmocka_unit_test_teardown(
			peer_names_the_port_in_the_host_header_unless_it_is_not_to, end),
		cmocka_unit_test(peer_puts_brackets_around_an_ipv6_address_and_drops_its_zone),
		cmocka_unit_test_teardown(peer_names_itself_in_each_failure_but_a_stop, end),
		cmocka_unit_test_teardown(peer_says_its_own_sentence_where_nobody_listens, end),
		cmocka_unit_test_teardown(peer_names_the_variable_that_may_help_if_it_is_told_one,
		                          end),
		cmocka_unit_test_teardown(peer_advises_no_pin_that_would_not_help, end),
		cmocka_unit_test_teardown(peer_knows_a_server_that_wants_https, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
