#include "config/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temp_dir.h"

/* Each test runs between temp_dir_make and temp_dir_remove. */

static struct secret_store store;
static const char *value;
static struct failure why;

/* Reads a file of these bytes. */
static enum fail read_file(void **state, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	const struct secret secret = { .value = "unused", .file = path };

	temp_dir_path(path, state, "secret");
	assert_true(temp_dir_write(path, bytes, len));
	secret_forget(&store);
	value = NULL;
	return secret_read(&secret, &store, &value, &why);
}

static void assert_reads(void **state, const char *text, const char *wanted)
{
	if (read_file(state, text, strlen(text)))
		fail_msg("%s", why.text);
	assert_string_equal(value, wanted);
}

static void secret_is_the_value_where_there_is_no_file(void **state)
{
	char path[PATH_MAX];
	const struct secret plain = { .value = "a" };
	const struct secret usual = { .value = "b", .usual_file = path };

	temp_dir_path(path, state, "missing");
	assert_int_equal(secret_read(&plain, &store, &value, &why), FAIL_NONE);
	assert_string_equal(value, "a");
	assert_int_equal(secret_read(&usual, &store, &value, &why), FAIL_NONE);
	assert_string_equal(value, "b");
}

static void secret_is_taken_from_the_usual_file_if_it_is_there(void **state)
{
	char path[PATH_MAX];
	const struct secret secret = { .value = "default", .usual_file = path };

	temp_dir_path(path, state, "secret");
	assert_true(temp_dir_write(path, "mounted\n", 8));
	assert_int_equal(secret_read(&secret, &store, &value, &why), FAIL_NONE);
	assert_string_equal(value, "mounted");
}

/* No form of qBittorrent's takes a line end, and editors add them. Blanks and quotes may be meant. */
static void secret_loses_what_cannot_be_part_of_it_and_nothing_else(void **state)
{
	assert_reads(state, "word", "word");
	assert_reads(state, "word\n", "word");
	assert_reads(state, "\nword\r\n\n", "word");
	assert_reads(state, "\xef\xbb\xbfword\r\n", "word");
	assert_reads(state, " two words \t\n", " two words \t");
	assert_reads(state, "\"word\"\n", "\"word\"");
	assert_reads(state, "w\xef\xbb\xbford", "w\xef\xbb\xbford");
	assert_reads(state, "'", "'");
}

static void secret_of_several_lines_is_a_failure(void **state)
{
	assert_int_equal(read_file(state, "user\nword\n", 10), FAIL_FORMAT);
	assert_non_null(strstr(why.text, "several lines"));
	assert_null(strstr(why.text, "word"));
	assert_int_equal(read_file(state, "user\rword", 9), FAIL_FORMAT);
}

static void secret_that_is_plain_loses_blanks_and_quotes_too(void **state)
{
	char path[PATH_MAX];
	const struct secret secret = { .value = "", .file = path, .is_plain = true };
	static const char text[] = " \"\t'qbt_key' \"\r\n";

	temp_dir_path(path, state, "secret");
	assert_true(temp_dir_write(path, text, strlen(text)));
	assert_int_equal(secret_read(&secret, &store, &value, &why), FAIL_NONE);
	assert_string_equal(value, "qbt_key");
}

static void secret_is_odd_if_something_looks_like_an_accident(void **state)
{
	(void)state;
	assert_null(secret_oddity(""));
	assert_null(secret_oddity("it's a \"word\", Zo\xc3\xab"));
	assert_string_equal(secret_oddity("\"word\""), "is in quotes");
	assert_string_equal(secret_oddity("'word"), "begins with a quote");
	assert_string_equal(secret_oddity("'"), "begins with a quote");
	assert_string_equal(secret_oddity("word\""), "ends with a quote");
	assert_string_equal(secret_oddity(" word"), "begins with a blank");
	assert_string_equal(secret_oddity("word\t"), "ends with a blank");
	assert_string_equal(secret_oddity("Zo\xeb"), "is not UTF-8");
}

static void secret_that_is_missing_where_it_was_named_is_a_failure(void **state)
{
	char path[PATH_MAX];
	const struct secret secret = { .value = "default", .file = path };

	temp_dir_path(path, state, "missing");
	assert_int_equal(secret_read(&secret, &store, &value, &why), FAIL_IO);
	assert_non_null(strstr(why.text, path));
}

static void secret_that_is_a_directory_or_a_fifo_is_a_failure(void **state)
{
	char path[PATH_MAX];
	const struct secret directory = { .file = *state };
	const struct secret fifo = { .file = path };

	assert_int_equal(secret_read(&directory, &store, &value, &why), FAIL_IO);
	temp_dir_path(path, state, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(secret_read(&fifo, &store, &value, &why), FAIL_FORMAT);
}

static void secret_that_is_empty_or_holds_a_nul_is_a_failure(void **state)
{
	assert_int_equal(read_file(state, "", 0), FAIL_FORMAT);
	assert_int_equal(read_file(state, "\n", 1), FAIL_FORMAT);
	assert_int_equal(read_file(state, "a\0b", 3), FAIL_FORMAT);
	assert_null(value);
}

static void secret_may_be_4096_bytes_and_no_more(void **state)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };
	static char bytes[SECRET_ROOM + 1];

	memset(bytes, 'x', sizeof bytes);
	bytes[SECRET_MAX] = '\n';
	assert_int_equal(read_file(state, bytes, SECRET_MAX), FAIL_NONE);
	assert_int_equal(strlen(value), SECRET_MAX);
	assert_int_equal(read_file(state, bytes, SECRET_MAX + 1), FAIL_NONE);
	assert_int_equal(strlen(value), SECRET_MAX);
	memcpy(bytes, mark, sizeof mark);
	bytes[SECRET_MAX] = 'x';
	bytes[3 + SECRET_MAX] = '\r';
	bytes[3 + SECRET_MAX + 1] = '\n';
	assert_int_equal(read_file(state, bytes, 3 + SECRET_MAX + 2), FAIL_NONE);
	assert_int_equal(strlen(value), SECRET_MAX);
	memset(bytes, 'x', sizeof bytes);
	assert_int_equal(read_file(state, bytes, SECRET_MAX + 1), FAIL_TOO_BIG);
	assert_int_equal(read_file(state, bytes, sizeof bytes), FAIL_TOO_BIG);
}

static void secrets_are_two_in_a_store_and_gone_when_forgotten(void **state)
{
	static char bytes[SECRET_MAX];
	char path[PATH_MAX];
	const struct secret secret = { .file = path };
	const char *first, *second, *third;

	memset(bytes, 'x', sizeof bytes);
	temp_dir_path(path, state, "secret");
	assert_true(temp_dir_write(path, bytes, sizeof bytes));
	secret_forget(&store);
	assert_int_equal(secret_read(&secret, &store, &first, &why), FAIL_NONE);
	assert_int_equal(secret_read(&secret, &store, &second, &why), FAIL_NONE);
	assert_string_equal(first, second);
	assert_int_equal(secret_read(&secret, &store, &third, &why), FAIL_TOO_BIG);
	secret_forget(&store);
	for (size_t i = 0; i < sizeof store.bytes; i++)
		assert_int_equal(store.bytes[i], 0);
}

static void secret_never_shows_in_a_failure(void **state)
{
	assert_int_equal(read_file(state, "hush\0hush", 9), FAIL_FORMAT);
	assert_null(strstr(why.text, "hush"));
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

static bool is_not_there(const char *path, const char *fallback)
{
	const struct secret usual = { .value = fallback, .usual_file = path };
	const struct secret named = { .value = fallback, .file = path };

	/* A file that the user named is never skipped. */
	return secret_read(&named, &store, &value, &why) == FAIL_IO &&
	       secret_read(&usual, &store, &value, &why) == FAIL_NONE && value == fallback;
}

static bool is_an_error(const char *path, const char *fallback)
{
	const struct secret usual = { .value = fallback, .usual_file = path };

	return secret_read(&usual, &store, &value, &why) == FAIL_IO && strstr(why.text, path) &&
	       strstr(why.text, "no permission");
}

/* Runs as a user whom file modes stop. */
static void assert_as_nobody(bool (*kept)(const char *, const char *), const char *path,
                             const char *fallback)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(2);
		_exit(kept(path, fallback) ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void secret_in_a_closed_directory_is_not_there_unless_it_is_named(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX];

	temp_dir_path(dir, state, "");
	temp_dir_path(path, state, "closed");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(mkdir(path, 0), 0);
	temp_dir_path(path, state, "closed/secret");
	assert_as_nobody(is_not_there, path, "default");
	assert_as_nobody(is_not_there, path, "");
}

/* Sending the default password would fail a login. */
static void secret_that_can_be_seen_and_not_read_has_no_default_sent_in_its_place(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX];

	temp_dir_path(dir, state, "");
	temp_dir_path(path, state, "secret");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_true(temp_dir_write(path, "x", 1));
	assert_int_equal(chmod(path, 0), 0);
	assert_as_nobody(is_an_error, path, "default");
	assert_as_nobody(is_not_there, path, "");
}

static void secret_behind_links_that_lead_nowhere_is_not_there_unless_it_is_named(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "loop");
	assert_int_equal(symlink(path, path), 0);
	assert_true(is_not_there(path, "default"));
	temp_dir_path(path, state, "loop/secret");
	assert_true(is_not_there(path, "default"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(secret_is_the_value_where_there_is_no_file),
		EACH(secret_is_taken_from_the_usual_file_if_it_is_there),
		EACH(secret_loses_what_cannot_be_part_of_it_and_nothing_else),
		EACH(secret_of_several_lines_is_a_failure),
		EACH(secret_that_is_plain_loses_blanks_and_quotes_too),
		EACH(secret_is_odd_if_something_looks_like_an_accident),
		EACH(secret_that_is_missing_where_it_was_named_is_a_failure),
		EACH(secret_that_is_a_directory_or_a_fifo_is_a_failure),
		EACH(secret_that_is_empty_or_holds_a_nul_is_a_failure),
		EACH(secret_may_be_4096_bytes_and_no_more),
		EACH(secrets_are_two_in_a_store_and_gone_when_forgotten),
		EACH(secret_never_shows_in_a_failure),
		EACH(secret_in_a_closed_directory_is_not_there_unless_it_is_named),
		EACH(secret_that_can_be_seen_and_not_read_has_no_default_sent_in_its_place),
		EACH(secret_behind_links_that_lead_nowhere_is_not_there_unless_it_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
