#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

/* A pipe replaces stderr from capture_start() to capture_end(). */
static int pipe_fds[2];
static int real_stderr;

static void capture_start(enum log_level least, enum log_format format)
{
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	/* A full pipe blocks its writer, as in a container. */
	assert_int_equal(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(real_stderr >= 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	log_start(least, format);
}

/* Returns what the pipe holds now. */
static const char *captured(void)
{
	static char lines[1 << 17];
	ssize_t len = read(pipe_fds[0], lines, sizeof lines - 1);

	lines[len < 0 ? 0 : len] = '\0';
	return lines;
}

static const char *capture_end(void)
{
	const char *lines = captured();

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return lines;
}

/* Whether the line is a moment as in RFC 3339, followed by the given text. */
static bool is_line(const char *line, const char *rest)
{
	char utc[UTC_MAX] = "";
	time_t moment;

	snprintf(utc, sizeof utc, "%s", line);
	return utc_parse(utc, &moment) && strcmp(line + strlen(utc), rest) == 0;
}

static void log_writes_time_level_and_message(void **state)
{
	const char *lines;
	(void)state;

	capture_start(LEVEL_INFO, FORMAT_TEXT);
	log_line(LEVEL_INFO, "in sync: port %d", 41000);
	lines = capture_end();
	assert_true(is_line(lines, " INFO  in sync: port 41000\n"));
}

static void log_pads_the_names_of_the_levels(void **state)
{
	static const char *const wanted[] = { " DEBUG x\n", " INFO  x\n", " WARN  x\n",
		                              " ERROR x\n" };
	(void)state;

	for (int level = LEVEL_DEBUG; level <= LEVEL_ERROR; level++) {
		const char *lines;

		capture_start(LEVEL_DEBUG, FORMAT_TEXT);
		log_line((enum log_level)level, "x");
		lines = capture_end();
		assert_true(is_line(lines, wanted[level]));
	}
}

static void log_leaves_out_what_is_less_important_than_asked_for(void **state)
{
	const char *lines;
	(void)state;

	capture_start(LEVEL_WARN, FORMAT_TEXT);
	log_line(LEVEL_DEBUG, "x");
	log_line(LEVEL_INFO, "x");
	log_line(LEVEL_WARN, "y");
	lines = capture_end();
	assert_true(is_line(lines, " WARN  y\n"));
}

static void log_writes_an_object_a_line_as_json(void **state)
{
	char message[64], level[16], when[UTC_MAX];
	struct failure why;
	const char *lines;
	struct json json;
	time_t moment;
	(void)state;

	capture_start(LEVEL_INFO, FORMAT_JSON);
	log_line(LEVEL_ERROR, "a \"quoted\"\n\x1b line");
	lines = capture_end();
	assert_ptr_equal(strchr(lines, '\n'), lines + strlen(lines) - 1);
	assert_int_equal(json_parse(&json, lines, strlen(lines), &why), FAIL_NONE);
	assert_true(json_string(&json, "message", message, sizeof message));
	assert_string_equal(message, "a \"quoted\"\n\x1b line");
	assert_true(json_string(&json, "level", level, sizeof level));
	assert_string_equal(level, "ERROR");
	assert_true(json_string(&json, "time", when, sizeof when));
	assert_true(utc_parse(when, &moment));
}

static void log_escapes_control_characters(void **state)
{
	const char *lines;
	(void)state;

	capture_start(LEVEL_INFO, FORMAT_TEXT);
	log_line(LEVEL_INFO, "one\ntwo\x1b[31m\xff");
	lines = capture_end();
	assert_true(is_line(lines, " INFO  one\\x0atwo\\x1b[31m\\xff\n"));
}

/* Logs `byte` `count` times; returns the line. */
static const char *long_line(enum log_format format, char byte, size_t count)
{
	static char message[5000];

	memset(message, byte, count);
	message[count] = '\0';
	capture_start(LEVEL_INFO, format);
	log_line(LEVEL_INFO, "%s", message);
	return capture_end();
}

static void assert_cut(const char *line, const char *end)
{
	size_t len = strlen(line);

	assert_true(len <= LOG_LINE_MAX);
	/* The cut loses at most one escape. */
	assert_true(len > LOG_LINE_MAX - 16);
	assert_string_equal(line + len - strlen(end), end);
}

static void log_cuts_lines_at_1_kib_and_shows_it(void **state)
{
	static const char bytes[] = { 'x', '\n', '"', '\xff' };
	(void)state;

	for (size_t i = 0; i < sizeof bytes; i++) {
		for (size_t count = 900; count < 5000; count += 1024) {
			assert_true(strlen(long_line(FORMAT_TEXT, bytes[i], count)) <=
			            LOG_LINE_MAX);
			assert_true(strlen(long_line(FORMAT_JSON, bytes[i], count)) <=
			            LOG_LINE_MAX);
		}
		assert_cut(long_line(FORMAT_TEXT, bytes[i], 4999), "...\n");
		assert_cut(long_line(FORMAT_JSON, bytes[i], 4999), "...\"}\n");
	}
}

static void log_lines_never_mix(void **state)
{
	(void)state;

	/* pipe(7) promises this for writes up to PIPE_BUF. */
	assert_true(LOG_LINE_MAX <= PIPE_BUF);
}

/* The test would hang if log_line() waited. */
static void log_drops_lines_that_nobody_reads_and_counts_them(void **state)
{
	char full[4096];
	const char *lines;
	(void)state;

	memset(full, 'x', sizeof full);
	capture_start(LEVEL_INFO, FORMAT_TEXT);
	fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK);
	while (write(pipe_fds[1], full, sizeof full) > 0) {
	}
	fcntl(pipe_fds[1], F_SETFL, 0);
	alarm(30);
	log_line(LEVEL_INFO, "lost");
	log_line(LEVEL_INFO, "lost too");
	alarm(0);
	while (*captured()) {
	}
	log_line(LEVEL_INFO, "read again");
	lines = capture_end();
	assert_non_null(strstr(lines, " WARN  2 log lines were lost"));
	assert_non_null(strstr(lines, " INFO  read again\n"));
	assert_null(strstr(lines, "too"));
}

static void log_bears_a_closed_stderr(void **state)
{
	(void)state;

	capture_start(LEVEL_INFO, FORMAT_TEXT);
	close(STDERR_FILENO);
	log_line(LEVEL_INFO, "to nobody");
	capture_end();
	/* The next stderr gets the count. */
	capture_start(LEVEL_INFO, FORMAT_TEXT);
	log_line(LEVEL_INFO, "x");
	assert_non_null(strstr(capture_end(), "1 log lines were lost"));
}

static void log_leaves_errno_as_it_was(void **state)
{
	int after;
	(void)state;

	capture_start(LEVEL_INFO, FORMAT_TEXT);
	close(STDERR_FILENO);
	errno = ENOENT;
	log_line(LEVEL_INFO, "x");
	after = errno;
	capture_end();
	assert_int_equal(after, ENOENT);
	log_start(LEVEL_INFO, FORMAT_TEXT);
}

static size_t count_of(const char *lines, const char *words)
{
	size_t count = 0;

	for (const char *at = lines; (at = strstr(at, words)); at++)
		count++;
	return count;
}

static void log_takes_so_many_lines_a_minute_and_says_so(void **state)
{
	const char *lines;

	(void)state;
	log_last(); /* forget the lines of earlier tests */
	capture_start(LEVEL_INFO, FORMAT_TEXT);
	for (unsigned i = 0; i < LOG_MINUTE_MAX + 7; i++)
		log_line(LEVEL_ERROR, "flood");
	lines = captured();
	assert_int_equal(count_of(lines, "flood"), LOG_MINUTE_MAX);
	assert_int_equal(count_of(lines, "240 log lines within a minute"), 1);
	log_last();
	log_line(LEVEL_INFO, "ends");
	lines = capture_end();
	assert_int_equal(count_of(lines, "7 log lines were left out"), 1);
	assert_int_equal(count_of(lines, "ends"), 1);
}

static void log_takes_any_number_of_lines_while_somebody_debugs(void **state)
{
	(void)state;
	capture_start(LEVEL_DEBUG, FORMAT_TEXT);
	for (unsigned i = 0; i < LOG_MINUTE_MAX + 7; i++)
		log_line(LEVEL_ERROR, "flood");
	assert_int_equal(count_of(capture_end(), "flood"), LOG_MINUTE_MAX + 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_writes_time_level_and_message),
		cmocka_unit_test(log_pads_the_names_of_the_levels),
		cmocka_unit_test(log_leaves_out_what_is_less_important_than_asked_for),
		cmocka_unit_test(log_writes_an_object_a_line_as_json),
		cmocka_unit_test(log_escapes_control_characters),
		cmocka_unit_test(log_cuts_lines_at_1_kib_and_shows_it),
		cmocka_unit_test(log_lines_never_mix),
		cmocka_unit_test(log_drops_lines_that_nobody_reads_and_counts_them),
		cmocka_unit_test(log_bears_a_closed_stderr),
		cmocka_unit_test(log_leaves_errno_as_it_was),
		cmocka_unit_test(log_takes_so_many_lines_a_minute_and_says_so),
		cmocka_unit_test(log_takes_any_number_of_lines_while_somebody_debugs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
