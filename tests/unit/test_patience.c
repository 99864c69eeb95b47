#include "core/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void patience_is_short_at_the_start(void **state)
{
	struct patience patience = patience_start();
	(void)state;

	assert_int_equal(patience.exchange_ms, 10000);
	assert_int_equal(patience_cycle_ms(&patience), 15000);
}

static void patience_doubles_up_to_a_minute_with_room_for_a_login(void **state)
{
	struct patience patience = patience_start();
	(void)state;

	patience_cycle_ended(&patience, true, 9);
	assert_int_equal(patience.exchange_ms, 20000);
	assert_int_equal(patience_cycle_ms(&patience), 80000);
	patience_cycle_ended(&patience, true, 9);
	assert_int_equal(patience.exchange_ms, 40000);
	patience_cycle_ended(&patience, true, 9);
	patience_cycle_ended(&patience, true, 9);
	assert_int_equal(patience.exchange_ms, 60000);
	assert_int_equal(patience_cycle_ms(&patience), 240000);
}

/* Refused connections, for example. */
static void patience_stays_where_nothing_was_answered(void **state)
{
	struct patience patience = { .exchange_ms = 40000 };
	(void)state;

	patience_cycle_ended(&patience, false, 0);
	assert_int_equal(patience.exchange_ms, 40000);
}

static void patience_shrinks_to_twice_the_slowest_answer(void **state)
{
	struct patience patience = { .exchange_ms = 60000 };
	(void)state;

	patience_cycle_ended(&patience, false, 40000);
	assert_int_equal(patience.exchange_ms, 60000);
	patience_cycle_ended(&patience, false, 12000);
	assert_int_equal(patience.exchange_ms, 24000);
	patience_cycle_ended(&patience, false, 23000);
	assert_int_equal(patience.exchange_ms, 24000);
	patience_cycle_ended(&patience, false, 3);
	assert_int_equal(patience.exchange_ms, 10000);
	assert_int_equal(patience_cycle_ms(&patience), 15000);
}

static void patience_is_told_by_the_length_of_its_cycle(void **state)
{
	struct patience patience = patience_of(0);
	(void)state;

	assert_int_equal(patience.exchange_ms, 10000);
	patience = patience_of(15);
	assert_int_equal(patience_cycle_ms(&patience), 15000);
	patience = patience_of(48);
	assert_int_equal(patience.exchange_ms, 12000);
	patience = patience_of(240);
	assert_int_equal(patience_cycle_ms(&patience), 240000);
	patience = patience_of(INT64_MAX);
	assert_int_equal(patience.exchange_ms, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patience_is_short_at_the_start),
		cmocka_unit_test(patience_doubles_up_to_a_minute_with_room_for_a_login),
		cmocka_unit_test(patience_stays_where_nothing_was_answered),
		cmocka_unit_test(patience_shrinks_to_twice_the_slowest_answer),
		cmocka_unit_test(patience_is_told_by_the_length_of_its_cycle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
