#include "core/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WANTED 41000
#define FOREIGN 6881
#define MINUTE 60000

static struct drift drift;

static int begin(void **state)
{
	(void)state;
	drift = (struct drift){ 0 };
	return 0;
}

/* each: begin, NULL */

static enum drift_news seen_at(int64_t minute)
{
	return drift_seen(&drift, WANTED, FOREIGN, minute * MINUTE);
}

/* Up to the third drift, which begins the fight, in the given minute. */
static void fight(int64_t minute)
{
	assert_int_equal(seen_at(minute - 2), DRIFT_SINGLE);
	assert_int_equal(seen_at(minute - 1), DRIFT_SINGLE);
	assert_int_equal(seen_at(minute), DRIFT_FIGHT);
}

static void drift_calls_the_third_within_ten_minutes_a_fight(void **state)
{
	(void)state;

	assert_int_equal(seen_at(100), DRIFT_SINGLE);
	assert_false(drift_lasts(&drift, WANTED, 100 * MINUTE));
	assert_int_equal(seen_at(105), DRIFT_SINGLE);
	assert_int_equal(seen_at(109), DRIFT_FIGHT);
	assert_int_equal(drift.unsaid, 3);
	assert_true(drift_lasts(&drift, WANTED, 109 * MINUTE));
}

static void drift_counts_right_after_the_machines_start_too(void **state)
{
	(void)state;

	fight(2);
}

static void drift_is_no_fight_at_three_in_more_than_ten_minutes(void **state)
{
	(void)state;

	for (int64_t minute = 100; minute < 200; minute += 5)
		assert_int_equal(seen_at(minute), DRIFT_SINGLE);
}

static void drift_is_no_fight_where_the_ports_differ(void **state)
{
	(void)state;

	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(drift_seen(&drift, WANTED, FOREIGN + i, MINUTE), DRIFT_SINGLE);
	for (uint16_t port = WANTED; port < WANTED + 10; port++)
		assert_int_equal(drift_seen(&drift, port, FOREIGN, MINUTE), DRIFT_SINGLE);
}

static void drift_is_a_fight_where_two_ports_alternate(void **state)
{
	(void)state;

	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(drift_seen(&drift, WANTED, FOREIGN + i % 2, 100 * MINUTE + i),
		                 DRIFT_SINGLE);
	assert_int_equal(drift_seen(&drift, WANTED, FOREIGN + 1, 101 * MINUTE), DRIFT_FIGHT);
	assert_int_equal(drift.foreign, FOREIGN + 1);
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(drift_seen(&drift, WANTED, FOREIGN + i % 2, 102 * MINUTE),
		                 DRIFT_QUIET);
	/* A third one in between. */
	assert_int_equal(drift_seen(&drift, WANTED, FOREIGN + 2, 103 * MINUTE), DRIFT_SINGLE);
}

static void drift_is_told_of_every_ten_minutes_while_they_fight(void **state)
{
	(void)state;

	fight(100);
	drift.unsaid = 0; /* as the caller does */
	for (int64_t minute = 101; minute < 110; minute++)
		assert_int_equal(seen_at(minute), DRIFT_QUIET);
	assert_int_equal(seen_at(110), DRIFT_SUMMARY);
	assert_int_equal(drift.unsaid, 10);
	drift.unsaid = 0;
	assert_int_equal(seen_at(111), DRIFT_QUIET);
	assert_int_equal(drift.unsaid, 1);
}

static void drift_ends_a_fight_after_ten_minutes_without_one(void **state)
{
	(void)state;

	fight(100);
	assert_int_equal(seen_at(103), DRIFT_QUIET);
	assert_true(drift_lasts(&drift, WANTED, 113 * MINUTE - 1));
	assert_false(drift_lasts(&drift, WANTED, 113 * MINUTE));
	fight(115);
}

static void drift_ends_a_fight_with_another_forwarded_port(void **state)
{
	(void)state;

	fight(100);
	assert_false(drift_lasts(&drift, WANTED + 1, 100 * MINUTE));
	assert_int_equal(drift_seen(&drift, WANTED + 1, FOREIGN, 101 * MINUTE), DRIFT_SINGLE);
}

static void drift_says_once_that_a_fight_has_ended(void **state)
{
	(void)state;

	assert_int_equal(seen_at(90), DRIFT_SINGLE);
	assert_false(drift_ended(&drift, WANTED, 110 * MINUTE));
	fight(120);
	assert_false(drift_ended(&drift, WANTED, 130 * MINUTE - 1));
	assert_true(drift_ended(&drift, WANTED, 130 * MINUTE));
	assert_false(drift_ended(&drift, WANTED, 130 * MINUTE));
	fight(133);
}

static void drift_says_nothing_when_the_port_has_changed_meanwhile(void **state)
{
	(void)state;

	fight(120);
	assert_false(drift_ended(&drift, WANTED + 1, 130 * MINUTE));
	assert_false(drift_ended(&drift, WANTED, 300 * MINUTE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(drift_calls_the_third_within_ten_minutes_a_fight,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(drift_counts_right_after_the_machines_start_too,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(drift_is_no_fight_at_three_in_more_than_ten_minutes,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(drift_is_no_fight_where_the_ports_differ, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(drift_is_a_fight_where_two_ports_alternate, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(drift_is_told_of_every_ten_minutes_while_they_fight,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(drift_ends_a_fight_after_ten_minutes_without_one,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(drift_ends_a_fight_with_another_forwarded_port,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(
			drift_says_nothing_when_the_port_has_changed_meanwhile, begin, NULL),
		cmocka_unit_test_setup_teardown(drift_says_once_that_a_fight_has_ended, begin,
		                                NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
