#include "gluetun/control_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "temp_dir.h"

#define NEW "GET /v1/portforward HTTP/1.1\r\n"
#define OLD "GET /v1/openvpn/portforwarded HTTP/1.1\r\n"

#define TOLD(json) "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" json "\n"
#define STATUS(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"
#define MOVED                                                                                      \
	"HTTP/1.1 301 Moved Permanently\r\nLocation: /v1/portforward\r\nContent-Length: 0\r\n\r\n"

/* ---- a control server that answers by a script, one request a connection ---- */

#define REQUESTS_MAX 8
#define REQUEST_MAX (16 * 1024)

struct server {
	const char *script[REQUESTS_MAX + 1]; /* a reply each, in turn; NULL: silence */
	bool runs;
	int listener;
	pthread_t thread;
	size_t count;
	char requests[REQUESTS_MAX][REQUEST_MAX];
};

static struct server server;

static void *serve(void *unused)
{
	int fd;
	(void)unused;

	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		size_t number = server.count < REQUESTS_MAX ? server.count : REQUESTS_MAX - 1;
		char *request = server.requests[number];
		const char *answer = server.script[number];
		size_t len = 0;
		ssize_t got = 1;

		while (got > 0 && len < REQUEST_MAX - 1 && !strstr(request, "\r\n\r\n")) {
			got = read(fd, request + len, REQUEST_MAX - 1 - len);
			len += got > 0 ? (size_t)got : 0;
			request[len] = '\0';
		}
		server.count++;
		if (answer ? write(fd, answer, strlen(answer)) < 0
		           : read(fd, request + len, 1) > 0) /* until the client has had enough */
			abort();
		close(fd);
	}
	return NULL;
}

/* ---- who asks it ---- */

static struct http_reply reply;
static struct peer_address address;
static struct gluetun gluetun;
static struct stop stop = { .fd = -1 };
static struct failure why;
static struct port_file_ports ports;

static void begin(const char *const script[])
{
	const struct gluetun_account nobody = { .apikey = NULL };
	struct sockaddr_in local = { .sin_family = AF_INET,
		                     .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof local;

	memset(&server, 0, sizeof server);
	server.runs = true;
	for (size_t i = 0; script[i]; i++)
		server.script[i] = script[i];
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&local, len), 0);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&local, &len), 0);
	assert_int_equal(listen(server.listener, 8), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	address = (struct peer_address){ .host = "127.0.0.1", .port = ntohs(local.sin_port) };
	gluetun_start(&gluetun, &address, &nobody, &stop, &reply);
	ports = (struct port_file_ports){ .count = 7, .port = { 7 } };
}

static int end(void **state)
{
	(void)state;
	if (!server.runs)
		return 0;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	server.runs = false;
	return 0;
}

#define SCRIPT(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* each: NULL, end */

static enum fail ask_within(int64_t ms)
{
	return gluetun_ask(&gluetun, mono_now_ms() + ms, &ports, &why);
}

static enum fail ask(void)
{
	return ask_within(GLUETUN_ASK_MS);
}

static void assert_told(uint16_t wanted)
{
	if (ask())
		fail_msg("%s", why.text);
	assert_int_equal(ports.count > 0 ? ports.port[0] : 0, wanted);
}

/* With a sentence that has both parts in it, and nothing of the reply's body. */
static void assert_fails(enum fail kind, const char *part, const char *other_part)
{
	ports = (struct port_file_ports){ .count = 7, .port = { 7 } };
	assert_int_equal(ask_within(kind == FAIL_TIMEOUT ? 50 : GLUETUN_ASK_MS), kind);
	assert_int_equal(ports.count, 7);
	if (!strstr(why.text, part) || !strstr(why.text, other_part) || strstr(why.text, "B0DY"))
		fail_msg("no %s and %s in: %s", part, other_part, why.text);
}

static void assert_requests(const char *const wanted[])
{
	size_t i = 0;

	end(NULL);
	for (; wanted[i]; i++)
		if (!strstr(server.requests[i], wanted[i]))
			fail_msg("request %zu is not %s but %s", i, wanted[i], server.requests[i]);
	assert_int_equal(server.count, i);
}

/* ---- what is told ---- */

static void assert_answer(const char *answer, uint16_t wanted)
{
	begin(SCRIPT(answer));
	assert_told(wanted);
	end(NULL);
}

static void gluetun_takes_both_generations_of_json(void **state)
{
	(void)state;

	assert_answer(TOLD("{\"port\":41000}"), 41000);
	assert_answer(TOLD("{\"ports\":[41000]}"), 41000);
	assert_answer(TOLD("{\"port\":41000,\"ports\":[41000]}"), 41000);
	assert_answer(TOLD("{\"port\":1,\"ports\":[65535,1]}"), 65535);
}

static void gluetun_takes_0_null_and_an_empty_list_for_none(void **state)
{
	(void)state;

	assert_answer(TOLD("{\"port\":0}"), 0);
	assert_answer(TOLD("{\"port\":null}"), 0);
	assert_answer(TOLD("{\"ports\":[]}"), 0);
	assert_answer(TOLD("{\"ports\":null}"), 0);
	assert_answer(TOLD("{\"port\":0,\"ports\":[]}"), 0);
	assert_answer(TOLD("{\"port\":0,\"ports\":null}"), 0);
}

static void gluetun_tells_all_ports_in_their_order(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000,\"ports\":[43000,41000,42000]}")));
	assert_told(43000);
	assert_int_equal(ports.count, 3);
	assert_int_equal(ports.port[1], 41000);
	assert_int_equal(ports.port[2], 42000);
	assert_false(ports.missing);
}

static void gluetun_takes_the_port_where_the_list_has_none(void **state)
{
	(void)state;

	assert_answer(TOLD("{\"ports\":null,\"port\":41000}"), 41000);
	assert_answer(TOLD("{\"port\":41000,\"ports\":[]}"), 41000);
}

static void gluetun_takes_nothing_else(void **state)
{
	static const char *const answers[] = {
		TOLD("{\"port\":65536}"),
		TOLD("{\"port\":-1}"),
		TOLD("{\"port\":41000.0}"),
		TOLD("{\"port\":\"41000\"}"),
		TOLD("{\"port\":true}"),
		TOLD("{\"port\":{}}"),
		TOLD("{\"ports\":[\"B0DY\"]}"),
		TOLD("{\"ports\":[41000,70000]}"),
		TOLD("{\"ports\":[[41000]]}"),
		TOLD("{\"ports\":{},\"port\":41000}"),
		TOLD("{\"ports\":[],\"port\":-1}"),
		TOLD("{}"),
		TOLD("{\"data\":{\"port\":41000}}"),
	};
	(void)state;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		begin(SCRIPT(answers[i]));
		assert_fails(FAIL_ANSWER, "127.0.0.1:", "no port from 1 to 65535");
		end(NULL);
	}
}

static void gluetun_says_what_else_it_was_told(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("B0DY"), TOLD("<html>B0DY</html>"),
	             "HTTP/1.1 500 Oh\r\n\r\n{\"port\":41000}", "SSH-2.0-B0DY\r\n"));
	assert_fails(FAIL_FORMAT, "Gluetun's control server at 127.0.0.1:", "not a JSON object");
	assert_fails(FAIL_ANSWER, "Gluetun's control server at 127.0.0.1:", "an HTML page");
	assert_fails(FAIL_ANSWER, "Gluetun's control server at 127.0.0.1:", "HTTP 500");
	assert_fails(FAIL_FORMAT, "Gluetun's control server at 127.0.0.1:", "not an HTTP reply");
}

/* ---- routes ---- */

static void gluetun_asks_the_new_route_first(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000}"), TOLD("{\"port\":42000}")));
	assert_told(41000);
	assert_told(42000);
	assert_requests(SCRIPT(NEW, NEW));
}

static void gluetun_remembers_the_old_route_where_the_new_is_not_known(void **state)
{
	static const char *const unknown[] = { STATUS("400 Bad Request"),
		                               STATUS("401 Unauthorized"),
		                               STATUS("404 Not Found") };
	(void)state;

	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		begin(SCRIPT(unknown[i], TOLD("{\"port\":41000}"), TOLD("{\"port\":42000}")));
		assert_told(41000);
		assert_told(42000);
		assert_requests(SCRIPT(NEW, OLD, OLD));
	}
}

static void gluetun_leaves_the_old_route_when_it_leads_to_the_new(void **state)
{
	(void)state;

	begin(SCRIPT(STATUS("401 Unauthorized"), TOLD("{\"port\":41000}"), MOVED,
	             TOLD("{\"port\":42000}"), TOLD("{\"port\":43000}")));
	assert_told(41000);
	assert_told(42000);
	assert_told(43000);
	assert_requests(SCRIPT(NEW, OLD, OLD, NEW, NEW));
}

static void gluetun_leaves_the_new_route_when_it_is_not_known_any_more(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000}"), STATUS("401 Unauthorized"), TOLD("{\"port\":42000}"),
	             TOLD("{\"port\":43000}")));
	assert_told(41000);
	assert_told(42000);
	assert_told(43000);
	assert_requests(SCRIPT(NEW, NEW, OLD, OLD));
}

static void gluetun_names_both_causes_of_a_401(void **state)
{
	(void)state;

	begin(SCRIPT(STATUS("401 Unauthorized"), STATUS("401 Unauthorized"),
	             STATUS("401 Unauthorized"), MOVED, STATUS("404 Not Found"),
	             STATUS("401 Unauthorized")));
	for (int i = 0; i < 3; i++)
		assert_fails(FAIL_ANSWER, "key or password is missing or wrong",
		             "lists the route that its version knows: \"GET /v1/portforward\"");
	assert_requests(SCRIPT(NEW, OLD, NEW, OLD, NEW, OLD));
}

static void gluetun_knows_a_server_with_neither_route(void **state)
{
	(void)state;

	begin(SCRIPT(STATUS("404 Not Found"), STATUS("404 Not Found")));
	assert_fails(FAIL_ANSWER, "HTTP 404", "not what Gluetun answers");
	assert_requests(SCRIPT(NEW, OLD));
}

static void gluetun_does_not_show_the_path_of_a_redirect(void **state)
{
	static const char login[] =
		"HTTP/1.1 302 Found\r\nLocation: /login?B0DY\r\nContent-Length: 0\r\n\r\n";
	(void)state;

	begin(SCRIPT(login, login));
	assert_fails(FAIL_ANSWER, "HTTP 302",
	             "a redirect to another path of the same server: another program");
}

static void gluetun_does_not_ask_the_other_route_after_an_error(void **state)
{
	(void)state;

	begin(SCRIPT(STATUS("500 Internal Server Error"), STATUS("403 Forbidden")));
	assert_fails(FAIL_ANSWER, "HTTP 500", "");
	assert_fails(FAIL_ANSWER, "HTTP 403", "");
	assert_requests(SCRIPT(NEW, NEW));
}

/* ---- who we are ---- */

static void gluetun_sends_nothing_where_nothing_is_asked_for(void **state)
{
	char wanted[128];
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000}")));
	assert_told(41000);
	end(NULL);
	snprintf(wanted, sizeof wanted, NEW "Host: 127.0.0.1:%u\r\n\r\n", (unsigned)address.port);
	assert_string_equal(server.requests[0], wanted);
}

static void gluetun_sends_a_key(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000}")));
	gluetun.account.apikey = &(const struct secret){ .value = "3Kd9" };
	assert_told(41000);
	assert_requests(SCRIPT("\r\nX-API-Key: 3Kd9\r\n\r\n"));
}

/* RFC 7617, section 2, and RFC 4648, section 10. */
static void gluetun_sends_name_and_password_in_base64(void **state)
{
	static const char *const pairs[][3] = {
		{ "Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
		{ "", "", "Og==" },
		{ "f", "", "Zjo=" },
		{ "f", "o", "Zjpv" },
		{ "foo", "b", "Zm9vOmI=" },
		{ "\xc3\xbf\xfe", "\xff?>~", "w7/+Ov8/Pn4=" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		char wanted[128];

		begin(SCRIPT(TOLD("{\"port\":41000}")));
		gluetun.account.username = &(const struct secret){ .value = pairs[i][0] };
		gluetun.account.password = &(const struct secret){ .value = pairs[i][1] };
		assert_told(41000);
		snprintf(wanted, sizeof wanted, "\r\nAuthorization: Basic %s\r\n\r\n", pairs[i][2]);
		assert_requests(SCRIPT(wanted));
	}
}

static void gluetun_has_room_for_the_longest_name_and_password(void **state)
{
	static char longest[SECRET_MAX + 1];
	static char wanted[(2 * SECRET_MAX + 1) / 3 * 4 + 1];
	const char *sent;
	(void)state;

	memset(longest, 'U', SECRET_MAX);
	begin(SCRIPT(TOLD("{\"port\":41000}")));
	gluetun.account.username = &(const struct secret){ .value = longest };
	gluetun.account.password = gluetun.account.username;
	assert_told(41000);
	end(NULL);
	sent = strstr(server.requests[0], "Basic ");
	assert_non_null(sent);
	assert_int_equal(strcspn(sent + 6, "\r"), sizeof wanted - 1);
	assert_memory_equal(sent + 6, "VVVVVVVV", 8);
	/* 8193 bytes: a multiple of three, so without padding. */
	assert_memory_equal(strchr(sent, '\r') - 4, "VVVV", 4);
}

static int end_and_remove(void **state)
{
	return end(state) + temp_dir_remove(state);
}

static void gluetun_reads_secrets_anew_for_each_question(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "key");
	begin(SCRIPT(STATUS("401 Unauthorized"), TOLD("{\"port\":41000}"),
	             TOLD("{\"port\":41000}")));
	gluetun.account.apikey = &(const struct secret){ .file = path };
	assert_true(temp_dir_write(path, "first\n", 6));
	assert_told(41000);
	assert_true(temp_dir_write(path, "second", 6));
	assert_told(41000);
	assert_int_equal(unlink(path), 0);
	assert_fails(FAIL_IO, "Gluetun's control server at 127.0.0.1:", path);
	assert_requests(
		SCRIPT("X-API-Key: first\r\n", "X-API-Key: first\r\n", "X-API-Key: second\r\n"));
}

static void gluetun_keeps_nothing_of_a_question(void **state)
{
	(void)state;

	begin(SCRIPT(TOLD("{\"port\":41000,\"B0DY\":1}")));
	gluetun.account.apikey = &(const struct secret){ .value = "3Kd9" };
	assert_told(41000);
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(reply.space[i], '\0');
}

/* ---- no answer ---- */

static void gluetun_waits_no_longer_than_it_may(void **state)
{
	(void)state;

	begin(SCRIPT(NULL));
	assert_fails(FAIL_TIMEOUT,
	             "Gluetun's control server at 127.0.0.1:", "no answer within 5 s");
}

static void gluetun_says_where_nobody_listens(void **state)
{
	(void)state;

	begin(SCRIPT(NULL));
	end(NULL);
	assert_fails(FAIL_REFUSED, "connection refused", "HTTP_CONTROL_SERVER_ADDRESS");
}

static void gluetun_stops_when_it_is_asked_to(void **state)
{
	int fds[2];
	(void)state;

	begin(SCRIPT(NULL));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "", 1), 1);
	stop.fd = fds[0];
	assert_int_equal(ask(), FAIL_STOPPED);
	assert_int_equal(ports.count, 7);
	stop.fd = -1;
	close(fds[0]);
	close(fds[1]);
}

static void gluetun_name_has_brackets_around_an_ipv6_address_and_no_zone(void **state)
{
	char name[GLUETUN_NAME_MAX];
	char host[LIMITS_HOST_MAX] = "";
	(void)state;

	gluetun_name(name, "fe80::1%eth0", 65535);
	assert_string_equal(name, "Gluetun's control server at [fe80::1]:65535");
	memset(host, 'h', LIMITS_HOST_MAX - 1);
	gluetun_name(name, host, 65535);
	assert_non_null(strstr(name, "hhh:65535"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(gluetun_takes_both_generations_of_json, end),
		cmocka_unit_test_teardown(gluetun_takes_0_null_and_an_empty_list_for_none, end),
		cmocka_unit_test_teardown(gluetun_tells_all_ports_in_their_order, end),
		cmocka_unit_test_teardown(gluetun_takes_the_port_where_the_list_has_none, end),
		cmocka_unit_test_teardown(gluetun_takes_nothing_else, end),
		cmocka_unit_test_teardown(gluetun_says_what_else_it_was_told, end),
		cmocka_unit_test_teardown(gluetun_asks_the_new_route_first, end),
		cmocka_unit_test_teardown(
			gluetun_remembers_the_old_route_where_the_new_is_not_known, end),
		cmocka_unit_test_teardown(gluetun_leaves_the_old_route_when_it_leads_to_the_new,
		                          end),
		cmocka_unit_test_teardown(
			gluetun_leaves_the_new_route_when_it_is_not_known_any_more, end),
		cmocka_unit_test_teardown(gluetun_names_both_causes_of_a_401, end),
		cmocka_unit_test_teardown(gluetun_knows_a_server_with_neither_route, end),
		cmocka_unit_test_teardown(gluetun_does_not_show_the_path_of_a_redirect, end),
		cmocka_unit_test_teardown(gluetun_does_not_ask_the_other_route_after_an_error, end),
		cmocka_unit_test_teardown(gluetun_sends_nothing_where_nothing_is_asked_for, end),
		cmocka_unit_test_teardown(gluetun_sends_a_key, end),
		cmocka_unit_test_teardown(gluetun_sends_name_and_password_in_base64, end),
		cmocka_unit_test_teardown(gluetun_has_room_for_the_longest_name_and_password, end),
		cmocka_unit_test_setup_teardown(gluetun_reads_secrets_anew_for_each_question,
		                                temp_dir_make, end_and_remove),
		cmocka_unit_test_teardown(gluetun_keeps_nothing_of_a_question, end),
		cmocka_unit_test_teardown(gluetun_waits_no_longer_than_it_may, end),
		cmocka_unit_test_teardown(gluetun_says_where_nobody_listens, end),
		cmocka_unit_test_teardown(gluetun_stops_when_it_is_asked_to, end),
		cmocka_unit_test_teardown(
			gluetun_name_has_brackets_around_an_ipv6_address_and_no_zone, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
