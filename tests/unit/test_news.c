#include "sidecar/news.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#define START INT64_C(1000000)

static void news_says_a_problem_once(void **state)
{
	struct news r = { 0 };
	(void)state;

	assert_true(news_is_new(&r, "refused", START));
	assert_false(news_is_new(&r, "refused", START + 1));
	assert_false(news_is_new(&r, "refused", START + NEWS_AGAIN_MS - 1));
}

static void news_says_a_problem_again_after_ten_minutes(void **state)
{
	struct news r = { 0 };
	(void)state;

	assert_int_equal(NEWS_AGAIN_MS, 600000);
	news_is_new(&r, "refused", START);
	assert_true(news_is_new(&r, "refused", START + NEWS_AGAIN_MS));
	assert_false(news_is_new(&r, "refused", START + NEWS_AGAIN_MS + 1));
}

static void news_says_another_problem_at_once(void **state)
{
	struct news r = { 0 };
	(void)state;

	news_is_new(&r, "refused", START);
	assert_true(news_is_new(&r, "timed out", START + 1));
}

static void news_does_not_repeat_problems_that_take_turns(void **state)
{
	struct news r = { 0 };
	(void)state;

	news_is_new(&r, "refused", START);
	news_is_new(&r, "timed out", START);
	for (int64_t i = 1; i < 100; i++) {
		assert_false(news_is_new(&r, "refused", START + i));
		assert_false(news_is_new(&r, "timed out", START + i));
	}
}

/* Reports as many problems as are remembered, a millisecond apart. */
static void fill(struct news *news)
{
	char text[32];

	for (int i = 0; i < NEWS_MAX; i++) {
		snprintf(text, sizeof text, "problem %d", i);
		assert_true(news_is_new(news, text, START + i));
	}
}

static void news_does_not_let_ever_new_problems_flood_the_log(void **state)
{
	struct news r = { 0 };
	(void)state;

	fill(&r);
	assert_false(news_is_new(&r, "one too many", START + 100));
	assert_false(news_is_new(&r, "another", START + NEWS_AGAIN_MS - 1));
}

static void news_puts_a_new_problem_in_the_place_of_the_oldest(void **state)
{
	struct news r = { 0 };
	(void)state;

	fill(&r);
	assert_true(news_is_new(&r, "new", START + NEWS_AGAIN_MS));
	assert_false(news_is_new(&r, "new", START + NEWS_AGAIN_MS));
	assert_false(news_is_new(&r, "problem 1", START + NEWS_AGAIN_MS));
	assert_true(news_is_new(&r, "problem 0", START + NEWS_AGAIN_MS + 1));
}

static void news_says_a_problem_anew_after_the_all_clear(void **state)
{
	struct news r = { 0 };
	(void)state;

	news_is_new(&r, "refused", START);
	assert_true(news_all_clear(&r));
	assert_true(news_is_new(&r, "refused", START + 1));
}

static void news_gives_the_all_clear_only_after_a_problem(void **state)
{
	struct news r = { 0 };
	(void)state;

	assert_false(news_all_clear(&r));
	news_is_new(&r, "refused", START);
	assert_true(news_all_clear(&r));
	assert_false(news_all_clear(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_says_a_problem_once),
		cmocka_unit_test(news_says_a_problem_again_after_ten_minutes),
		cmocka_unit_test(news_says_another_problem_at_once),
		cmocka_unit_test(news_does_not_repeat_problems_that_take_turns),
		cmocka_unit_test(news_does_not_let_ever_new_problems_flood_the_log),
		cmocka_unit_test(news_puts_a_new_problem_in_the_place_of_the_oldest),
		cmocka_unit_test(news_says_a_problem_anew_after_the_all_clear),
		cmocka_unit_test(news_gives_the_all_clear_only_after_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
