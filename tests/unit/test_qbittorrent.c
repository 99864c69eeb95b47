#include "qbittorrent/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "qbittorrent/login.h"
#include "scripted_server.h"
#include "sidecar/servers.h"

/* ---- the client ---- */

static struct http_reply reply;
static struct failure why;
static struct server server;
static struct config config;
static struct qbittorrent qb;
static struct qbittorrent_view view;
static const struct stop never = { .fd = -1 };

/* ---- a gate that is open or closed, and records calls ---- */

static struct test_gate {
	struct qbittorrent_gate gate;
	bool shut;
	unsigned before, after;
	char user[32], password[32];
	enum qbittorrent_login login;
	enum fail f;
} login_gate;

static enum fail before_login(struct qbittorrent_gate *base, struct qbittorrent *its,
                              const char *user, const char *password, struct failure *failure)
{
	assert_ptr_equal(base, &login_gate.gate);
	assert_ptr_equal(its, &qb);
	login_gate.before++;
	snprintf(login_gate.user, sizeof login_gate.user, "%s", user);
	snprintf(login_gate.password, sizeof login_gate.password, "%s", password);
	return login_gate.shut ? fail_set(failure, FAIL_BANNED, "the gate says no") : FAIL_NONE;
}

static enum fail after_login(struct qbittorrent_gate *base, struct qbittorrent *its, enum fail f,
                             struct failure *failure)
{
	assert_ptr_equal(base, &login_gate.gate);
	login_gate.after++;
	login_gate.login = its->login;
	login_gate.f = f;
	if (f)
		fail_in(failure, "the gate adds");
	return f;
}

static struct qbittorrent_gate *open_gate(bool open)
{
	login_gate.gate = (struct qbittorrent_gate){ before_login, after_login };
	login_gate.shut = !open;
	return &login_gate.gate;
}

/* Starts the server, and a session and a cycle with it. */
static void begin(const char *const script[])
{
	server_start(&server, script);
	config = (struct config){ .host = "127.0.0.1",
		                  .port = server.port,
		                  .tls_ca_file = "",
		                  .user = { .name = "USER", .value = "admin" },
		                  .pass = { .name = "PASS", .value = "&=+% \"\u00e9#" },
		                  .api_key = { .name = "KEY", .value = "" } };
	servers_qbittorrent(&qb, &config, &never, &reply);
	memset(&login_gate, 0, sizeof login_gate);
	qbittorrent_begin(&qb, MONO_NEVER, open_gate(true));
}

/* Begins the next cycle of the same session. */
static void begin_again(bool may_login)
{
	qbittorrent_end(&qb);
	qbittorrent_begin(&qb, MONO_NEVER, open_gate(may_login));
}

/* Ends the client, then the server. The requests are then in server.requests. */
static void end(void)
{
	qbittorrent_end(&qb);
	server_end(&server);
}

static int end_after_test(void **state)
{
	(void)state;
	if (server.runs)
		end();
	return 0;
}

static enum fail set_port(uint16_t port)
{
	const struct qbittorrent_wanted wanted = { .port = port };

	return qbittorrent_set(&qb, &wanted, &view, &why);
}

static enum fail read_view(void)
{
	return qbittorrent_read(&qb, &view, &why);
}

static void assert_requests(const char *const *wanted)
{
	end_after_test(NULL);
	server_assert_asked(&server, wanted);
}

/* each: NULL, end_after_test */

/* ---- sessions ---- */

static void qbittorrent_needs_no_login_where_it_is_let_in(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(view.listen_port, 41000);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
	assert_requests(SCRIPT("GET /api/v2/app/preferences HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
}

static void qbittorrent_logs_in_where_that_is_asked_for(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(view.listen_port, 41000);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_ACCEPTED);
	assert_requests(SCRIPT("GET /api/v2/app/preferences ", "POST /api/v2/auth/login ",
	                       "Cookie: SID=c00kie\r\n"));
}

static void qbittorrent_escapes_the_password(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000));
	read_view();
	assert_requests(SCRIPT(
		"GET ", "\r\n\r\nusername=admin&password=%26%3D%2B%25%20%22%C3%A9%23", "GET "));
}

/* On a used connection, nobody could tell whether it was closed before the login or because of
 * it. */
static void qbittorrent_logs_in_on_a_new_connection(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000));
	read_view();
	assert_requests(SCRIPT("GET ", "POST ", "GET "));
	assert_int_equal(server.connection_of[0], 1);
	assert_int_equal(server.connection_of[1], 2);
}

static void qbittorrent_uses_one_connection_a_cycle(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000, OK(0, ""), PORT_42000, OK(6, "v4.5.2"), PORT_42000));
	read_view();
	set_port(42000);
	qbittorrent_ask_version(&qb);
	begin_again(true);
	read_view();
	assert_requests(SCRIPT("GET ", "POST ", "GET ", "GET ", "GET "));
	assert_int_equal(server.connection_of[3], 1);
	assert_int_equal(server.connection_of[4], 2);
}

static void qbittorrent_takes_204_for_a_login_accepted(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, "HTTP/1.1 204 No Content\r\nSet-Cookie: QBT_SID_1=x\r\n\r\n",
	             PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_requests(SCRIPT("GET ", "POST ", "Cookie: QBT_SID_1=x\r\n"));
}

static void qbittorrent_logs_in_once_for_many_cycles(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000, PORT_41000, PORT_41000));
	read_view();
	begin_again(true);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
	begin_again(true);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_requests(SCRIPT("GET ", "POST ", "GET ", "SID=c00kie", "SID=c00kie"));
}

static void qbittorrent_logs_in_anew_where_the_session_is_over(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000, FORBIDDEN, LOGGED_IN, PORT_42000));
	read_view();
	begin_again(true);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(view.listen_port, 42000);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_ACCEPTED);
}

static void qbittorrent_logs_in_no_more_than_once_a_cycle(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, FORBIDDEN));
	server.repeat = true;
	assert_int_equal(read_view(), FAIL_ANSWER);
	assert_int_equal(read_view(), FAIL_ANSWER);
	assert_requests(SCRIPT("GET ", "POST ", "GET ", "GET "));
}

/* qBittorrent counts each, and bans after five. */
static void qbittorrent_tries_a_rejected_login_no_second_time_in_a_cycle(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, OK(6, "Fails."), FORBIDDEN, FORBIDDEN, LOGGED_IN, PORT_41000));
	assert_int_equal(read_view(), FAIL_REJECTED);
	assert_int_equal(read_view(), FAIL_HELD_BACK);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_REJECTED);
	begin_again(true);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_requests(SCRIPT("GET ", "POST ", "GET ", "GET ", "POST ", "GET "));
}

static void qbittorrent_sends_no_login_that_is_held_back(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, FORBIDDEN));
	begin_again(false);
	assert_int_equal(read_view(), FAIL_BANNED);
	assert_non_null(strstr(why.text, "the gate says no"));
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
	assert_int_equal(login_gate.after, 0);
	qbittorrent_end(&qb);
	qbittorrent_begin(&qb, MONO_NEVER, NULL);
	assert_int_equal(read_view(), FAIL_HELD_BACK);
	assert_requests(SCRIPT("GET ", "GET "));
}

static void qbittorrent_asks_its_gate_before_and_after_a_login(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, OK(6, "Fails."), FORBIDDEN, LOGGED_IN, PORT_41000));
	assert_int_equal(read_view(), FAIL_REJECTED);
	assert_non_null(strstr(why.text, "the gate adds: user name or password rejected"));
	assert_string_equal(login_gate.user, "admin");
	assert_string_equal(login_gate.password, config.pass.value);
	assert_int_equal(login_gate.login, QBITTORRENT_LOGIN_REJECTED);
	assert_int_equal(login_gate.f, FAIL_REJECTED);
	begin_again(true);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(login_gate.login, QBITTORRENT_LOGIN_ACCEPTED);
	assert_int_equal(login_gate.before, 2);
	assert_int_equal(login_gate.after, 2);
}

static void qbittorrent_needs_no_gate_without_a_login(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(login_gate.before + login_gate.after, 0);
}

/* ---- the cache id ---- */

static bool cache_id_of(const char *answer, char id[static QBITTORRENT_CACHE_ID_MAX])
{
	bool found;

	begin(SCRIPT(answer));
	found = qbittorrent_ask_cache_id(&qb, id);
	assert_requests(SCRIPT("GET / "));
	end_after_test(NULL);
	return found;
}

static void qbittorrent_finds_the_cache_id_of_the_login_page(void **state)
{
	char id[QBITTORRENT_CACHE_ID_MAX];
	(void)state;

	assert_true(cache_id_of(OK(41, "<link href=\"css/login.css?v=1dn5xm8\" />  "), id));
	assert_string_equal(id, "1dn5xm8");
	assert_true(cache_id_of(OK(18, "css/login.css?v=0\""), id));
	assert_string_equal(id, "0");
}

/* The page has no id, is another program's, is cut off, or its id is not in base 36. */
static void qbittorrent_finds_no_cache_id_elsewhere(void **state)
{
	static const char *const answers[] = {
		FORBIDDEN,
		OK(0, ""),
		OK(23, "css/style.css?v=abc123\""),
		OK(17, "css/login.css?v=\""),
		OK(25, "css/login.css?v=12345678\""),
		OK(20, "css/login.css?v=A1b\""),
		OK(19, "css/login.css?v=1.2"),
		OK(19, "css/login.css?v=12c"),
		OK(23, "css/login.css?v=1234567"),
		"HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\ncss/login.css?v=12c\"",
		"nonsense",
	};
	char id[QBITTORRENT_CACHE_ID_MAX] = "-";
	(void)state;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		assert_false(cache_id_of(answers[i], id));
		assert_string_equal(id, "-");
	}
}

static void assert_login(const char *answer, enum fail wanted, enum qbittorrent_login login)
{
	begin(SCRIPT(FORBIDDEN, answer));
	assert_int_equal(read_view(), wanted);
	assert_int_equal(qb.login, login);
	assert_null(strstr(why.text, config.pass.value));
	assert_requests(SCRIPT("GET ", "POST "));
}

static void qbittorrent_tells_a_login_rejected(void **state)
{
	(void)state;

	assert_login(OK(6, "Fails."), FAIL_REJECTED, QBITTORRENT_LOGIN_REJECTED);
	assert_login("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", FAIL_REJECTED,
	             QBITTORRENT_LOGIN_REJECTED);
}

static void assert_rejected_with(const char *user, const char *password, const char *words)
{
	begin(SCRIPT(FORBIDDEN, OK(6, "Fails.")));
	config.user.value = user;
	config.pass.value = password;
	assert_int_equal(read_view(), FAIL_REJECTED);
	assert_non_null(strstr(why.text, words));
	assert_null(strstr(why.text, "hush"));
	end();
}

static void qbittorrent_says_what_looks_odd_about_what_was_rejected(void **state)
{
	(void)state;

	assert_rejected_with("hush", "hush \"", "the password ends with a quote; correct PASS");
	assert_rejected_with(" hush", "hush", "the user name begins with a blank; correct USER");
	assert_rejected_with(" hush", "'hush'", "the password is in quotes");
	assert_rejected_with("hush", "hush", "rejected: correct USER and PASS (since");
}

static void qbittorrent_says_that_only_the_default_was_tried(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, OK(6, "Fails.")));
	config.pass.is_default = true;
	config.pass.usual_file = "/nowhere/pass";
	assert_int_equal(read_view(), FAIL_REJECTED);
	assert_non_null(strstr(why.text, "no password is set, so the default adminadmin was tried "
	                                 "(/nowhere/pass: No such file or directory); set PASS"));
}

static void qbittorrent_tells_a_ban(void **state)
{
	(void)state;

	assert_login("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nbanned", FAIL_BANNED,
	             QBITTORRENT_LOGIN_BANNED);
	assert_non_null(strstr(why.text, "banned"));
}

/* qBittorrent may have counted it. */
static void qbittorrent_does_not_repeat_a_login_without_an_answer(void **state)
{
	(void)state;

	assert_login("", FAIL_CLOSED, QBITTORRENT_LOGIN_UNANSWERED);
	assert_login("!HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nO", FAIL_CLOSED,
	             QBITTORRENT_LOGIN_UNANSWERED);
	assert_login("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", FAIL_ANSWER,
	             QBITTORRENT_LOGIN_UNANSWERED);
}

static void assert_no_password_for(const char *answer)
{
	begin(SCRIPT(answer));
	assert_int_equal(read_view(), FAIL_ANSWER);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
	assert_requests(SCRIPT("GET "));
}

static void qbittorrent_sends_no_password_to_something_else(void **state)
{
	(void)state;

	assert_no_password_for("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n"
	                       "Content-Length: 1\r\n\r\nx");
	assert_no_password_for("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n \n<html></>");
	assert_no_password_for("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
	                       "Content-Length: 0\r\n\r\n");
	assert_no_password_for(
		"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n");
	assert_no_password_for("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	assert_no_password_for("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
	assert_no_password_for(OK(6, "<html>"));
}

#define UNAUTHORIZED "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

static void begin_by_name(const char *const script[])
{
	begin(script);
	memcpy(config.host, "localhost", sizeof "localhost");
}

static void assert_hosts(const char *const hosts[])
{
	size_t count = 0;

	end_after_test(NULL);
	for (; hosts[count]; count++) {
		char header[64];

		snprintf(header, sizeof header, "\r\nHost: %s", hosts[count]);
		assert_true(count < server.count);
		assert_non_null(strstr(server.requests[count], header));
	}
	assert_int_equal(server.count, count);
}

static void qbittorrent_says_its_address_where_the_name_is_refused(void **state)
{
	(void)state;

	begin_by_name(SCRIPT(UNAUTHORIZED, PORT_41000, PORT_42000, UNAUTHORIZED, PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_hosts(
		SCRIPT("localhost\r", "127.0.0.1\r", "127.0.0.1\r", "127.0.0.1\r", "localhost\r"));
}

/* Who answers to the address may be somebody else: another 401, or a page, must not get them. */
static void qbittorrent_shows_key_and_cookies_only_where_its_address_is_taken(void **state)
{
	static const char *const others[] = { UNAUTHORIZED,
		                              "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n"
		                              "\r\n<html>" };
	(void)state;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		begin_by_name(SCRIPT(UNAUTHORIZED, others[i]));
		config.api_key.value = "k3y";
		assert_int_equal(read_view(), FAIL_ANSWER);
		assert_false(qb.peer.says_address);
		assert_requests(SCRIPT("Bearer k3y", "GET "));
		assert_null(strstr(server.requests[1], "k3y"));
	}

	begin_by_name(
		SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000, UNAUTHORIZED, FORBIDDEN, PORT_42000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(view.listen_port, 42000);
	assert_requests(SCRIPT("GET ", "POST ", "c00kie", "c00kie", "GET ", "c00kie"));
	assert_null(strstr(server.requests[4], "c00kie"));
}

static void qbittorrent_says_its_address_only_after_its_own_refusal(void **state)
{
	static const char *const refusals[] = {
		"HTTP/1.1 401 No\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\nUnauthorized",
		"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nunauthorized",
		"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\n<html>",
	};
	(void)state;

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		begin_by_name(SCRIPT(refusals[i]));
		assert_int_equal(read_view(), FAIL_ANSWER);
		assert_hosts(SCRIPT("localhost\r"));
	}
	begin_by_name(SCRIPT("HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized",
	                     PORT_41000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_hosts(SCRIPT("localhost\r", "127.0.0.1\r"));
}

static void qbittorrent_names_the_header_that_no_spelling_helps(void **state)
{
	(void)state;

	begin_by_name(SCRIPT(UNAUTHORIZED, UNAUTHORIZED));
	assert_int_equal(read_view(), FAIL_ANSWER);
	assert_non_null(strstr(why.text, "add the name in QSTICKY_QBITTORRENT_HOST to its server "
	                                 "domains"));
	assert_false(qb.peer.says_address);
	assert_hosts(SCRIPT("localhost\r", "127.0.0.1\r"));
}

static void qbittorrent_takes_a_proxys_login_for_what_it_is(void **state)
{
	(void)state;

	begin_by_name(SCRIPT("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
	                     "Content-Length: 0\r\n\r\n"));
	assert_int_equal(read_view(), FAIL_ANSWER);
	assert_hosts(SCRIPT("localhost\r"));
}

/* ---- connections ---- */

/* The server takes what it gets for the beginning of a request, and waits. */
static void qbittorrent_takes_a_handshake_that_is_too_slow_for_overdue(void **state)
{
	struct sockaddr_in address;
	socklen_t len = sizeof address;
	int listener, waits[4];
	(void)state;

	begin(SCRIPT(PORT_41000));
	config.use_https = true;
	servers_qbittorrent(&qb, &config, &never, &reply);
	qbittorrent_begin(&qb, mono_now_ms() + 50, open_gate(true));
	assert_int_equal(read_view(), FAIL_TIMEOUT);
	assert_true(qb.overdue);

	/* The next attempt does not even connect: the queue of the listener is full. */
	end_after_test(NULL);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		waits[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(waits[i], (struct sockaddr *)&address, len);
	}
	qb.peer.port = ntohs(address.sin_port);
	qbittorrent_begin(&qb, mono_now_ms() + 50, open_gate(true));
	assert_int_equal(read_view(), FAIL_TIMEOUT);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
		close(waits[i]);
	close(listener);
	assert_false(qb.overdue);
}

static void qbittorrent_replaces_a_connection_closed_while_idle(void **state)
{
	(void)state;

	begin(SCRIPT("!" PORT_41000, PORT_42000));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(view.listen_port, 42000);
}

static void qbittorrent_does_not_insist_where_a_new_connection_is_closed(void **state)
{
	(void)state;

	begin(SCRIPT(""));
	assert_int_equal(read_view(), FAIL_CLOSED);
	assert_requests(SCRIPT("GET "));
}

static void qbittorrent_names_the_server_in_every_failure(void **state)
{
	char name[64];
	(void)state;

	begin(SCRIPT("nonsense"));
	snprintf(name, sizeof name, "qBittorrent at 127.0.0.1:%u: ", (unsigned)config.port);
	assert_int_equal(read_view(), FAIL_FORMAT);
	assert_memory_equal(why.text, name, strlen(name));
}

static void qbittorrent_says_when_nobody_listens(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000));
	end();
	qbittorrent_begin(&qb, MONO_NEVER, open_gate(true));
	assert_int_equal(read_view(), FAIL_REFUSED);
	assert_non_null(strstr(why.text, "connection refused"));
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
}

/* ---- other programs ---- */

static void assert_answer_fails(const char *answer, enum fail wanted, const char *word)
{
	begin(SCRIPT(answer));
	assert_int_equal(read_view(), wanted);
	if (!strstr(why.text, word))
		fail_msg("%s does not say %s", why.text, word);
	end_after_test(NULL);
}

static void qbittorrent_says_to_which_server_a_redirect_leads_and_no_more(void **state)
{
	(void)state;

	assert_answer_fails("HTTP/1.1 302 Found\r\n"
	                    "Location: http://me:s3cret@auth/s3cret/login?token=s3cret\r\n"
	                    "Content-Length: 0\r\n\r\n",
	                    FAIL_ANSWER, "redirect to http://auth:");
	assert_null(strstr(why.text, "s3cret"));
}

static void qbittorrent_says_what_is_not_qbittorrent(void **state)
{
	(void)state;

	assert_answer_fails(OK(6, "<html>"), FAIL_ANSWER, "not qBittorrent");
	assert_answer_fails(OK(2, "{}"), FAIL_ANSWER, "not qBittorrent");
	assert_answer_fails(OK(2, "[]"), FAIL_FORMAT, "not qBittorrent");
	assert_answer_fails(OK(23, "{\"listen_port\":\"41000\"}"), FAIL_ANSWER, "not qBittorrent");
	assert_answer_fails(OK(0, ""), FAIL_FORMAT, "not qBittorrent");
	assert_answer_fails("HTTP/1.1 204 \r\n\r\n", FAIL_FORMAT, "not qBittorrent");
}

/* ---- preferences ---- */

/* Reads preferences that hold `members` and the port. */
static void read_members(const char *members)
{
	char answer[512], body[256];

	snprintf(body, sizeof body, "{\"listen_port\":41000%s}", members);
	snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	         strlen(body), body);
	begin(SCRIPT(answer));
	assert_int_equal(read_view(), FAIL_NONE);
	end_after_test(NULL);
}

static void qbittorrent_reads_what_matters_of_the_preferences(void **state)
{
	(void)state;

	read_members("");
	assert_false(view.random_port || view.upnp || view.peer_proxy);
	assert_int_equal(view.announce_port, 0);
	assert_int_equal(view.web_ui_port, 0);
	read_members(
		",\"random_port\":true,\"upnp\":true,\"announce_port\":5,\"web_ui_port\":8080");
	assert_true(view.random_port && view.upnp);
	assert_int_equal(view.announce_port, 5);
	assert_int_equal(view.web_ui_port, 8080);
}

static void qbittorrent_knows_a_proxy_for_peers_in_every_version(void **state)
{
	static const struct {
		const char *members;
		bool proxy;
	} versions[] = {
		{ ",\"proxy_type\":-1", false },
		{ ",\"proxy_type\":0,\"proxy_peer_connections\":true", false },
		{ ",\"proxy_type\":2,\"proxy_peer_connections\":true", true },
		{ ",\"proxy_type\":2,\"proxy_peer_connections\":false", false },
		{ ",\"proxy_type\":\"None\",\"proxy_peer_connections\":true", false },
		{ ",\"proxy_type\":\"SOCKS5\",\"proxy_peer_connections\":true", true },
		{ ",\"proxy_type\":\"SOCKS5\",\"proxy_peer_connections\":false", false },
	};
	(void)state;

	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		read_members(versions[i].members);
		assert_int_equal(view.peer_proxy, versions[i].proxy);
	}
}

/* ---- setting the port ---- */

static void qbittorrent_sets_the_port_and_nothing_else(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 41000 };
	assert_int_equal(set_port(42000), FAIL_NONE);
	assert_int_equal(view.listen_port, 42000);
	/* {"listen_port":42000} */
	assert_requests(SCRIPT("\r\n\r\njson=%7B%22listen_port%22%3A42000%7D", "GET "));
}

static void qbittorrent_switches_off_what_would_change_the_port(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 41000, .random_port = true, .upnp = true };
	assert_int_equal(set_port(42000), FAIL_NONE);
	assert_requests(
		SCRIPT("42000%2C%22random_port%22%3Afalse%2C%22upnp%22%3Afalse%7D", "GET "));
}

static void qbittorrent_waits_until_the_port_is_read_back(void **state)
{
	(void)state;

	begin(SCRIPT("HTTP/1.1 204 \r\n\r\n", PORT_41000, PORT_41000, PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 41000 };
	assert_int_equal(set_port(42000), FAIL_NONE);
	assert_requests(SCRIPT("POST ", "GET ", "GET ", "GET "));
}

static void qbittorrent_does_not_believe_an_ok_that_is_not_true(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), PORT_41000));
	server.repeat = true;
	/* Ends by the cycle's deadline, which is shorter than the verification's. */
	qbittorrent_begin(&qb, mono_now_ms() + 1500, open_gate(true));
	view = (struct qbittorrent_view){ .listen_port = 41000 };
	assert_int_equal(set_port(42000), FAIL_UNPROVEN);
	assert_int_equal(view.listen_port, 41000);
	assert_non_null(strstr(why.text, "still reports port 41000"));
}

static void qbittorrent_logs_in_to_set_the_port_too(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 41000 };
	assert_int_equal(set_port(42000), FAIL_NONE);
	assert_requests(SCRIPT("setPreferences", "auth/login", "setPreferences", "preferences"));
}

/* ---- interface and address ---- */

#define BOUND(port, interface, address)                                                             \
	"{\"listen_port\":" #port                                                                   \
	",\"current_network_interface\":\"" interface "\",\"current_interface_address\":\"" address \
	"\"}"
#define BOUND_TUN0 OK(95, BOUND(42000, "tun0", "10.2.0.2"))

static const struct qbittorrent_wanted bound = { .port = 42000,
	                                         .interface = "tun0",
	                                         .address = "10.2.0.2" };

/* Returns the preferences that request `i`, from 0, has set, without escapes. */
static const char *json_of(size_t i)
{
	static char json[REQUEST_MAX];
	const char *at = strstr(server.requests[i], "\r\n\r\njson=");
	size_t len = 0;

	assert_non_null(at);
	for (at += strlen("\r\n\r\njson="); *at; at++) {
		char hex[3] = { 0 };

		json[len++] = *at;
		if (*at != '%')
			continue;
		hex[0] = *++at;
		hex[1] = *++at;
		json[len - 1] = (char)strtol(hex, NULL, 16);
	}
	json[len] = '\0';
	return json;
}

static void qbittorrent_reads_what_it_is_bound_to(void **state)
{
	(void)state;

	read_members(",\"current_network_interface\":\"tun0\","
	             "\"current_interface_address\":\"10.2.0.2\"");
	assert_true(view.can_bind);
	assert_string_equal(view.interface, "tun0");
	assert_string_equal(view.address, "10.2.0.2");
	read_members(",\"current_network_interface\":\"\",\"current_interface_address\":\"\"");
	assert_true(view.can_bind);
	assert_string_equal(view.interface, "");
	assert_string_equal(view.address, "");
}

static void qbittorrent_cannot_bind_what_it_does_not_know(void **state)
{
	static const char *const members[] = {
		"",
		",\"current_network_interface\":\"tun0\"",
		",\"current_interface_address\":\"10.2.0.2\"",
		",\"current_network_interface\":7,\"current_interface_address\":\"\"",
		",\"current_network_interface\":\"\",\"current_interface_address\":null",
		(",\"current_network_interface\":\"01234567890123456789012345678901\","
		 "\"current_interface_address\":\"\""),
	};
	(void)state;

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		read_members(members[i]);
		assert_false(view.can_bind);
	}
}

static void qbittorrent_has_what_is_wanted_only_if_all_of_it_is_so(void **state)
{
	static const struct {
		struct qbittorrent_wanted wanted;
		bool has;
	} cases[] = {
		{ { 42000, NULL, NULL }, true },          { { 42001, NULL, NULL }, false },
		{ { 42000, "tun0", "10.2.0.2" }, true },  { { 42001, "tun0", "10.2.0.2" }, false },
		{ { 42000, "tun1", "10.2.0.2" }, false }, { { 42000, "tun0", "10.2.0.3" }, false },
		{ { 42000, "tun", NULL }, false },        { { 42000, NULL, "10.2.0.2" }, true },
		{ { 42000, NULL, "" }, false },
	};
	struct qbittorrent_view has = {
		.listen_port = 42000, .can_bind = true, .interface = "tun0", .address = "10.2.0.2"
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		has.can_bind = true;
		assert_int_equal(qbittorrent_has(&has, &cases[i].wanted), cases[i].has);
		/* A version without these settings cannot differ in them. */
		has.can_bind = false;
		assert_int_equal(qbittorrent_has(&has, &cases[i].wanted),
		                 cases[i].wanted.port == 42000);
	}
	has.listen_port = 42000 + 65536;
	assert_false(qbittorrent_has(&has, &cases[0].wanted));
}

static void qbittorrent_sets_interface_and_address_with_the_port(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), BOUND_TUN0));
	view = (struct qbittorrent_view){ .listen_port = 41000, .upnp = true, .can_bind = true };
	assert_int_equal(qbittorrent_set(&qb, &bound, &view, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST /api/v2/app/setPreferences ", "GET "));
	assert_string_equal(json_of(0), "{\"listen_port\":42000,\"upnp\":false,"
	                                "\"current_network_interface\":\"tun0\","
	                                "\"current_interface_address\":\"10.2.0.2\"}");
	assert_string_equal(view.interface, "tun0");
}

static void qbittorrent_sets_no_interface_where_it_knows_none(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 41000 };
	assert_int_equal(qbittorrent_set(&qb, &bound, &view, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST ", "GET "));
	assert_string_equal(json_of(0), "{\"listen_port\":42000}");
}

static void qbittorrent_waits_until_the_interface_is_read_back(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), OK(83, BOUND(42000, "", "")), BOUND_TUN0));
	view = (struct qbittorrent_view){ .listen_port = 42000, .can_bind = true };
	assert_int_equal(qbittorrent_set(&qb, &bound, &view, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST ", "GET ", "GET "));
}

static void qbittorrent_says_that_it_is_bound_to_others_but_not_what_it_calls_them(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), OK(90, BOUND(42000, "eth0", "::1"))));
	server.repeat = true;
	qbittorrent_begin(&qb, mono_now_ms() + 1500, open_gate(true));
	view = (struct qbittorrent_view){ .listen_port = 42000, .can_bind = true };
	assert_int_equal(qbittorrent_set(&qb, &bound, &view, &why), FAIL_UNPROVEN);
	assert_non_null(strstr(why.text, "interface tun0"));
	assert_non_null(strstr(why.text, "still reports others"));
	assert_null(strstr(why.text, "eth0"));
}

/* All strings have their longest length. */
static void qbittorrent_has_room_for_the_longest_setting(void **state)
{
	const struct qbittorrent_wanted longest = { .port = 65535,
		                                    .interface = "012345678901234",
		                                    .address = "255.255.255.255" };
	(void)state;

	begin(SCRIPT(OK(0, "")));
	view = (struct qbittorrent_view){
		.listen_port = 41000, .random_port = true, .upnp = true, .can_bind = true
	};
	(void)qbittorrent_set(&qb, &longest, &view, &why);
	end_after_test(NULL);
	assert_string_equal(json_of(0), "{\"listen_port\":65535,\"random_port\":false,"
	                                "\"upnp\":false,"
	                                "\"current_network_interface\":\"012345678901234\","
	                                "\"current_interface_address\":\"255.255.255.255\"}");
}

/* ---- rebinds ---- */

static enum fail rebind(uint16_t port)
{
	const struct qbittorrent_wanted wanted = { .port = port };

	return qbittorrent_rebind(&qb, &wanted, &view, &why);
}

static void qbittorrent_rebinds_with_another_port_and_then_the_right_one(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 42000 };
	assert_int_equal(rebind(42000), FAIL_NONE);
	assert_int_equal(view.listen_port, 42000);
	assert_int_equal(qb.port_to_restore, 0);
	assert_requests(SCRIPT("POST /api/v2/app/setPreferences ",
	                       "POST /api/v2/app/setPreferences ", "GET "));
	assert_string_equal(json_of(0), "{\"listen_port\":42001}");
	assert_string_equal(json_of(1), "{\"listen_port\":42000}");
}

static void qbittorrent_rebinds_with_all_that_is_wanted(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), OK(0, ""), BOUND_TUN0));
	view = (struct qbittorrent_view){ .listen_port = 42000, .can_bind = true };
	assert_int_equal(qbittorrent_rebind(&qb, &bound, &view, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST ", "POST ", "GET "));
	assert_string_equal(json_of(0), "{\"listen_port\":42001}");
	assert_string_equal(json_of(1), "{\"listen_port\":42000,"
	                                "\"current_network_interface\":\"tun0\","
	                                "\"current_interface_address\":\"10.2.0.2\"}");
}

static void qbittorrent_rebinds_by_way_of_a_valid_port_that_is_another(void **state)
{
	(void)state;

	/* If the answer to the GET is invalid, the view stays as the first request made it. */
	begin(SCRIPT(OK(0, "")));
	server.repeat = true;
	for (uint32_t port = 1; port <= 65535; port += port < 2048 || port >= 65000 ? 1 : 13) {
		view = (struct qbittorrent_view){ .listen_port = port };
		assert_int_equal(rebind((uint16_t)port), FAIL_FORMAT);
		assert_int_not_equal(view.listen_port, port);
		assert_in_range((uintmax_t)view.listen_port, 1024, 65535);
	}
}

static void qbittorrent_rebinds_by_way_of_a_port_that_is_not_the_web_uis(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, "")));
	server.repeat = true;
	for (uint32_t port = 1; port <= 65535; port += port < 2048 || port >= 65000 ? 1 : 13) {
		uint32_t neighbour;

		view = (struct qbittorrent_view){ .listen_port = port };
		assert_int_equal(rebind((uint16_t)port), FAIL_FORMAT);
		neighbour = (uint32_t)view.listen_port;
		/* The preferences give the port; without it the configured one counts. */
		qb.peer.port = server.port;
		view = (struct qbittorrent_view){ .listen_port = port, .web_ui_port = neighbour };
		assert_int_equal(rebind((uint16_t)port), FAIL_FORMAT);
		assert_int_not_equal(view.listen_port, port);
		assert_int_not_equal(view.listen_port, neighbour);
		assert_in_range((uintmax_t)view.listen_port, 1024, 65535);
	}
}

static void qbittorrent_knows_the_port_of_its_web_ui(void **state)
{
	(void)state;

	begin(SCRIPT(NULL));
	/* Behind a port mapping the two differ, and qBittorrent's own port counts. */
	view = (struct qbittorrent_view){ .web_ui_port = 8080 };
	qb.peer.port = 9090;
	assert_true(qbittorrent_is_web_ui(&qb, &view, 8080));
	assert_false(qbittorrent_is_web_ui(&qb, &view, 9090));
	view.web_ui_port = 0;
	assert_true(qbittorrent_is_web_ui(&qb, &view, 9090));
	assert_false(qbittorrent_is_web_ui(&qb, &view, 8080));
}

static void qbittorrent_remembers_a_rebind_that_was_cut_in_the_middle(void **state)
{
	(void)state;

	/* The second request is repeated once, on a new connection. */
	begin(SCRIPT(OK(0, ""), "", "", OK(0, ""), OK(0, "")));
	view = (struct qbittorrent_view){ .listen_port = 42000 };
	assert_int_equal(rebind(42000), FAIL_CLOSED);
	assert_int_equal(view.listen_port, 42001);
	assert_int_equal(qb.port_to_restore, 42000);
	qbittorrent_logout(&qb);
	assert_requests(SCRIPT("POST ", "POST ", "POST ", "POST /api/v2/app/setPreferences ",
	                       "POST /api/v2/auth/logout "));
	assert_string_equal(json_of(0), "{\"listen_port\":42001}");
	assert_string_equal(json_of(3), "{\"listen_port\":42000}");
}

/* The answer is lost, but the request may have arrived. */
static void qbittorrent_remembers_a_rebind_whose_first_answer_was_lost(void **state)
{
	(void)state;

	begin(SCRIPT("", OK(0, ""), OK(0, "")));
	view = (struct qbittorrent_view){ .listen_port = 42000 };
	assert_int_equal(rebind(42000), FAIL_CLOSED);
	qbittorrent_logout(&qb);
	assert_requests(SCRIPT("POST ", "POST /api/v2/app/setPreferences ", "POST "));
	assert_string_equal(json_of(1), "{\"listen_port\":42000}");
}

static void qbittorrent_owes_nothing_after_the_next_setting(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, ""), "", "", OK(0, ""), PORT_42000));
	view = (struct qbittorrent_view){ .listen_port = 42000 };
	assert_int_equal(rebind(42000), FAIL_CLOSED);
	assert_int_equal(set_port(42000), FAIL_NONE);
	qbittorrent_end(&qb);
	qbittorrent_logout(&qb);
	assert_requests(SCRIPT("POST ", "POST ", "POST ", "POST ", "GET "));
}

static sem_t gate;

static void wait_at_gate(size_t count)
{
	if (count == 4)
		sem_wait(&gate);
}

/* A stop must be quick, even if a port must be restored. */
static void qbittorrent_pays_no_longer_than_a_logout_may_take(void **state)
{
	int64_t began_ms, took_ms;
	(void)state;

	assert_int_equal(sem_init(&gate, 0, 0), 0);
	begin(SCRIPT(OK(0, ""), "", "", OK(0, ""), OK(0, "")));
	server.before_reply = wait_at_gate;
	view = (struct qbittorrent_view){ .listen_port = 42000 };
	assert_int_equal(rebind(42000), FAIL_CLOSED);
	began_ms = mono_now_ms();
	qbittorrent_logout(&qb);
	took_ms = mono_now_ms() - began_ms;
	assert_int_equal(sem_post(&gate), 0);
	assert_true(took_ms < QBITTORRENT_EXCHANGE_MS / 2); /* the deadline without a stop */
	assert_requests(SCRIPT("POST ", "POST ", "POST ", "POST "));
	sem_destroy(&gate);
}

/* ---- re-announce and hints ---- */

static void qbittorrent_announces_all_torrents_anew(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, "")));
	assert_int_equal(qbittorrent_reannounce(&qb, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST /api/v2/torrents/reannounce "));
	assert_non_null(strstr(server.requests[0], "\r\n\r\nhashes=all"));
	assert_string_equal(strstr(server.requests[0], "hashes="), "hashes=all");
}

static void qbittorrent_says_that_it_could_not_announce(void **state)
{
	(void)state;

	begin(SCRIPT("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(qbittorrent_reannounce(&qb, &why), FAIL_ANSWER);
	assert_non_null(strstr(why.text, "reannounce"));
}

/* The cycle counts as good by then: nobody would hear of a failed login. */
static void qbittorrent_sends_no_login_to_announce(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000, FORBIDDEN, LOGGED_IN));
	assert_int_equal(read_view(), FAIL_NONE);
	assert_int_equal(qbittorrent_reannounce(&qb, &why), FAIL_HELD_BACK);
	assert_int_equal(qb.login, QBITTORRENT_LOGIN_NONE);
	assert_requests(SCRIPT("GET ", "POST /api/v2/torrents/reannounce "));
}

static void qbittorrent_is_shut_down_by_one_request_and_a_login_where_it_takes_one(void **state)
{
	(void)state;

	begin(SCRIPT(OK(0, "")));
	assert_int_equal(qbittorrent_shutdown(&qb, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST /api/v2/app/shutdown "));

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, OK(0, "")));
	assert_int_equal(qbittorrent_shutdown(&qb, &why), FAIL_NONE);
	assert_requests(SCRIPT("POST /api/v2/app/shutdown ", "POST /api/v2/auth/login ",
	                       "POST /api/v2/app/shutdown "));

	begin(SCRIPT("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(qbittorrent_shutdown(&qb, &why), FAIL_ANSWER);
	assert_non_null(strstr(why.text, "shutdown"));
}

/* Reads the hints from `answer`, after other ones were read. */
static struct qbittorrent_hints hints_of(const char *answer)
{
	struct qbittorrent_hints hints = { .connection_status = "connected",
		                           .external_address = "192.0.2.1" };

	begin(SCRIPT(answer));
	qbittorrent_ask_hints(&qb, &hints);
	/* No other request is sent, and no login. */
	assert_requests(SCRIPT("GET /api/v2/transfer/info "));
	return hints;
}

static struct qbittorrent_hints hints_in(const char *json)
{
	char answer[1024];

	snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	         strlen(json), json);
	return hints_of(answer);
}

static void qbittorrent_reads_the_hints_of_every_version(void **state)
{
	struct qbittorrent_hints hints;
	(void)state;

	hints = hints_in("{\"connection_status\":\"firewalled\",\"dht_nodes\":0,"
	                 "\"dl_info_data\":0,\"dl_info_speed\":0,\"dl_rate_limit\":0,"
	                 "\"up_info_data\":0,\"up_info_speed\":0,\"up_rate_limit\":0}");
	assert_string_equal(hints.connection_status, "firewalled");
	assert_string_equal(hints.external_address, "");
	hints = hints_in("{\"connection_status\":\"connected\",\"dht_nodes\":370,"
	                 "\"last_external_address_v4\":\"203.0.113.7\","
	                 "\"last_external_address_v6\":\"2001:db8::7\"}");
	assert_string_equal(hints.connection_status, "connected");
	assert_string_equal(hints.external_address, "203.0.113.7");
	hints = hints_in("{\"connection_status\":\"disconnected\","
	                 "\"last_external_address_v4\":\"\","
	                 "\"last_external_address_v6\":\"2001:db8::7\"}");
	assert_string_equal(hints.connection_status, "disconnected");
	assert_string_equal(hints.external_address, "2001:db8::7");
}

static void qbittorrent_has_no_hints_where_it_gives_none(void **state)
{
	static const char *const answers[] = {
		FORBIDDEN,
		("HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\n"
		 "{\"connection_status\":\"x\"}"),
		"HTTP/1.1 204 No Content\r\n\r\n",
		OK(0, ""),
		OK(2, "{}"),
		OK(2, "[]"),
		OK(6, "<html>"),
		OK(7, "{\"conne"),
		"",
		"nonsense",
	};
	static const char *const objects[] = {
		"{\"connection_status\":1,\"last_external_address_v4\":null}",
		("{\"connection_status\":\"0123456789abcdef\","
		 "\"last_external_address_v4\":"
		 "\"0123456789012345678901234567890123456789012345678901234567890123\"}"),
	};
	struct qbittorrent_hints hints;
	(void)state;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		hints = hints_of(answers[i]);
		assert_string_equal(hints.connection_status, "");
		assert_string_equal(hints.external_address, "");
	}
	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
		hints = hints_in(objects[i]);
		assert_string_equal(hints.connection_status, "");
		assert_string_equal(hints.external_address, "");
	}
}

static void qbittorrent_takes_no_hints_in_words_that_it_does_not_know(void **state)
{
	static const char *const objects[] = {
		"{\"connection_status\":\"s3cret\",\"last_external_address_v4\":\"s3cret\"}",
		("{\"connection_status\":\"connected \","
		 "\"last_external_address_v4\":\"192.0.2.1 s3cret\"}"),
		"{\"connection_status\":\"Connected\",\"last_external_address_v6\":\"fe80::1%s3cret\"}",
	};
	struct qbittorrent_hints hints;
	(void)state;

	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
		hints = hints_in(objects[i]);
		assert_string_equal(hints.connection_status, "");
		assert_string_equal(hints.external_address, "");
	}
}

/* ---- version and logout ---- */

static void qbittorrent_asks_for_its_version_once_a_session(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000, OK(6, "v4.5.2"), PORT_41000));
	read_view();
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v4.5.2");
	begin_again(true);
	read_view();
	qbittorrent_ask_version(&qb);
	assert_requests(SCRIPT("GET ", "GET /api/v2/app/version ", "GET "));
}

static void qbittorrent_asks_for_its_version_after_a_new_login(void **state)
{
	(void)state;

	begin(SCRIPT(OK(6, "v4.5.2"), FORBIDDEN, LOGGED_IN, PORT_41000, OK(6, "v5.0.0")));
	qbittorrent_ask_version(&qb);
	read_view();
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v5.0.0");
}

/* With an API key or without a login, nothing else shows a new version. */
static void qbittorrent_asks_for_its_version_after_a_failure(void **state)
{
	(void)state;

	begin(SCRIPT(OK(6, "v5.2.0"), "", OK(6, "v5.2.3")));
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v5.2.0");
	begin_again(true);
	assert_int_equal(read_view(), FAIL_CLOSED);
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v5.2.3");
}

static void qbittorrent_asks_for_its_version_after_ten_minutes(void **state)
{
	int64_t began_ms = mono_now_ms();
	(void)state;

	begin(SCRIPT(OK(6, "v5.2.0"), OK(6, "v5.2.3")));
	qbittorrent_ask_version(&qb);
	assert_in_range((uintmax_t)(qb.version_at_ms - began_ms), QBITTORRENT_VERSION_MS,
	                QBITTORRENT_VERSION_MS + 15000);
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v5.2.0");
	qb.version_at_ms -= 2 * QBITTORRENT_VERSION_MS;
	qbittorrent_ask_version(&qb);
	assert_string_equal(qb.version, "v5.2.3");
	assert_requests(SCRIPT("GET /api/v2/app/version ", "GET /api/v2/app/version "));
}

static void qbittorrent_keeps_no_version_that_is_none(void **state)
{
	static const char *const answers[] = {
		"!HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
		OK(6, "<html>"),
		OK(40, "0123456789012345678901234567890123456789"),
	};
	(void)state;

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		begin(SCRIPT(answers[i]));
		qbittorrent_ask_version(&qb);
		assert_string_equal(qb.version, "");
		end_after_test(NULL);
	}
}

static void qbittorrent_logs_out_of_its_session(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000, OK(0, "")));
	read_view();
	qbittorrent_end(&qb);
	qbittorrent_logout(&qb);
	assert_requests(SCRIPT("GET ", "POST ", "GET ", "POST /api/v2/auth/logout "));
	assert_non_null(strstr(server.requests[3], "Cookie: SID=c00kie\r\n"));
	for (size_t i = 0; i < sizeof qb.cookies; i++)
		assert_int_equal(((const unsigned char *)&qb.cookies)[i], 0);
}

static void qbittorrent_logs_out_of_no_session(void **state)
{
	(void)state;

	begin(SCRIPT(PORT_41000));
	read_view();
	qbittorrent_end(&qb);
	qbittorrent_logout(&qb);
	assert_requests(SCRIPT("GET "));
}

static void qbittorrent_keeps_no_secret_in_memory_after_a_cycle(void **state)
{
	(void)state;

	begin(SCRIPT(FORBIDDEN, LOGGED_IN, PORT_41000));
	read_view();
	qbittorrent_end(&qb);
	assert_null(memmem(&reply, sizeof reply, "%26%3D%2B", 9));
	assert_null(memmem(&reply, sizeof reply, "c00kie", 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(qbittorrent_needs_no_login_where_it_is_let_in, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_where_that_is_asked_for, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_escapes_the_password, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_on_a_new_connection, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_uses_one_connection_a_cycle, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_takes_204_for_a_login_accepted, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_once_for_many_cycles, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_anew_where_the_session_is_over,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_no_more_than_once_a_cycle, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_tries_a_rejected_login_no_second_time_in_a_cycle, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_asks_its_gate_before_and_after_a_login,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_needs_no_gate_without_a_login, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_finds_the_cache_id_of_the_login_page,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_finds_no_cache_id_elsewhere, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_sends_no_login_that_is_held_back, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_says_its_address_where_the_name_is_refused, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_shows_key_and_cookies_only_where_its_address_is_taken, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_says_its_address_only_after_its_own_refusal, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_takes_a_handshake_that_is_too_slow_for_overdue, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_names_the_header_that_no_spelling_helps,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_takes_a_proxys_login_for_what_it_is,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_tells_a_login_rejected, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_says_what_looks_odd_about_what_was_rejected, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_says_that_only_the_default_was_tried,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_tells_a_ban, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_does_not_repeat_a_login_without_an_answer, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_sends_no_password_to_something_else,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_replaces_a_connection_closed_while_idle,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_does_not_insist_where_a_new_connection_is_closed, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_names_the_server_in_every_failure, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_says_when_nobody_listens, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_says_to_which_server_a_redirect_leads_and_no_more, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_says_what_is_not_qbittorrent, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_reads_what_matters_of_the_preferences,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_knows_a_proxy_for_peers_in_every_version, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_sets_the_port_and_nothing_else, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_switches_off_what_would_change_the_port,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_waits_until_the_port_is_read_back, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_does_not_believe_an_ok_that_is_not_true,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_in_to_set_the_port_too, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_reads_what_it_is_bound_to, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_cannot_bind_what_it_does_not_know, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_has_what_is_wanted_only_if_all_of_it_is_so, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_sets_interface_and_address_with_the_port, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_sets_no_interface_where_it_knows_none,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_waits_until_the_interface_is_read_back,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_says_that_it_is_bound_to_others_but_not_what_it_calls_them,
			NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_has_room_for_the_longest_setting, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_rebinds_with_another_port_and_then_the_right_one, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_rebinds_with_all_that_is_wanted, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_rebinds_by_way_of_a_valid_port_that_is_another, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_rebinds_by_way_of_a_port_that_is_not_the_web_uis, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_knows_the_port_of_its_web_ui, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_remembers_a_rebind_that_was_cut_in_the_middle, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_remembers_a_rebind_whose_first_answer_was_lost, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_owes_nothing_after_the_next_setting,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_pays_no_longer_than_a_logout_may_take,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_announces_all_torrents_anew, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_is_shut_down_by_one_request_and_a_login_where_it_takes_one,
			NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_sends_no_login_to_announce, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_says_that_it_could_not_announce, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_reads_the_hints_of_every_version, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_has_no_hints_where_it_gives_none, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			qbittorrent_takes_no_hints_in_words_that_it_does_not_know, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_asks_for_its_version_once_a_session,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_asks_for_its_version_after_a_failure,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_asks_for_its_version_after_ten_minutes,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_asks_for_its_version_after_a_new_login,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_keeps_no_version_that_is_none, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_out_of_its_session, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_logs_out_of_no_session, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(qbittorrent_keeps_no_secret_in_memory_after_a_cycle,
		                                NULL, end_after_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
