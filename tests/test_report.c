#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#define START INT64_C(1000000)

static void report_says_a_problem_once(void **state)
{
	struct report r = { 0 };
	(void)state;

	assert_true(report_is_news(&r, "refused", START));
	assert_false(report_is_news(&r, "refused", START + 1));
	assert_false(report_is_news(&r, "refused", START + REPORT_AGAIN_MS - 1));
}

static void report_says_a_problem_again_after_ten_minutes(void **state)
{
	struct report r = { 0 };
	(void)state;

	assert_int_equal(REPORT_AGAIN_MS, 600000);
	report_is_news(&r, "refused", START);
	assert_true(report_is_news(&r, "refused", START + REPORT_AGAIN_MS));
	assert_false(report_is_news(&r, "refused", START + REPORT_AGAIN_MS + 1));
}

static void report_says_another_problem_at_once(void **state)
{
	struct report r = { 0 };
	(void)state;

	report_is_news(&r, "refused", START);
	assert_true(report_is_news(&r, "timed out", START + 1));
}

static void report_does_not_repeat_problems_that_take_turns(void **state)
{
	struct report r = { 0 };
	(void)state;

	report_is_news(&r, "refused", START);
	report_is_news(&r, "timed out", START);
	for (int64_t i = 1; i < 100; i++) {
		assert_false(report_is_news(&r, "refused", START + i));
		assert_false(report_is_news(&r, "timed out", START + i));
	}
}

static void report_forgets_the_problem_said_longest_ago(void **state)
{
	struct report r = { 0 };
	char text[32];
	(void)state;

	for (int i = 0; i <= REPORT_MAX; i++) {
		snprintf(text, sizeof text, "problem %d", i);
		assert_true(report_is_news(&r, text, START + i));
	}
	assert_false(report_is_news(&r, "problem 1", START + 100));
	assert_true(report_is_news(&r, "problem 0", START + 100));
}

static void report_says_a_problem_anew_after_the_all_clear(void **state)
{
	struct report r = { 0 };
	(void)state;

	report_is_news(&r, "refused", START);
	assert_true(report_all_clear(&r));
	assert_true(report_is_news(&r, "refused", START + 1));
}

static void report_gives_the_all_clear_only_after_a_problem(void **state)
{
	struct report r = { 0 };
	(void)state;

	assert_false(report_all_clear(&r));
	report_is_news(&r, "refused", START);
	assert_true(report_all_clear(&r));
	assert_false(report_all_clear(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_says_a_problem_once),
		cmocka_unit_test(report_says_a_problem_again_after_ten_minutes),
		cmocka_unit_test(report_says_another_problem_at_once),
		cmocka_unit_test(report_does_not_repeat_problems_that_take_turns),
		cmocka_unit_test(report_forgets_the_problem_said_longest_ago),
		cmocka_unit_test(report_says_a_problem_anew_after_the_all_clear),
		cmocka_unit_test(report_gives_the_all_clear_only_after_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
