#include "sidecar/report.h"

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

/* Says as many different problems as are remembered, a millisecond apart. */
static void fill(struct report *report)
{
	char text[32];

	for (int i = 0; i < REPORT_MAX; i++) {
		snprintf(text, sizeof text, "problem %d", i);
		assert_true(report_is_news(report, text, START + i));
	}
}

static void report_does_not_let_ever_new_problems_flood_the_log(void **state)
{
	struct report r = { 0 };
	(void)state;

	fill(&r);
	assert_false(report_is_news(&r, "one too many", START + 100));
	assert_false(report_is_news(&r, "another", START + REPORT_AGAIN_MS - 1));
}

static void report_puts_a_new_problem_in_the_place_of_the_oldest(void **state)
{
	struct report r = { 0 };
	(void)state;

	fill(&r);
	assert_true(report_is_news(&r, "new", START + REPORT_AGAIN_MS));
	assert_false(report_is_news(&r, "new", START + REPORT_AGAIN_MS));
	assert_false(report_is_news(&r, "problem 1", START + REPORT_AGAIN_MS));
	assert_true(report_is_news(&r, "problem 0", START + REPORT_AGAIN_MS + 1));
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
		cmocka_unit_test(report_does_not_let_ever_new_problems_flood_the_log),
		cmocka_unit_test(report_puts_a_new_problem_in_the_place_of_the_oldest),
		cmocka_unit_test(report_says_a_problem_anew_after_the_all_clear),
		cmocka_unit_test(report_gives_the_all_clear_only_after_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
