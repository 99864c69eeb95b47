#include "base/fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static const char *end_of(const char *string, size_t len)
{
	return string + strlen(string) - len;
}

static void fail_none_is_zero(void **state)
{
	(void)state;

	assert_int_equal(FAIL_NONE, 0);
}

static void fail_set_returns_the_kind_and_keeps_the_text(void **state)
{
	struct failure why;
	(void)state;

	assert_int_equal(fail_set(&why, FAIL_TIMEOUT, "after %d s", 3), FAIL_TIMEOUT);
	assert_string_equal(why.text, "after 3 s");
}

static void fail_errno_names_the_reason(void **state)
{
	struct failure why;
	(void)state;

	errno = ENOENT;
	assert_int_equal(fail_errno(&why, "open %s", "/x"), FAIL_IO);
	assert_string_equal(why.text, "open /x: No such file or directory");
}

static void fail_in_puts_the_place_before_the_reason(void **state)
{
	struct failure why;
	(void)state;

	fail_set(&why, FAIL_REFUSED, "connection refused");
	fail_in(&why, "%s:%d", "localhost", 8080);
	assert_string_equal(why.text, "localhost:8080: connection refused");
}

static void fail_shows_that_a_text_was_cut(void **state)
{
	char big[FAILURE_MAX + 1];
	struct failure why;
	(void)state;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	fail_set(&why, FAIL_IO, "%s", big);
	assert_int_equal(strlen(why.text), FAILURE_MAX - 1);
	assert_string_equal(end_of(why.text, 4), "x...");
}

static void fail_leaves_a_text_that_just_fits(void **state)
{
	char just[FAILURE_MAX];
	struct failure why;
	(void)state;

	memset(just, 'x', sizeof just - 1);
	just[sizeof just - 1] = '\0';
	fail_set(&why, FAIL_IO, "%s", just);
	assert_string_equal(why.text, just);
}

static void fail_in_and_errno_show_that_a_text_was_cut(void **state)
{
	char big[FAILURE_MAX];
	struct failure why;
	(void)state;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	fail_set(&why, FAIL_IO, "%s", big);
	fail_in(&why, "place");
	assert_string_equal(end_of(why.text, 3), "...");
	errno = EACCES;
	fail_errno(&why, "%s", big);
	assert_string_equal(end_of(why.text, 3), "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fail_none_is_zero),
		cmocka_unit_test(fail_set_returns_the_kind_and_keeps_the_text),
		cmocka_unit_test(fail_errno_names_the_reason),
		cmocka_unit_test(fail_in_puts_the_place_before_the_reason),
		cmocka_unit_test(fail_shows_that_a_text_was_cut),
		cmocka_unit_test(fail_leaves_a_text_that_just_fits),
		cmocka_unit_test(fail_in_and_errno_show_that_a_text_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
