#include "sidecar/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "sidecar/health_write.h"
#include "temp_dir.h"

/* each: temp_dir_make, temp_dir_remove */

/* 2026-11-22T08:42:10Z */
#define NOW 1795336930
#define INTERVAL 30

static const struct port_file_ports two_ports = { .count = 2, .port = { 41000, 42000 } };

static const struct health well = {
	.healthy = true,
	.state = "in_sync",
	.current_port = 41000,
	.forwarded_port = 41000,
	.forwarded_ports = &two_ports,
	.reachable = REACHABLE_YES,
	.reachable_udp = REACHABLE_YES,
	.connection_status = "firewalled",
	.external_address = "203.0.113.7",
	.interface = "tun0",
	.login = "held_back",
	.last_check = NOW - 12,
	.last_port_change = NOW - 60,
	.timestamp = NOW - 12,
	.valid_seconds = 2 * INTERVAL + 15,
	.uptime_s = 3661,
	.rebinds = 2,
	.hint = "a hint",
	.qbittorrent_version = "v4.5.2",
	.version = "3.0.0",
};

static const struct health ill = {
	.state = "retrying",
	.current_port = -1,
	.forwarded_port = -1,
	.timestamp = NOW,
	.valid_seconds = 2 * INTERVAL + 15,
	.consecutive_failures = 3,
	.last_error = "qBittorrent at localhost:8080: connection refused",
};

static void write_health(const char *path, const struct health *health)
{
	struct failure why;

	if (health_write(path, health, &why))
		fail_msg("%s", why.text);
}

/* Returns the file written for `health`, as text. */
static const char *written(void *const *state, const struct health *health)
{
	static char text[HEALTH_MAX + 1];
	char path[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	write_health(path, health);
	assert_true(temp_dir_read(path, text, sizeof text) > 0);
	return text;
}

/* Judges the file at `path`; the line is in `line`. */
static char line[HEALTH_MAX + 1];

static bool judged(const char *path, time_t now)
{
	struct text text = text_on(line, sizeof line);
	bool healthy = health_judge(path, INTERVAL, now, &text);

	assert_int_equal(strncmp(line, healthy ? "healthy: " : "unhealthy: ", healthy ? 9 : 11), 0);
	assert_null(strchr(line, '\n'));
	return healthy;
}

static bool judged_bytes(void *const *state, const void *bytes, size_t len)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	assert_true(temp_dir_write(path, bytes, len));
	return judged(path, NOW);
}

static bool judged_health(void *const *state, const struct health *health, time_t now)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	write_health(path, health);
	return judged(path, now);
}

/* ---- writing ---- */

static void health_writes_every_field(void **state)
{
	assert_string_equal(
		written(state, &well),
		"{\"healthy\": true, \"state\": \"in_sync\", \"current_port\": 41000, "
		"\"forwarded_port\": 41000, \"forwarded_ports\": [41000,42000], \"reachable\": true, \"reachable_udp\": true, "
		"\"connection_status\": \"firewalled\", \"external_address\": \"203.0.113.7\", "
		"\"interface\": \"tun0\", \"login\": \"held_back\", "
		"\"last_check\": \"2026-11-22T08:41:58Z\", "
		"\"last_port_change\": \"2026-11-22T08:41:10Z\", "
		"\"timestamp\": \"2026-11-22T08:41:58Z\", \"valid_seconds\": 75, "
		"\"uptime\": \"1:01:01\", "
		"\"uptime_seconds\": 3661, \"consecutive_failures\": 0, \"rebinds\": 2, "
		"\"last_error\": null, \"hint\": \"a hint\", "
		"\"qbittorrent_version\": \"v4.5.2\", \"version\": \"3.0.0\"}\n");
}

static void health_writes_null_for_what_is_not_known(void **state)
{
	assert_string_equal(
		written(state, &ill),
		"{\"healthy\": false, \"state\": \"retrying\", \"current_port\": null, "
		"\"forwarded_port\": null, \"forwarded_ports\": null, \"reachable\": null, \"reachable_udp\": null, "
		"\"connection_status\": null, "
		"\"external_address\": null, \"interface\": null, \"login\": null, \"last_check\": null, "
		"\"last_port_change\": null, \"timestamp\": \"2026-11-22T08:42:10Z\", "
		"\"valid_seconds\": 75, \"uptime\": \"0:00:00\", \"uptime_seconds\": 0, \"consecutive_failures\": 3, "
		"\"rebinds\": 0, "
		"\"last_error\": \"qBittorrent at localhost:8080: connection refused\", \"hint\": null, "
		"\"qbittorrent_version\": null, \"version\": null}\n");
}

static void health_writes_whether_peers_get_through(void **state)
{
	struct health health = ill;

	health.reachable = REACHABLE_NO;
	assert_non_null(strstr(written(state, &health), "\"reachable\": false,"));
	assert_non_null(strstr(written(state, &health), "\"reachable_udp\": null,"));
	health.reachable_udp = REACHABLE_NO;
	assert_non_null(strstr(written(state, &health), "\"reachable_udp\": false,"));
	health.reachable = REACHABLE_YES;
	assert_non_null(strstr(written(state, &health), "\"reachable\": true,"));
	health.connection_status = "\"";
	assert_non_null(strstr(written(state, &health), "\"connection_status\": \"\\\"\","));
}

static void health_writes_every_metric(void **state)
{
	static char text[METRICS_MAX];
	struct failure why;
	char path[PATH_MAX];
	struct health health = well;

	health.started = NOW - 4000;
	health.reachable_udp = REACHABLE_NO;
	temp_dir_path(path, state, "qsticky.prom");
	assert_int_equal(health_write_metrics(path, &health, &why), FAIL_NONE);
	assert_true(temp_dir_read(path, text, sizeof text) > 0);
	assert_string_equal(
		text,
		"# HELP qsticky_info Versions.\n"
		"# TYPE qsticky_info gauge\n"
		"qsticky_info{instance_name=\"qsticky\",version=\"3.0.0\",qbittorrent_version=\"v4.5.2\"} "
		""
		""
		""
		"1\n"
		"# HELP qsticky_state 1 for the present state.\n"
		"# TYPE qsticky_state gauge\n"
		"qsticky_state{instance_name=\"qsticky\",state=\"starting\"} 0\n"
		"qsticky_state{instance_name=\"qsticky\",state=\"waiting_for_port\"} 0\n"
		"qsticky_state{instance_name=\"qsticky\",state=\"in_sync\"} 1\n"
		"qsticky_state{instance_name=\"qsticky\",state=\"retrying\"} 0\n"
		"qsticky_state{instance_name=\"qsticky\",state=\"error\"} 0\n"
		"# HELP qsticky_healthy 1: the last check proved that all is well.\n"
		"# TYPE qsticky_healthy gauge\n"
		"qsticky_healthy{instance_name=\"qsticky\"} 1\n"
		"# HELP qsticky_forwarded_port Gluetun's port.\n"
		"# TYPE qsticky_forwarded_port gauge\n"
		"qsticky_forwarded_port{instance_name=\"qsticky\"} 41000\n"
		"# HELP qsticky_current_port qBittorrent's port.\n"
		"# TYPE qsticky_current_port gauge\n"
		"qsticky_current_port{instance_name=\"qsticky\"} 41000\n"
		"# HELP qsticky_port_reachable 1: it accepts TCP at the tunnel.\n"
		"# TYPE qsticky_port_reachable gauge\n"
		"qsticky_port_reachable{instance_name=\"qsticky\"} 1\n"
		"# HELP qsticky_port_reachable_udp 1: it receives UDP at the tunnel.\n"
		"# TYPE qsticky_port_reachable_udp gauge\n"
		"qsticky_port_reachable_udp{instance_name=\"qsticky\"} 0\n"
		"# HELP qsticky_start_time_seconds Start of qsticky.\n"
		"# TYPE qsticky_start_time_seconds gauge\n"
		"qsticky_start_time_seconds{instance_name=\"qsticky\"} 1795332930\n"
		"# HELP qsticky_last_check_timestamp_seconds Last check.\n"
		"# TYPE qsticky_last_check_timestamp_seconds gauge\n"
		"qsticky_last_check_timestamp_seconds{instance_name=\"qsticky\"} 1795336918\n"
		"# HELP qsticky_last_port_change_timestamp_seconds Last change of the port.\n"
		"# TYPE qsticky_last_port_change_timestamp_seconds gauge\n"
		"qsticky_last_port_change_timestamp_seconds{instance_name=\"qsticky\"} 1795336870\n"
		"# HELP qsticky_consecutive_failures Failed checks in a row.\n"
		"# TYPE qsticky_consecutive_failures gauge\n"
		"qsticky_consecutive_failures{instance_name=\"qsticky\"} 0\n"
		"# HELP qsticky_rebinds_total Rebinds.\n"
		"# TYPE qsticky_rebinds_total counter\n"
		"qsticky_rebinds_total{instance_name=\"qsticky\"} 2\n");
}

static void health_leaves_out_metrics_that_are_not_known(void **state)
{
	static const char *const unknown[] = { "forwarded_port", "current_port", "port_reachable",
		                               "last_", "qbittorrent_version" };
	static char text[METRICS_MAX];
	struct failure why;
	char path[PATH_MAX];
	struct health health = ill;

	health.version = "3.0.0";
	temp_dir_path(path, state, "qsticky.prom");
	assert_int_equal(health_write_metrics(path, &health, &why), FAIL_NONE);
	assert_true(temp_dir_read(path, text, sizeof text) > 0);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		assert_null(strstr(text, unknown[i]));
	assert_non_null(
		strstr(text, "qsticky_consecutive_failures{instance_name=\"qsticky\"} 3\n"));
}

static void health_as_lines_has_each_field_once_in_their_order(void **state)
{
	static const char wanted[] = "state                 in_sync\n"
				     "forwarded port        41000\n"
				     "current port          41000\n"
				     "last port change      2026-11-22T08:41:10Z\n"
				     "reachable             yes\n"
				     "reachable udp         yes\n"
				     "interface             tun0\n"
				     "login                 held_back\n"
				     "last check            2026-11-22T08:41:58Z\n"
				     "uptime                1:01:01\n"
				     "consecutive failures  0\n"
				     "rebinds               2\n"
				     "qbittorrent version   v4.5.2\n"
				     "version               3.0.0\n"
				     "last error            -\n"
				     "hint                  a hint\n";
	char buf[HEALTH_MAX];
	struct text lines = text_on(buf, sizeof buf);
	const char *text = written(state, &well);
	struct failure why;
	struct json json;

	assert_int_equal(json_parse(&json, text, strlen(text), &why), FAIL_NONE);
	health_write_lines(&lines, &json);
	assert_string_equal(buf, wanted);
}

static void health_writes_days_of_uptime_only_where_there_are_any(void **state)
{
	struct health health = well;

	health.uptime_s = 86399;
	assert_non_null(strstr(written(state, &health), "\"uptime\": \"23:59:59\""));
	health.uptime_s = 3 * 86400 + 5;
	assert_non_null(strstr(written(state, &health), "\"uptime\": \"3 days, 0:00:05\""));
}

static void health_writes_json_whatever_the_error_holds(void **state)
{
	struct health health = ill;
	char error[FAILURE_MAX];
	struct failure why;
	struct json json;
	const char *text;

	for (size_t i = 0; i < sizeof error - 1; i++)
		error[i] = (char)(i % 255 + 1);
	error[sizeof error - 1] = '\0';
	health.last_error = error;
	text = written(state, &health);
	assert_int_equal(json_parse(&json, text, strlen(text), &why), FAIL_NONE);
}

static void health_replaces_the_file_whole(void **state)
{
	char path[PATH_MAX], before[HEALTH_MAX];
	int held;

	temp_dir_path(path, state, "status.json");
	write_health(path, &well);
	held = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(held >= 0);
	write_health(path, &ill);
	/* A reader that has the old file open can read it to its end. */
	assert_true(read(held, before, sizeof before) > 0);
	close(held);
	assert_memory_equal(before, "{\"healthy\": true", 16);
}

static void health_leaves_nothing_beside_the_file(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	write_health(path, &well);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(*state), 0); /* would fail if it were not empty */
	assert_int_equal(mkdir(*state, 0700), 0);
}

static void health_makes_missing_directories(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "a/b/c/status.json");
	write_health(path, &well);
	assert_true(judged(path, NOW));
}

static void health_gets_over_what_a_killed_process_left(void **state)
{
	char path[PATH_MAX], left[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	temp_dir_path(left, state, "status.json.new");
	temp_dir_write(left, "{\"heal", 6);
	write_health(path, &well);
	assert_true(judged(path, NOW));
}

static void health_does_not_write_through_a_link(void **state)
{
	char path[PATH_MAX], beside[PATH_MAX], victim[PATH_MAX], text[16];

	temp_dir_path(path, state, "status.json");
	temp_dir_path(beside, state, "status.json.new");
	temp_dir_path(victim, state, "victim");
	temp_dir_write(victim, "mine", 4);
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(symlink(victim, beside), 0);
	write_health(path, &well);
	assert_int_equal(temp_dir_read(victim, text, sizeof text), 4);
	assert_string_equal(text, "mine");
}

/* The old file cannot be removed, as in a directory that became read-only. */
static void health_that_cannot_be_written_no_longer_says_healthy(void **state)
{
	char path[PATH_MAX], beside[PATH_MAX], inside[PATH_MAX];
	struct failure why;

	temp_dir_path(path, state, "status.json");
	temp_dir_path(beside, state, "status.json.new");
	temp_dir_path(inside, state, "status.json.new/x");
	write_health(path, &well);
	assert_int_equal(mkdir(beside, 0755), 0);
	assert_true(temp_dir_write(inside, "x", 1));
	assert_int_equal(health_write(path, &well, &why), FAIL_IO);
	assert_non_null(strstr(why.text, beside));
	assert_false(judged(path, NOW));
}

static void health_fails_where_a_parent_is_a_file(void **state)
{
	char path[PATH_MAX], file[PATH_MAX];
	struct failure why;

	temp_dir_path(file, state, "file");
	temp_dir_path(path, state, "file/status.json");
	temp_dir_write(file, "x", 1);
	assert_int_equal(health_write(path, &well, &why), FAIL_IO);
}

static void health_fails_on_a_full_device(void **state)
{
	struct failure why;
	(void)state;

	assert_int_equal(health_write("/proc/self/status.json", &well, &why), FAIL_IO);
}

static void health_removes_the_file(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "status.json");
	write_health(path, &well);
	health_remove(path);
	assert_int_equal(access(path, F_OK), -1);
	health_remove(path);
}

/* ---- judging ---- */

static void health_says_which_port_is_healthy_and_since_when(void **state)
{
	assert_true(judged_health(state, &well, NOW));
	assert_string_equal(line, "healthy: port 41000, checked 12 s ago");
}

static void health_says_that_no_port_is_forwarded_yet(void **state)
{
	struct health health = well;

	health.forwarded_port = -1;
	health.state = "waiting_for_port";
	assert_true(judged_health(state, &health, NOW));
	assert_string_equal(line, "healthy: no forwarded port, checked 12 s ago");
}

static void health_says_why_it_is_unhealthy(void **state)
{
	assert_false(judged_health(state, &ill, NOW + 1));
	assert_string_equal(line, "unhealthy: qBittorrent at localhost:8080: connection refused, "
	                          "checked 1 s ago");
}

static void health_gives_the_state_where_there_is_no_error(void **state)
{
	struct health health = ill;

	health.last_error = NULL;
	health.state = "starting";
	assert_false(judged_health(state, &health, NOW));
	assert_string_equal(line, "unhealthy: starting, checked 0 s ago");
}

static void health_believes_a_file_for_two_intervals_and_15_seconds(void **state)
{
	const time_t last = well.timestamp + 2 * INTERVAL + 15;

	assert_true(judged_health(state, &well, last));
	assert_false(judged_health(state, &well, last + 1));
	assert_non_null(strstr(line, "76 s ago"));
}

static void health_believes_a_file_as_long_as_the_slow_cycle_may_take(void **state)
{
	struct health slow = well;

	slow.valid_seconds = 2 * INTERVAL + 240;
	assert_true(judged_health(state, &slow, slow.timestamp + slow.valid_seconds));
	assert_false(judged_health(state, &slow, slow.timestamp + slow.valid_seconds + 1));

	/* No cycle takes longer: such a file is believed as one of an older version. */
	slow.valid_seconds++;
	assert_true(judged_health(state, &slow, slow.timestamp + 2 * INTERVAL + 15));
	assert_false(judged_health(state, &slow, slow.timestamp + 2 * INTERVAL + 16));
}

static void health_says_that_an_old_file_is_old_whatever_it_holds(void **state)
{
	assert_false(judged_health(state, &ill, NOW + 1000));
	assert_null(strstr(line, "refused"));
	assert_non_null(strstr(line, "1000 s ago"));
}

static void health_bears_a_clock_put_back_a_little(void **state)
{
	assert_true(judged_health(state, &well, well.timestamp - 15));
	assert_non_null(strstr(line, "checked 0 s ago"));
	assert_false(judged_health(state, &well, well.timestamp - 16));
	assert_non_null(strstr(line, "future"));
}

static void health_is_unhealthy_without_a_file(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "none");
	assert_false(judged(path, NOW));
	assert_non_null(strstr(line, path));
	temp_dir_path(path, state, "none/status.json");
	assert_false(judged(path, NOW));
}

static void health_is_unhealthy_with_an_empty_file(void **state)
{
	assert_false(judged_bytes(state, "", 0));
	assert_non_null(strstr(line, "empty"));
}

static void health_is_unhealthy_with_every_truncated_file(void **state)
{
	char text[HEALTH_MAX + 1];
	size_t len;

	snprintf(text, sizeof text, "%s", written(state, &well));
	len = strlen(text);
	assert_true(judged_bytes(state, text, len));
	/* It is complete without its newline. */
	for (size_t cut = 0; cut < len - 1; cut++)
		assert_false(judged_bytes(state, text, cut));
}

static void health_is_unhealthy_with_garbage(void **state)
{
	assert_false(judged_bytes(state, "\0\0\0\0", 4));
	assert_false(judged_bytes(state, "healthy", 7));
	assert_false(judged_bytes(state, "{}{}", 4));
	assert_false(judged_bytes(state, "[true]", 6));
}

static void health_is_unhealthy_with_foreign_json(void **state)
{
	static const char *const foreign[] = {
		"{}",
		"{\"healthy\": true}",
		"{\"timestamp\": \"2026-11-22T08:42:10Z\"}",
		"{\"healthy\": \"true\", \"timestamp\": \"2026-11-22T08:42:10Z\"}",
		"{\"healthy\": 1, \"timestamp\": \"2026-11-22T08:42:10Z\"}",
		"{\"healthy\": true, \"timestamp\": null}",
		"{\"healthy\": true, \"timestamp\": 1795336930}",
		"{\"healthy\": true, \"timestamp\": \"2026-11-22 08:42:10\"}",
		"{\"x\": {\"healthy\": true, \"timestamp\": \"2026-11-22T08:42:10Z\"}}",
	};

	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		assert_false(judged_bytes(state, foreign[i], strlen(foreign[i])));
		assert_non_null(strstr(line, "not a health file"));
	}
}

static void health_is_unhealthy_with_a_huge_file(void **state)
{
	char bytes[HEALTH_MAX + 1];

	memset(bytes, ' ', sizeof bytes);
	assert_false(judged_bytes(state, bytes, sizeof bytes));
	assert_non_null(strstr(line, "over 7680 bytes"));
}

static void health_is_unhealthy_with_what_is_not_a_file(void **state)
{
	char path[PATH_MAX];

	assert_false(judged(*state, NOW));
	temp_dir_path(path, state, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(judged(path, NOW));
}

static void health_shows_an_error_without_harm(void **state)
{
	struct health health = ill;

	health.last_error = "\x1b[31m\nred";
	assert_false(judged_health(state, &health, NOW));
	assert_string_equal(line, "unhealthy: \\x1b[31m\\x0ared, checked 0 s ago");
}

static void health_reads_back_the_longest_error(void **state)
{
	struct health health = ill;
	char error[FAILURE_MAX], status[16], address[64], version[32];
	struct port_file_ports ports = { .count = 0 };

	memset(error, '\x01', sizeof error - 1);
	error[sizeof error - 1] = '\0';
	health.last_error = error;
	/* All other fields have their longest length. */
	memset(status, '\x01', sizeof status - 1);
	status[sizeof status - 1] = '\0';
	memset(address, '\x01', sizeof address - 1);
	address[sizeof address - 1] = '\0';
	memset(version, '\x01', sizeof version - 1);
	version[sizeof version - 1] = '\0';
	health.connection_status = status;
	health.external_address = address;
	health.qbittorrent_version = version;
	health.current_port = health.forwarded_port = 65535;
	for (; ports.count < PORT_FILE_PORTS_MAX; ports.count++)
		ports.port[ports.count] = 65535;
	health.forwarded_ports = &ports;
	health.uptime_s = UINT64_MAX;
	health.rebinds = health.consecutive_failures = UINT32_MAX;
	assert_false(judged_health(state, &health, NOW));
	assert_non_null(strstr(line, "\\x01\\x01"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(health_writes_every_field, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_writes_null_for_what_is_not_known,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_writes_whether_peers_get_through,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			health_writes_days_of_uptime_only_where_there_are_any, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_writes_every_metric, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_leaves_out_metrics_that_are_not_known,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_as_lines_has_each_field_once_in_their_order,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_writes_json_whatever_the_error_holds,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_replaces_the_file_whole, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_leaves_nothing_beside_the_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_makes_missing_directories, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_gets_over_what_a_killed_process_left,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_does_not_write_through_a_link, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			health_that_cannot_be_written_no_longer_says_healthy, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_fails_where_a_parent_is_a_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_fails_on_a_full_device, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_removes_the_file, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_says_which_port_is_healthy_and_since_when,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_says_that_no_port_is_forwarded_yet,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_says_why_it_is_unhealthy, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_gives_the_state_where_there_is_no_error,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			health_believes_a_file_as_long_as_the_slow_cycle_may_take, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			health_believes_a_file_for_two_intervals_and_15_seconds, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			health_says_that_an_old_file_is_old_whatever_it_holds, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_bears_a_clock_put_back_a_little,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_without_a_file, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_an_empty_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_every_truncated_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_garbage, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_foreign_json,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_a_huge_file, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_is_unhealthy_with_what_is_not_a_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_shows_an_error_without_harm, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(health_reads_back_the_longest_error, temp_dir_make,
		                                temp_dir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
