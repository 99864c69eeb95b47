#include "sidecar/publish.h"
#include "sidecar/servers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sidecar/health.h"
#include "temp_dir.h"

#define PORT 41000

/* A situation, what has been told of it, and a pipe in the place of stderr. */
static struct config config;
static struct situation situation;
static struct publish publish;
static char health_path[PATH_MAX];
static int pipe_fds[2];
static int real_stderr;

static int set_up(void **state)
{
	int64_t now_ms = mono_now_ms();

	if (temp_dir_make(state) < 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(pipe_fds[1], STDERR_FILENO);
	log_start(LEVEL_INFO, FORMAT_TEXT);
	temp_dir_path(health_path, state, "status.json");
	config = (struct config){ .port_file_path = "/dev/null",
		                  .gluetun_host = "localhost",
		                  .gluetun_port = 8000,
		                  .health_path = health_path,
		                  .port_index = 1,
		                  .no_port_grace_s = 120 };
	situation = (struct situation){ .config = &config,
		                        .sync = sync_start(30000, 120000, 1, now_ms),
		                        .current_port = -1,
		                        .interface = "",
		                        .tunnel_up_at_ms = MONO_NEVER,
		                        .version = "",
		                        .started_ms = now_ms };
	publish = (struct publish){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return temp_dir_remove(state);
}

/* each: set_up, tear_down */

/* What was logged since the last call. */
static const char *logged(void)
{
	static char lines[8192];
	ssize_t len = read(pipe_fds[0], lines, sizeof lines - 1);

	lines[len < 0 ? 0 : len] = '\0';
	return lines;
}

static void assert_logged(const char *level_and_text)
{
	const char *lines = logged();

	if (!strstr(lines, level_and_text) || strchr(lines, '\n') != lines + strlen(lines) - 1)
		fail_msg("not one line with %s but: %s", level_and_text, lines);
}

static void assert_quiet(void)
{
	assert_string_equal(logged(), "");
}

/* The file's member, as it stands there, of the file that was written last. */
static const char *member(const char *key)
{
	static char value[HEALTH_MAX];
	char text[HEALTH_MAX + 1], quoted[64];
	char *found;

	assert_true(temp_dir_read(health_path, text, sizeof text) > 0);
	snprintf(quoted, sizeof quoted, "\"%s\": ", key);
	found = strstr(text, quoted);
	assert_non_null(found);
	found += strlen(quoted);
	found[*found == '"' ? strcspn(found + 1, "\"") + 2 : strcspn(found, ",}")] = '\0';
	snprintf(value, sizeof value, "%s", found);
	return value;
}

static void cycle(enum sync_outcome outcome)
{
	sync_cycle_ended(&situation.sync, outcome, mono_now_ms());
}

/* As the loop does it. */
static void succeed(void)
{
	cycle(SYNC_PROVED);
	publish_health(&publish, &situation);
	publish_success(&publish, &situation);
}

static void fail_with(enum sync_outcome outcome, const char *why)
{
	fail_set(&situation.cycle_why, FAIL_IO, "%s", why);
	cycle(outcome);
	publish_health(&publish, &situation);
	publish_failure(&publish, &situation);
}

static void want(uint16_t port)
{
	sync_file_port(&situation.sync, port, mono_now_ms());
}

/* An empty file, that has been so for `ms`. */
static void want_none_since(int64_t ms)
{
	int64_t at_ms = mono_now_ms() - ms;

	situation.sync.no_port_at_ms = at_ms;
	sync_file_empty(&situation.sync, at_ms - SYNC_SETTLE_MS);
	sync_file_empty(&situation.sync, at_ms);
}

static struct failure error_buf;

/* A sentence with each digit as '#'. */
static const char *words_of(const char *sentence)
{
	static char words[FAILURE_MAX];
	size_t len = 0;

	for (; sentence[len]; len++)
		words[len] =
			(char)(sentence[len] >= '0' && sentence[len] <= '9' ? '#' : sentence[len]);
	words[len] = '\0';
	return words;
}

/* ---- health ---- */

static void publish_health_starts_with_nothing_known(void **state)
{
	(void)state;

	publish_health(&publish, &situation);
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("state"), "\"starting\"");
	assert_string_equal(member("current_port"), "null");
	assert_string_equal(member("forwarded_port"), "null");
	assert_string_equal(member("last_check"), "null");
	assert_string_equal(member("last_error"), "null");
	assert_string_equal(member("qbittorrent_version"), "null");
	assert_string_equal(member("version"), "\"" QSTICKY_VERSION "\"");
}

static void publish_health_in_sync(void **state)
{
	(void)state;

	want(PORT);
	situation.current_port = PORT;
	situation.version = "v4.5.2";
	succeed();
	assert_string_equal(member("healthy"), "true");
	assert_string_equal(member("state"), "\"in_sync\"");
	assert_string_equal(member("current_port"), "41000");
	assert_string_equal(member("forwarded_port"), "41000");
	assert_string_equal(member("qbittorrent_version"), "\"v4.5.2\"");
	assert_string_equal(member("last_error"), "null");
}

static void publish_health_after_a_failure(void **state)
{
	(void)state;

	want(PORT);
	fail_with(SYNC_FAILED, "connection refused");
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("state"), "\"retrying\"");
	assert_string_equal(member("last_error"), "\"connection refused\"");
	assert_string_equal(member("consecutive_failures"), "1");
}

static void publish_health_with_a_bad_port_file(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	fail_set(&situation.file_why, FAIL_FORMAT, "/x is not a port");
	sync_file_bad(&situation.sync, mono_now_ms());
	publish_health(&publish, &situation);
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("state"), "\"error\"");
	assert_string_equal(member("forwarded_port"), "null");
	assert_string_equal(member("last_error"), "\"/x is not a port\"");
}

static void publish_health_says_that_a_new_port_is_not_proved_yet(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	want(42000);
	publish_health_if_changed(&publish, &situation);
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("forwarded_port"), "42000");
	assert_string_equal(member("last_error"), "\"port 42000 is not proved yet\"");
}

static void publish_health_without_a_port_within_the_grace(void **state)
{
	(void)state;

	want_none_since(0);
	succeed();
	assert_string_equal(member("healthy"), "true");
	assert_string_equal(member("state"), "\"waiting_for_port\"");
	assert_string_equal(member("last_error"), "null");
}

static void publish_health_without_a_port_after_the_grace(void **state)
{
	(void)state;

	want_none_since(121000);
	succeed();
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("state"), "\"waiting_for_port\"");
	assert_non_null(strstr(member("last_error"), "no forwarded port"));
}

static void publish_health_has_an_error_whenever_it_is_unhealthy_after_a_cycle(void **state)
{
	static const enum sync_outcome outcomes[] = { SYNC_PROVED, SYNC_FAILED, SYNC_CLOSED,
		                                      SYNC_SHUT_OUT };
	(void)state;

	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		fail_set(&situation.cycle_why, FAIL_IO, "it failed");
		want(PORT);
		cycle(outcomes[i]);
		publish_health(&publish, &situation);
		assert_int_equal(strcmp(member("healthy"), "true") == 0,
		                 strcmp(member("last_error"), "null") == 0);
	}
}

static void publish_health_if_changed_writes_only_then(void **state)
{
	(void)state;

	publish_health_if_changed(&publish, &situation);
	assert_int_equal(unlink(health_path), 0);
	publish_health_if_changed(&publish, &situation);
	assert_int_equal(access(health_path, F_OK), -1);
	want(PORT);
	publish_health_if_changed(&publish, &situation);
	assert_int_equal(access(health_path, F_OK), 0);
}

static void publish_health_says_once_that_it_cannot_be_written_and_once_that_it_can(void **state)
{
	(void)state;

	assert_int_equal(mkdir(health_path, 0755), 0);
	publish_health(&publish, &situation);
	assert_logged(" ERROR health file: ");
	publish_health(&publish, &situation);
	assert_quiet();
	assert_int_equal(rmdir(health_path), 0);
	publish_health(&publish, &situation);
	assert_logged(" INFO  health file: can be written again");
	publish_health(&publish, &situation);
	assert_quiet();
}

static void publish_health_says_whether_peers_get_through(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	assert_string_equal(member("reachable"), "null");
	assert_string_equal(member("reachable_udp"), "null");
	assert_string_equal(member("connection_status"), "null");
	assert_string_equal(member("external_address"), "null");
	assert_string_equal(member("rebinds"), "0");
	situation.reachable = REACHABLE_YES;
	situation.reachable_udp = REACHABLE_YES;
	situation.rebinds = 3;
	situation.hints = (struct qbittorrent_hints){ .connection_status = "firewalled",
		                                      .external_address = "203.0.113.7" };
	succeed();
	assert_string_equal(member("reachable"), "true");
	assert_string_equal(member("reachable_udp"), "true");
	assert_string_equal(member("connection_status"), "\"firewalled\"");
	assert_string_equal(member("external_address"), "\"203.0.113.7\"");
	assert_string_equal(member("rebinds"), "3");
	situation.reachable = REACHABLE_NO;
	fail_with(SYNC_CLOSED, "tun0 refuses connections");
	assert_string_equal(member("reachable"), "false");
	assert_string_equal(member("healthy"), "false");
	assert_string_equal(member("state"), "\"retrying\"");
	assert_string_equal(member("last_error"), "\"tun0 refuses connections\"");
}

/* ---- log ---- */

/* It may be opening, or open again after the rebind that a reconnect needs. */
static void publish_warns_of_a_closed_port_from_the_second_time_on(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	(void)logged();
	fail_with(SYNC_CLOSED, "tun0 refuses connections");
	assert_quiet();
	succeed();
	assert_quiet();
	fail_with(SYNC_CLOSED, "tun0 refuses connections");
	situation.sync.closed_at_ms = mono_now_ms();
	fail_with(SYNC_CLOSED, "tun0 refuses connections");
	assert_logged("WARN  tun0 refuses connections");
	succeed();
	assert_logged("INFO  in sync: port 41000");
}

static void publish_says_once_that_all_is_well(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	assert_logged(" INFO  in sync: port 41000");
	succeed();
	assert_quiet();
}

static void publish_says_each_new_port(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	logged();
	want(42000);
	succeed();
	assert_logged(" INFO  in sync: port 42000");
}

static void publish_says_a_failure_once_and_its_end_once(void **state)
{
	(void)state;

	want(PORT);
	succeed();
	logged();
	fail_with(SYNC_FAILED, "connection refused");
	assert_logged(" WARN  connection refused");
	fail_with(SYNC_FAILED, "connection refused");
	assert_quiet();
	succeed();
	assert_logged(" INFO  in sync: port 41000");
	succeed();
	assert_quiet();
}

static void publish_says_as_an_error_what_needs_a_person(void **state)
{
	(void)state;

	want(PORT);
	fail_with(SYNC_SHUT_OUT, "rejected");
	assert_logged(" ERROR rejected");
}

static void publish_says_once_that_no_port_is_forwarded(void **state)
{
	(void)state;

	want_none_since(0);
	succeed();
	assert_logged(" INFO  no forwarded port in /dev/null (it is empty): ");
	succeed();
	assert_quiet();
	want(PORT);
	succeed();
	assert_logged(" INFO  in sync: port 41000");
}

static void publish_names_the_control_server_where_it_was_asked(void **state)
{
	(void)state;

	situation.asked = CONFIG_SOURCE_GLUETUN;
	want_none_since(0);
	succeed();
	assert_logged(" INFO  no forwarded port from Gluetun's control server at localhost:8000:");
	situation.sync.no_port_at_ms -= 121000;
	succeed();
	assert_logged(" WARN  no forwarded port from Gluetun's control server at localhost:8000 "
	              "for over 120 s: is Gluetun connected, with VPN_PORT_FORWARDING=on?\n");
}

static void servers_source_names_file_control_server_or_both(void **state)
{
#define FILE_SOURCE "in /dev/null"
#define GLUETUN_SOURCE "from Gluetun's control server at localhost:8000"
	static const char *const wanted[] = {
		[CONFIG_SOURCE_FILE] = FILE_SOURCE,
		[CONFIG_SOURCE_GLUETUN] = GLUETUN_SOURCE,
		[CONFIG_SOURCE_AUTO] = (FILE_SOURCE ", else " GLUETUN_SOURCE),
	};
	char said[SERVERS_SOURCE_MAX];
	(void)state;

	for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		servers_source(said, &config, (enum config_source)i);
		assert_string_equal(said, wanted[i]);
	}
}

static void publish_warns_once_when_no_port_came_within_the_grace(void **state)
{
	(void)state;

	want_none_since(0);
	succeed();
	logged();
	situation.sync.no_port_at_ms -= 121000;
	succeed();
	assert_logged(" WARN  no forwarded port in /dev/null for over 120 s");
	succeed();
	assert_quiet();
}

/* The question whether port forwarding is on would be an odd one: there was a port. */
static void publish_says_since_when_a_port_that_was_here_is_gone(void **state)
{
	(void)state;

	want_none_since(0);
	succeed();
	logged();
	situation.sync.no_port_at_ms -= 121000;
	situation.lost_port_s = now_s() - 121;
	succeed();
	assert_string_equal(words_of(publish_error(&situation, &error_buf)),
	                    "Gluetun has had no port since ##:## (UTC): look at its log");
	assert_logged(" WARN  Gluetun has had no port since ");
	situation.lost_port_s -= 24 * 60 * 60;
	assert_string_equal(
		words_of(publish_error(&situation, &error_buf)),
		"Gluetun has had no port since ####-##-## ##:## (UTC): look at its log");
}

static void publish_advises_to_restart_gluetun_after_two_minutes_with_a_tunnel(void **state)
{
	static const char advice[] = "restart Gluetun";
	(void)state;

	config.no_port_grace_s = 300;
	situation.sync.grace_ms = 300000;
	want_none_since(0);
	succeed();
	logged();
	situation.sync.no_port_at_ms -= 121000;
	situation.tunnel_up_at_ms = mono_now_ms() - 119000;
	succeed();
	assert_quiet();
	situation.tunnel_up_at_ms -= 2000;
	situation.lost_port_s = now_s();
	succeed();
	assert_non_null(strstr(logged(), advice));
	succeed();
	assert_quiet();
	situation.lost_port_s = 0;
	succeed();
	assert_logged(" WARN  no forwarded port in /dev/null for over 120 s: is "
	              "Gluetun connected, with VPN_PORT_FORWARDING=on, and its directory mounted "
	              "here? If so, restart Gluetun: it asks the provider once per connection");
	/* What it has is not none. */
	situation.ports.count = 1;
	situation.tunnel_up_at_ms -= 200000;
	situation.sync.no_port_at_ms -= 200000;
	assert_null(strstr(publish_error(&situation, &error_buf), advice));
}

static void publish_says_how_many_ports_there_are_where_those_are_too_few(void **state)
{
	(void)state;

	config.port_index = 3;
	situation.ports.count = 2;
	want_none_since(0);
	succeed();
	assert_logged(" INFO  no port 3 yet: Gluetun forwards 2, in /dev/null");
	assert_null(publish_error(&situation, &error_buf));
	situation.sync.no_port_at_ms -= 121000;
	succeed();
	assert_logged(" WARN  no port 3 for over 120 s: Gluetun forwards 2; set its "
	              "VPN_PORT_FORWARDING_PORTS_COUNT, or a lower QSTICKY_PORT_INDEX\n");
}

static void publish_warns_no_more_often_after_a_failure_in_between(void **state)
{
	(void)state;

	want_none_since(121000);
	fail_with(SYNC_FAILED, "connection refused");
	logged();
	succeed();
	assert_non_null(strstr(logged(), " WARN  no forwarded port"));
	succeed();
	assert_quiet();
}

static void publish_warns_once_of_settings_that_keep_peers_away(void **state)
{
	const struct qbittorrent_view announced = { .announce_port = 5 },
				      proxied = { .peer_proxy = true },
				      on_lo = { .interface = "lo" },
				      elsewhere = { .interface = "lo0" }, fine = { 0 };
	(void)state;

	publish_settings(&publish, &announced);
	assert_logged(" WARN  qBittorrent tells trackers port 5");
	publish_settings(&publish, &announced);
	assert_quiet();
	publish_settings(&publish, &proxied);
	assert_logged(" WARN  qBittorrent uses a proxy");
	publish_settings(&publish, &proxied);
	assert_quiet();
	publish_settings(&publish, &fine);
	assert_quiet();
	publish_settings(&publish, &proxied);
	assert_logged(" WARN  qBittorrent uses a proxy");
	publish_settings(&publish, &on_lo);
	assert_logged(" WARN  qBittorrent is bound to interface lo,");
	publish_settings(&publish, &on_lo);
	assert_quiet();
	publish_settings(&publish, &elsewhere);
	assert_quiet();
	publish_settings(&publish, &on_lo);
	assert_logged(" WARN  qBittorrent is bound to interface lo,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(publish_health_starts_with_nothing_known, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(publish_health_in_sync, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_health_after_a_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_health_with_a_bad_port_file, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
			publish_health_says_that_a_new_port_is_not_proved_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_health_without_a_port_within_the_grace,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_health_without_a_port_after_the_grace,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			publish_health_has_an_error_whenever_it_is_unhealthy_after_a_cycle, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(publish_health_if_changed_writes_only_then, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
			publish_health_says_once_that_it_cannot_be_written_and_once_that_it_can,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_health_says_whether_peers_get_through,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			publish_warns_of_a_closed_port_from_the_second_time_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_says_once_that_all_is_well, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(publish_says_each_new_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_says_a_failure_once_and_its_end_once,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_says_as_an_error_what_needs_a_person,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_says_once_that_no_port_is_forwarded, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(publish_names_the_control_server_where_it_was_asked,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(servers_source_names_file_control_server_or_both,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			publish_warns_once_when_no_port_came_within_the_grace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			publish_says_since_when_a_port_that_was_here_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			publish_advises_to_restart_gluetun_after_two_minutes_with_a_tunnel, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			publish_says_how_many_ports_there_are_where_those_are_too_few, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			publish_warns_no_more_often_after_a_failure_in_between, set_up, tear_down),
		cmocka_unit_test_setup_teardown(publish_warns_once_of_settings_that_keep_peers_away,
		                                set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
