#include "secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "temp_dir.h"

/* each: temp_dir_make, temp_dir_remove */

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

static void secret_loses_one_newline_at_its_end_and_nothing_else(void **state)
{
	assert_reads(state, "word", "word");
	assert_reads(state, "word\n", "word");
	assert_reads(state, "word\n\n", "word\n");
	assert_reads(state, " two words \t\n", " two words \t");
	assert_reads(state, "\nword", "\nword");
	assert_reads(state, "word\r\n", "word\r");
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
	static char bytes[SECRET_MAX + 3];

	memset(bytes, 'x', sizeof bytes);
	bytes[SECRET_MAX] = '\n';
	assert_int_equal(read_file(state, bytes, SECRET_MAX), FAIL_NONE);
	assert_int_equal(strlen(value), SECRET_MAX);
	assert_int_equal(read_file(state, bytes, SECRET_MAX + 1), FAIL_NONE);
	assert_int_equal(strlen(value), SECRET_MAX);
	bytes[SECRET_MAX] = 'x';
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(secret_is_the_value_where_there_is_no_file),
		EACH(secret_is_taken_from_the_usual_file_if_it_is_there),
		EACH(secret_loses_one_newline_at_its_end_and_nothing_else),
		EACH(secret_that_is_missing_where_it_was_named_is_a_failure),
		EACH(secret_that_is_a_directory_or_a_fifo_is_a_failure),
		EACH(secret_that_is_empty_or_holds_a_nul_is_a_failure),
		EACH(secret_may_be_4096_bytes_and_no_more),
		EACH(secrets_are_two_in_a_store_and_gone_when_forgotten),
		EACH(secret_never_shows_in_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
