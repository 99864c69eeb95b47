#include "core/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define INTERVAL (30 * SECOND)
#define GRACE (120 * SECOND)
/* Any moment: none of the tests may depend on where the clock starts. */
#define START (INT64_C(7) * HOUR)

#define PORT 41000
#define OTHER_PORT 42000

static struct sync started(int64_t interval_ms)
{
	return sync_start(interval_ms, GRACE, 12345, START);
}

/* One that wants PORT, and whose last cycle, at START, ended as given. */
static struct sync after_cycle(enum sync_outcome outcome)
{
	struct sync s = started(INTERVAL);

	sync_file_port(&s, PORT, START);
	sync_cycle_ended(&s, outcome, START);
	return s;
}

static struct sync in_sync(void)
{
	return after_cycle(SYNC_PROVED);
}

/* One that has had an empty file for a second at `now_ms`, so that it counts. */
static struct sync without_port(int64_t now_ms)
{
	struct sync s = started(INTERVAL);

	sync_file_empty(&s, now_ms - SYNC_SETTLE_MS);
	sync_file_empty(&s, now_ms);
	return s;
}

/* The tunnel is heard to change, and a look finds that it has. */
static void links_changed(struct sync *s, int64_t now_ms)
{
	sync_links_changed(s, false, now_ms);
	sync_tunnel_differs(s, now_ms);
}

/* The same, and the tunnel is up then. */
static void tunnel_came(struct sync *s, int64_t now_ms)
{
	sync_links_changed(s, true, now_ms);
	sync_tunnel_differs(s, now_ms);
}

/* ---- when a cycle is due ---- */

static void sync_starts_with_a_cycle_at_once(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	assert_true(sync_cycle_due(&s, START));
	assert_int_equal(sync_due_ms(&s), START);
	assert_int_equal(sync_state(&s), SYNC_STARTING);
}

static void sync_acts_on_a_new_port_at_once(void **state)
{
	struct sync s = in_sync();
	(void)state;

	assert_false(sync_cycle_due(&s, START + 5));
	assert_true(sync_file_port(&s, OTHER_PORT, START + 5));
	assert_true(sync_cycle_due(&s, START + 5));
}

static void sync_tells_news_from_the_same_port(void **state)
{
	struct sync s = in_sync();
	(void)state;

	assert_false(sync_file_port(&s, PORT, START + 5));
	assert_true(sync_file_port(&s, OTHER_PORT, START + 5));
	assert_false(sync_file_port(&s, OTHER_PORT, START + 6));
}

static void sync_looks_again_after_one_interval(void **state)
{
	struct sync s = in_sync();
	(void)state;

	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
	assert_false(sync_cycle_due(&s, START + INTERVAL - 1));
	assert_true(sync_cycle_due(&s, START + INTERVAL));
}

static void sync_wants_the_port_of_the_file(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	assert_int_equal(sync_port(&s), 0);
	sync_file_port(&s, 65535, START);
	assert_int_equal(sync_port(&s), 65535);
	sync_file_port(&s, 1, START);
	assert_int_equal(sync_port(&s), 1);
}

static void sync_lets_a_rewrite_of_the_same_port_settle_for_a_second(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_port(&s, PORT, START + 10 * SECOND);
	sync_file_written(&s, START + 10 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 11 * SECOND);
	assert_false(sync_cycle_due(&s, START + 11 * SECOND - 1));
	assert_true(sync_cycle_due(&s, START + 11 * SECOND));
}

static void sync_does_not_put_off_a_cycle_for_more_rewrites(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t ms = 0; ms <= 1000; ms += 100)
		sync_file_written(&s, START + ms);
	assert_int_equal(sync_due_ms(&s), START + SECOND);
}

static void sync_does_not_put_off_an_earlier_cycle_for_a_rewrite(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_written(&s, START + INTERVAL - 100);
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_does_not_let_a_new_port_settle(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_port(&s, OTHER_PORT, START + 5);
	sync_file_written(&s, START + 5);
	assert_int_equal(sync_due_ms(&s), START + 5);
}

static void sync_reads_a_file_being_written_a_second_later_without_a_cycle(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_modified(&s, START + 5 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 6 * SECOND);
	assert_false(sync_cycle_due(&s, START + 6 * SECOND));
	sync_file_port(&s, PORT, START + 6 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_does_not_put_off_the_reading_for_more_writing(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t ms = 0; ms <= 1000; ms += 100)
		sync_file_modified(&s, START + ms);
	assert_int_equal(sync_due_ms(&s), START + SECOND);
}

static void sync_need_not_read_again_what_was_read_meanwhile(void **state)
{
	struct sync emptied = in_sync(), spoilt = in_sync();
	(void)state;

	sync_file_modified(&emptied, START);
	sync_file_empty(&emptied, START + 500);
	assert_int_equal(sync_due_ms(&emptied), START + 1500);
	sync_file_modified(&spoilt, START);
	sync_file_bad(&spoilt, START + 500);
	sync_cycle_ended(&spoilt, SYNC_PROVED, START + 500);
	assert_int_equal(sync_due_ms(&spoilt), START + 500 + INTERVAL);
}

/* ---- retries ---- */

/* What a run of failures makes of the pauses, the jitter at its worst and at its best. */
static void assert_pauses(struct sync s, const int64_t *seconds, size_t count)
{
	int64_t now_ms = START;

	sync_file_port(&s, PORT, now_ms);
	for (size_t i = 0; i < count; i++) {
		int64_t pause_ms;

		sync_cycle_ended(&s, SYNC_FAILED, now_ms);
		pause_ms = sync_due_ms(&s) - now_ms;
		assert_in_range((uintmax_t)pause_ms, (uintmax_t)(seconds[i] * SECOND * 7 / 8),
		                (uintmax_t)(seconds[i] * SECOND));
		now_ms = sync_due_ms(&s);
	}
}

static void sync_retries_after_1_2_4_to_60_seconds(void **state)
{
	static const int64_t seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	(void)state;

	for (uint32_t seed = 0; seed < 1000; seed++)
		assert_pauses(sync_start(HOUR, GRACE, seed, START), seconds,
		              sizeof seconds / sizeof seconds[0]);
}

static void sync_retries_no_later_than_the_interval(void **state)
{
	static const int64_t seconds[] = { 1, 2, 4, 5, 5, 5, 5, 5, 5 };
	(void)state;

	for (uint32_t seed = 0; seed < 1000; seed++)
		assert_pauses(sync_start(5 * SECOND, GRACE, seed, START), seconds,
		              sizeof seconds / sizeof seconds[0]);
}

static void sync_retries_every_second_at_an_interval_of_one(void **state)
{
	static const int64_t seconds[] = { 1, 1, 1, 1 };
	(void)state;

	assert_pauses(started(SECOND), seconds, sizeof seconds / sizeof seconds[0]);
}

static void sync_keeps_the_pause_after_very_many_failures(void **state)
{
	struct sync s = started(HOUR);
	(void)state;

	sync_file_port(&s, PORT, START);
	for (int i = 0; i < 100000; i++)
		sync_cycle_ended(&s, SYNC_FAILED, START);
	assert_in_range((uintmax_t)(sync_due_ms(&s) - START), 52500, 60000);
}

static void sync_spreads_the_retries_of_many_sidecars(void **state)
{
	int64_t least = INT64_MAX, most = 0;
	(void)state;

	for (uint32_t seed = 0; seed < 100; seed++) {
		struct sync s = sync_start(HOUR, GRACE, seed, START);

		sync_file_port(&s, PORT, START);
		for (int i = 0; i < 8; i++)
			sync_cycle_ended(&s, SYNC_FAILED, START);
		least = sync_due_ms(&s) < least ? sync_due_ms(&s) : least;
		most = sync_due_ms(&s) > most ? sync_due_ms(&s) : most;
	}
	assert_true(most - least > 5 * SECOND);
}

static void sync_starts_the_pauses_anew_after_a_success(void **state)
{
	struct sync s = started(HOUR);
	(void)state;

	sync_file_port(&s, PORT, START);
	for (int i = 0; i < 10; i++)
		sync_cycle_ended(&s, SYNC_FAILED, START);
	sync_cycle_ended(&s, SYNC_PROVED, START);
	sync_cycle_ended(&s, SYNC_FAILED, START);
	assert_true(sync_due_ms(&s) <= START + SECOND);
}

static void sync_keeps_the_port_while_its_source_is_silent(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_source_silent(&s, START + 5 * SECOND);
	assert_int_equal(sync_port(&s), PORT);
	assert_true(sync_cycle_due(&s, START + 5 * SECOND));
	sync_cycle_ended(&s, SYNC_FAILED, START + 5 * SECOND);
	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_int_equal(sync_port(&s), PORT);
	assert_false(sync_file_port(&s, PORT, START + 6 * SECOND));
}

static void sync_is_retrying_while_the_first_answer_is_awaited(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_source_silent(&s, START);
	sync_cycle_ended(&s, SYNC_FAILED, START);
	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_int_equal(sync_port(&s), 0);
	assert_in_range(sync_due_ms(&s), START + SECOND * 7 / 8, START + SECOND);
}

static void sync_forgets_an_emptiness_that_was_not_confirmed(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + SECOND);
	sync_source_silent(&s, START + SECOND + SYNC_SETTLE_MS);
	sync_cycle_ended(&s, SYNC_FAILED, START + SECOND + SYNC_SETTLE_MS);
	assert_int_equal(sync_port(&s), PORT);
	assert_true(sync_due_ms(&s) > START + SECOND + SYNC_SETTLE_MS);
}

static void sync_is_no_longer_in_error_when_the_bad_file_does_not_count(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START + SECOND);
	sync_source_silent(&s, START + 2 * SECOND);
	sync_cycle_ended(&s, SYNC_FAILED, START + 2 * SECOND);
	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_int_equal(sync_port(&s), 0);
}

static void sync_tries_each_second_while_the_web_ui_refuses_here(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t i = 0; i < 100; i++) {
		int64_t now_ms = START + i * SYNC_REFUSED_MS;

		sync_cycle_ended(&s, SYNC_REFUSED, now_ms);
		assert_int_equal(sync_due_ms(&s), now_ms + SECOND);
		assert_int_equal(sync_state(&s), SYNC_RETRYING);
		assert_false(sync_healthy(&s, now_ms));
	}
	assert_int_equal(s.failures, 100);
}

static void sync_reads_the_source_again_without_a_cycle(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_read_again_at(&s, START + 5 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 5 * SECOND);
	assert_false(sync_cycle_due(&s, START + 5 * SECOND));
	sync_file_port(&s, PORT, START + 5 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_counts_failures_in_a_row(void **state)
{
	struct sync s = after_cycle(SYNC_FAILED);
	(void)state;

	sync_cycle_ended(&s, SYNC_SHUT_OUT, START + SECOND);
	assert_int_equal(s.failures, 2);
	sync_cycle_ended(&s, SYNC_PROVED, START + 2 * SECOND);
	assert_int_equal(s.failures, 0);
}

static void sync_goes_on_at_the_interval_while_it_is_shut_out(void **state)
{
	struct sync s = after_cycle(SYNC_SHUT_OUT);
	(void)state;

	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

/* ---- no port ---- */

static void sync_lets_an_empty_file_settle_for_a_second(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + 5 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 6 * SECOND);
	sync_file_empty(&s, START + 6 * SECOND - 1);
	assert_int_equal(sync_port(&s), PORT);
	sync_file_empty(&s, START + 6 * SECOND);
	assert_int_equal(sync_port(&s), 0);
}

static void sync_reads_a_settling_file_again_without_a_cycle(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + 5 * SECOND);
	assert_false(sync_cycle_due(&s, START + 6 * SECOND));
	assert_int_equal(sync_state(&s), SYNC_IN_SYNC);
}

static void sync_overlooks_the_instant_between_truncate_and_write(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + 5 * SECOND);
	assert_false(sync_file_port(&s, PORT, START + 5 * SECOND + 2));
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
	assert_true(sync_healthy(&s, START + 5 * SECOND + 2));
}

static void sync_times_each_emptiness_by_itself(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + 5000);
	sync_file_port(&s, PORT, START + 5500);
	sync_file_empty(&s, START + 5900);
	sync_file_empty(&s, START + 6100);
	assert_int_equal(sync_port(&s), PORT);
	assert_int_equal(sync_due_ms(&s), START + 6900);
}

static void sync_cycles_once_no_port_is_certain(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + 5 * SECOND);
	sync_file_empty(&s, START + 6 * SECOND);
	assert_true(sync_cycle_due(&s, START + 6 * SECOND));
}

static void sync_waits_for_certainty_before_the_first_cycle(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_file_empty(&s, START);
	assert_false(sync_cycle_due(&s, START + SECOND - 1));
	assert_int_equal(sync_due_ms(&s), START + SECOND);
	assert_int_equal(sync_state(&s), SYNC_STARTING);
}

static void sync_asks_qbittorrent_at_the_interval_without_a_port(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_acts_on_a_port_after_none_at_once(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_true(sync_file_port(&s, PORT, START + SECOND));
	assert_true(sync_cycle_due(&s, START + SECOND));
	assert_false(sync_healthy(&s, START + SECOND));
}

static void sync_treats_the_same_port_after_none_as_news(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START);
	sync_file_empty(&s, START + SECOND);
	assert_true(sync_file_port(&s, PORT, START + 2 * SECOND));
}

/* ---- health ---- */

static void sync_is_not_healthy_before_the_first_cycle(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_file_port(&s, PORT, START);
	assert_int_equal(sync_state(&s), SYNC_STARTING);
	assert_false(sync_healthy(&s, START));
}

static void sync_is_healthy_when_the_port_is_proved(void **state)
{
	struct sync s = in_sync();
	(void)state;

	assert_int_equal(sync_state(&s), SYNC_IN_SYNC);
	assert_true(sync_healthy(&s, START));
}

static void sync_is_not_healthy_on_the_proof_of_another_port(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_port(&s, OTHER_PORT, START + SECOND);
	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_false(sync_healthy(&s, START + SECOND));
}

static void sync_is_not_healthy_on_the_old_proof_of_a_port_that_came_back(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_port(&s, OTHER_PORT, START + SECOND);
	sync_file_port(&s, PORT, START + SECOND);
	assert_false(sync_healthy(&s, START + SECOND));
}

static void sync_is_retrying_and_unhealthy_after_a_failure(void **state)
{
	struct sync failed = after_cycle(SYNC_FAILED);
	(void)state;

	assert_int_equal(sync_state(&failed), SYNC_RETRYING);
	assert_false(sync_healthy(&failed, START));
}

static void sync_is_in_error_while_it_is_shut_out(void **state)
{
	struct sync s = after_cycle(SYNC_SHUT_OUT);
	(void)state;

	assert_int_equal(sync_state(&s), SYNC_ERROR);
	assert_false(sync_healthy(&s, START));
}

static void sync_is_in_error_while_the_file_is_bad(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START + SECOND);
	assert_int_equal(sync_state(&s), SYNC_ERROR);
	assert_false(sync_healthy(&s, START + SECOND));
	assert_int_equal(sync_port(&s), 0);
}

static void sync_is_in_error_with_a_bad_file_before_the_first_cycle(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_file_bad(&s, START);
	assert_int_equal(sync_state(&s), SYNC_ERROR);
	assert_true(sync_cycle_due(&s, START));
}

static void sync_stays_in_error_with_a_bad_file_whatever_qbittorrent_says(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_file_bad(&s, START);
	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_int_equal(sync_state(&s), SYNC_ERROR);
	assert_false(sync_healthy(&s, START));
	assert_int_equal(s.failures, 1);
}

static void sync_does_not_cycle_anew_each_time_a_bad_file_is_read(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START);
	sync_cycle_ended(&s, SYNC_PROVED, START);
	sync_file_bad(&s, START + SECOND);
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_recovers_from_a_bad_file_with_the_same_port(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START);
	assert_true(sync_file_port(&s, PORT, START + SECOND));
	assert_true(sync_cycle_due(&s, START + SECOND));
	sync_cycle_ended(&s, SYNC_PROVED, START + SECOND);
	assert_true(sync_healthy(&s, START + SECOND));
}

static void sync_does_not_take_a_bad_file_for_an_empty_one(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START);
	sync_file_bad(&s, START + 500);
	sync_file_empty(&s, START + 1100);
	assert_int_equal(sync_state(&s), SYNC_ERROR);
	sync_file_empty(&s, START + 2100);
	assert_int_equal(sync_state(&s), SYNC_WAITING_FOR_PORT);
}

static void sync_is_not_healthy_without_a_bad_file_before_the_next_cycle(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START);
	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_int_equal(s.failures, 1);
	sync_file_empty(&s, START + SECOND);
	sync_file_empty(&s, START + SECOND + SYNC_SETTLE_MS);
	assert_false(sync_healthy(&s, START + SECOND + SYNC_SETTLE_MS));
	assert_true(sync_cycle_due(&s, START + SECOND + SYNC_SETTLE_MS));
	sync_cycle_ended(&s, SYNC_PROVED, START + SECOND + SYNC_SETTLE_MS);
	assert_int_equal(s.failures, 0);
	assert_true(sync_healthy(&s, START + SECOND + SYNC_SETTLE_MS));
}

static void sync_waits_in_health_for_a_port_within_the_grace(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_int_equal(sync_state(&s), SYNC_WAITING_FOR_PORT);
	assert_true(sync_healthy(&s, START + GRACE));
	assert_false(sync_no_port_too_long(&s, START + GRACE));
}

static void sync_is_unhealthy_without_a_port_after_the_grace(void **state)
{
	struct sync s = without_port(START + SECOND);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START + SECOND);
	assert_false(sync_healthy(&s, START + GRACE + 1));
	assert_true(sync_no_port_too_long(&s, START + GRACE + 1));
	assert_int_equal(sync_state(&s), SYNC_WAITING_FOR_PORT);
}

static void sync_counts_the_grace_from_when_the_port_went(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_empty(&s, START + HOUR - SECOND);
	sync_file_empty(&s, START + HOUR);
	sync_cycle_ended(&s, SYNC_PROVED, START + HOUR);
	assert_true(sync_healthy(&s, START + HOUR + GRACE));
	assert_false(sync_healthy(&s, START + HOUR + GRACE + 1));
}

static void sync_counts_the_grace_on_through_a_bad_file(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_file_bad(&s, START + HOUR);
	sync_file_empty(&s, START + HOUR + MINUTE);
	sync_file_empty(&s, START + HOUR + MINUTE + SECOND);
	sync_cycle_ended(&s, SYNC_PROVED, START + HOUR + MINUTE + SECOND);
	assert_true(sync_healthy(&s, START + HOUR + GRACE));
	assert_false(sync_healthy(&s, START + HOUR + GRACE + 1));
}

static void sync_looks_as_soon_as_the_grace_is_over(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	s.interval_ms = HOUR;
	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_true(sync_no_port_too_long(&s, sync_due_ms(&s)));
	assert_false(sync_no_port_too_long(&s, sync_due_ms(&s) - 1));
}

static void sync_looks_at_the_interval_after_the_grace(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START + GRACE + 1);
	assert_int_equal(sync_due_ms(&s), START + GRACE + 1 + INTERVAL);
}

static void sync_has_no_grace_where_it_is_0(void **state)
{
	struct sync s = sync_start(INTERVAL, 0, 1, START);
	(void)state;

	sync_file_empty(&s, START);
	sync_file_empty(&s, START + SECOND);
	sync_cycle_ended(&s, SYNC_PROVED, START + SECOND);
	assert_false(sync_healthy(&s, START + SECOND));
}

static void sync_is_not_healthy_within_the_grace_without_qbittorrent(void **state)
{
	struct sync s = without_port(START);
	(void)state;

	sync_cycle_ended(&s, SYNC_FAILED, START);
	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_false(sync_healthy(&s, START));
}

static void sync_is_healthy_again_after_a_failure(void **state)
{
	struct sync s = after_cycle(SYNC_FAILED);
	(void)state;

	sync_cycle_ended(&s, SYNC_PROVED, START + SECOND);
	assert_int_equal(sync_state(&s), SYNC_IN_SYNC);
	assert_true(sync_healthy(&s, START + SECOND));
}

/* ---- the tunnel ---- */

static void sync_lets_changes_of_the_tunnel_settle_from_the_last(void **state)
{
	struct sync s = in_sync();
	(void)state;

	links_changed(&s, START);
	links_changed(&s, START + 900);
	assert_int_equal(sync_due_ms(&s), START + 1900);
	assert_false(sync_cycle_due(&s, START + 1899));
	assert_true(sync_cycle_due(&s, START + 1900));
}

static void sync_cycles_once_for_many_changes_of_the_tunnel(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t ms = 0; ms <= 5000; ms += 100)
		links_changed(&s, START + ms);
	assert_int_equal(sync_due_ms(&s), START + 6 * SECOND);
	sync_cycle_ended(&s, SYNC_PROVED, START + 6 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 6 * SECOND + INTERVAL);
}

static void sync_cycles_at_the_interval_however_often_the_tunnel_changes(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t ms = 0; ms < INTERVAL; ms += 500) {
		links_changed(&s, START + ms);
		assert_false(sync_cycle_due(&s, START + ms));
	}
	assert_true(sync_cycle_due(&s, START + INTERVAL));
}

static void sync_keeps_a_change_that_has_not_settled_when_a_cycle_ends(void **state)
{
	struct sync s = in_sync();
	(void)state;

	links_changed(&s, START);
	sync_file_port(&s, OTHER_PORT, START + 500);
	sync_cycle_ended(&s, SYNC_PROVED, START + 600);
	assert_int_equal(sync_due_ms(&s), START + SECOND);
}

static void sync_has_a_cycle_when_it_is_asked_for(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_cycle_at(&s, START + 2 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 2 * SECOND);
	assert_false(sync_cycle_due(&s, START + 2 * SECOND - 1));
	assert_true(sync_cycle_due(&s, START + 2 * SECOND));
	sync_cycle_ended(&s, SYNC_PROVED, START + 2 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 2 * SECOND + INTERVAL);
	sync_cycle_at(&s, START + HOUR);
	assert_int_equal(sync_due_ms(&s), START + 2 * SECOND + INTERVAL);
}

static void sync_has_a_cycle_when_it_is_asked_for_whatever_else_is_due(void **state)
{
	struct sync written = in_sync(), changed = in_sync(), earlier = in_sync();
	(void)state;

	sync_cycle_at(&written, START + 2 * SECOND);
	sync_file_written(&written, START);
	sync_cycle_ended(&written, SYNC_PROVED, START + SECOND);
	assert_int_equal(sync_due_ms(&written), START + 2 * SECOND);
	sync_cycle_at(&changed, START + 500);
	links_changed(&changed, START);
	assert_int_equal(sync_due_ms(&changed), START + 500);
	sync_cycle_at(&earlier, START + 2 * SECOND);
	sync_cycle_at(&earlier, START + 3 * SECOND);
	assert_int_equal(sync_due_ms(&earlier), START + 2 * SECOND);
}

/* ---- rebinds ---- */

static void close_port(struct sync *s, int64_t now_ms)
{
	sync_cycle_ended(s, SYNC_CLOSED, now_ms);
}

/* A rebind, and whether it helped. */
static void rebind(struct sync *s, int64_t now_ms, bool helped)
{
	assert_true(sync_may_rebind(s, now_ms));
	sync_rebound(s, false, now_ms);
	sync_cycle_ended(s, helped ? SYNC_PROVED : SYNC_CLOSED, now_ms);
}

static void sync_is_retrying_and_unhealthy_while_the_port_is_closed(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	assert_int_equal(sync_state(&s), SYNC_RETRYING);
	assert_false(sync_healthy(&s, START));
	assert_int_equal(s.failures, 1);
}

static void sync_rebinds_only_a_port_that_is_closed(void **state)
{
	struct sync proved = in_sync();
	struct sync failed = after_cycle(SYNC_FAILED);
	struct sync fresh = started(INTERVAL);
	(void)state;

	assert_false(sync_may_rebind(&proved, START + HOUR));
	assert_false(sync_may_rebind(&failed, START + HOUR));
	assert_false(sync_may_rebind(&fresh, START + HOUR));
}

static void sync_rebinds_a_port_closed_twice_a_second_apart(void **state)
{
	struct sync s = in_sync();
	(void)state;

	close_port(&s, START + 10 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 11 * SECOND);
	assert_false(sync_may_rebind(&s, START + 11 * SECOND - 1));
	assert_true(sync_may_rebind(&s, START + 11 * SECOND));
}

/* Whatever else brings cycles in between. */
static void sync_rebinds_no_sooner_for_more_cycles(void **state)
{
	struct sync s = in_sync();
	(void)state;

	for (int64_t ms = 0; ms < 1000; ms += 100) {
		close_port(&s, START + ms);
		assert_int_equal(sync_due_ms(&s), START + SECOND);
		assert_false(sync_may_rebind(&s, START + ms));
	}
	assert_true(sync_may_rebind(&s, START + SECOND));
}

static void sync_counts_the_second_anew_after_any_other_end_of_a_cycle(void **state)
{
	static const enum sync_outcome others[] = { SYNC_PROVED, SYNC_FAILED, SYNC_SHUT_OUT };
	(void)state;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct sync s = after_cycle(SYNC_CLOSED);

		sync_cycle_ended(&s, others[i], START + 500);
		assert_false(sync_may_rebind(&s, START + SECOND));
		close_port(&s, START + SECOND);
		assert_false(sync_may_rebind(&s, START + 2 * SECOND - 1));
		assert_true(sync_may_rebind(&s, START + 2 * SECOND));
	}
}

static void sync_counts_the_second_anew_for_another_port(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	sync_file_port(&s, OTHER_PORT, START + 900);
	assert_false(sync_may_rebind(&s, START + HOUR));
	close_port(&s, START + 900);
	assert_false(sync_may_rebind(&s, START + SECOND));
	assert_true(sync_may_rebind(&s, START + 1900));
}

/* With a tunnel that stays, and a port that stays closed. */
static void assert_rebound_every(bool costly, const int64_t *minutes, size_t count)
{
	static const int64_t intervals_ms[] = { SECOND, INTERVAL, HOUR };

	for (size_t i = 0; i < sizeof intervals_ms / sizeof intervals_ms[0]; i++) {
		struct sync s = started(intervals_ms[i]);
		int64_t now_ms = START, last_ms = 0;
		size_t rebinds = 0;

		sync_file_port(&s, PORT, START);
		while (rebinds <= count) {
			if (sync_may_rebind(&s, now_ms)) {
				/* To the millisecond: that is when a cycle is due. */
				if (rebinds > 0)
					assert_int_equal(now_ms - last_ms,
					                 minutes[rebinds - 1] * MINUTE);
				last_ms = now_ms;
				rebinds++;
				sync_rebound(&s, costly, now_ms);
			}
			close_port(&s, now_ms);
			assert_true(sync_due_ms(&s) > now_ms);
			now_ms = sync_due_ms(&s);
		}
	}
}

static void sync_rebinds_in_vain_every_two_minutes_while_nothing_is_lost(void **state)
{
	static const int64_t minutes[] = { 1, 2, 2, 2, 2, 2, 2, 2 };
	(void)state;

	assert_rebound_every(false, minutes, sizeof minutes / sizeof minutes[0]);
}

static void sync_doubles_the_pause_between_rebinds_that_drop_peers_up_to_half_an_hour(void **state)
{
	static const int64_t minutes[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
	(void)state;

	assert_rebound_every(true, minutes, sizeof minutes / sizeof minutes[0]);
}

/* As with QSTICKY_REBIND=false. */
static void sync_retries_a_closed_port_that_nobody_rebinds_as_other_failures(void **state)
{
	static const int64_t seconds[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct sync s = started(HOUR);
	int64_t now_ms = START;
	(void)state;

	sync_file_port(&s, PORT, START);
	for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
		close_port(&s, now_ms);
		assert_in_range((uintmax_t)(sync_due_ms(&s) - now_ms),
		                (uintmax_t)(seconds[i] * SECOND * 7 / 8),
		                (uintmax_t)(seconds[i] * SECOND));
		now_ms = sync_due_ms(&s);
	}
}

/* An address whose lifetime is renewed is heard of every few seconds, and is still the same. */
static void sync_rebinds_no_sooner_for_what_is_only_heard(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	sync_rebound(&s, false, START + SECOND);
	sync_links_changed(&s, true, START + 2 * SECOND);
	assert_false(sync_may_rebind(&s, START + MINUTE));
	sync_tunnel_differs(&s, START + 2 * SECOND);
	assert_true(sync_may_rebind(&s, START + MINUTE));
}

static void sync_keeps_the_longest_pause_after_very_many_rebinds(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	for (int i = 0; i < 100000; i++)
		sync_rebound(&s, true, START);
	assert_false(sync_may_rebind(&s, START + 30 * MINUTE - 1));
	assert_true(sync_may_rebind(&s, START + 30 * MINUTE));
	/* The next one costs nothing. */
	sync_rebound(&s, false, START);
	assert_false(sync_may_rebind(&s, START + 2 * MINUTE - 1));
	assert_true(sync_may_rebind(&s, START + 2 * MINUTE));
}

static void sync_pauses_a_minute_after_a_rebind_that_helped(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	rebind(&s, START + SECOND, true);
	close_port(&s, START + 10 * SECOND);
	assert_false(sync_may_rebind(&s, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&s, START + 61 * SECOND));
}

static void sync_forgets_rebinds_in_vain_once_the_port_is_open(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	rebind(&s, START + SECOND, false);
	rebind(&s, START + 2 * MINUTE, false);
	rebind(&s, START + 10 * MINUTE, false);
	assert_false(sync_may_rebind(&s, START + 12 * MINUTE - 1));
	sync_cycle_ended(&s, SYNC_PROVED, START + 10 * MINUTE + SECOND);
	close_port(&s, START + 10 * MINUTE + 2 * SECOND);
	assert_false(sync_may_rebind(&s, START + 11 * MINUTE - 1));
	assert_true(sync_may_rebind(&s, START + 11 * MINUTE));
}

static void sync_forgets_rebinds_in_vain_when_the_tunnel_changes(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	rebind(&s, START + SECOND, false);
	rebind(&s, START + 2 * MINUTE, false);
	rebind(&s, START + 10 * MINUTE, false);
	assert_false(sync_may_rebind(&s, START + 11 * MINUTE));
	links_changed(&s, START + 10 * MINUTE + SECOND);
	assert_true(sync_may_rebind(&s, START + 11 * MINUTE));
}

static void sync_rebinds_once_more_when_the_tunnel_has_changed(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	rebind(&s, START + SECOND, true);
	links_changed(&s, START + 5 * SECOND);
	close_port(&s, START + 6 * SECOND);
	assert_false(sync_may_rebind(&s, START + 7 * SECOND - 1));
	rebind(&s, START + 7 * SECOND, true);
	/* That was the second in a minute. */
	links_changed(&s, START + 10 * SECOND);
	close_port(&s, START + 11 * SECOND);
	assert_false(sync_may_rebind(&s, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&s, START + 61 * SECOND));
}

/* A reconnect during a rebind: it did not help, and now it may. */
static void sync_rebinds_once_more_when_the_tunnel_changed_in_the_middle_of_one(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	rebind(&s, START + SECOND, false);
	links_changed(&s, START + 2 * SECOND);
	rebind(&s, START + 3 * SECOND, false);
	links_changed(&s, START + 4 * SECOND);
	links_changed(&s, START + 5 * SECOND);
	assert_false(sync_may_rebind(&s, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&s, START + 61 * SECOND));
}

static void sync_has_no_rebind_to_spare_where_the_tunnel_changed_before_the_last(void **state)
{
	struct sync s = after_cycle(SYNC_CLOSED);
	(void)state;

	links_changed(&s, START);
	rebind(&s, START + SECOND, true);
	close_port(&s, START + 2 * SECOND);
	assert_false(sync_may_rebind(&s, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&s, START + 61 * SECOND));
}

/* ---- soon after a reconnect ---- */

/* One whose port is closed since the tunnel came at START. */
static struct sync closed_soon(void)
{
	struct sync s = in_sync();

	tunnel_came(&s, START);
	close_port(&s, START + SYNC_UP_MS);
	return s;
}

static void sync_checks_soon_when_the_tunnel_has_come(void **state)
{
	struct sync s = in_sync();
	(void)state;

	tunnel_came(&s, START);
	tunnel_came(&s, START + 20);
	assert_int_equal(sync_due_ms(&s), START + 20 + SYNC_UP_MS);
}

static void sync_checks_soon_once_a_minute(void **state)
{
	static const struct {
		int64_t after_ms, settle_ms;
	} cases[] = { { 1, SECOND }, { MINUTE - 1, SECOND }, { MINUTE, SYNC_UP_MS } };
	struct sync checked = in_sync();
	int64_t soon_ms = START + SYNC_UP_MS;
	(void)state;

	tunnel_came(&checked, START);
	sync_cycle_ended(&checked, SYNC_PROVED, soon_ms);
	checked.cycle_at_ms = MONO_NEVER;
	for (size_t i = 0; i < 3; i++) {
		struct sync s = checked;
		int64_t at_ms = soon_ms + cases[i].after_ms;

		tunnel_came(&s, at_ms);
		assert_int_equal(sync_due_ms(&s), at_ms + cases[i].settle_ms);
	}
}

static void sync_checks_twice_where_a_tunnel_comes_forty_times_in_four_seconds(void **state)
{
	struct sync s = in_sync();
	unsigned cycles = 0;
	(void)state;

	for (int64_t now_ms = START; now_ms < START + 6 * SECOND; now_ms += 10) {
		if (now_ms < START + 4 * SECOND && now_ms % 100 == 0)
			tunnel_came(&s, now_ms);
		if (!sync_cycle_due(&s, now_ms))
			continue;
		sync_cycle_ended(&s, SYNC_PROVED, now_ms);
		cycles++;
	}
	assert_int_equal(cycles, 2);
}

static void sync_rebinds_soon_when_the_tunnel_has_come(void **state)
{
	struct sync s = closed_soon();
	int64_t counts_ms = START + SYNC_UP_MS + SYNC_CLOSED_SOON_MS;
	(void)state;

	assert_int_equal(sync_due_ms(&s), counts_ms);
	assert_false(sync_may_rebind(&s, counts_ms - 1));
	assert_true(sync_may_rebind(&s, counts_ms));
}

/* Gluetun may write its port long after the tunnel came. */
static void sync_rebinds_soon_a_port_that_comes_within_a_minute_of_the_tunnel(void **state)
{
	static const struct {
		int64_t after_ms, counts_ms;
	} cases[] = { { MINUTE - 1, SYNC_CLOSED_SOON_MS }, { MINUTE, SYNC_CLOSED_MS } };
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct sync s = in_sync();
		int64_t at_ms = START + cases[i].after_ms;

		tunnel_came(&s, START);
		sync_file_port(&s, OTHER_PORT, at_ms);
		close_port(&s, at_ms);
		assert_int_equal(sync_due_ms(&s), at_ms + cases[i].counts_ms);
	}
}

/* At a reconnect Gluetun empties its file meanwhile, and that takes a second to count. */
static void sync_lets_a_tunnel_that_went_settle_for_a_second(void **state)
{
	struct sync s = in_sync();
	(void)state;

	tunnel_came(&s, START);
	links_changed(&s, START + 20);
	assert_int_equal(sync_due_ms(&s), START + 20 + SECOND);
}

/* A tunnel that keeps coming and going would have both rebinds of a minute at once. */
static void sync_takes_its_time_within_a_minute_of_a_rebind(void **state)
{
	struct sync s = closed_soon();
	(void)state;

	rebind(&s, START + SECOND, true);
	tunnel_came(&s, START + 10 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 11 * SECOND);
	close_port(&s, START + 11 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 12 * SECOND);
	rebind(&s, START + 12 * SECOND, true);
	sync_cycle_ended(&s, SYNC_PROVED, START + 71 * SECOND);
	tunnel_came(&s, START + 72 * SECOND);
	assert_int_equal(sync_due_ms(&s), START + 72 * SECOND + SYNC_UP_MS);
}

/* qBittorrent may be starting, too. */
static void sync_takes_the_first_look_for_no_change(void **state)
{
	struct sync s = started(INTERVAL);
	(void)state;

	sync_file_port(&s, PORT, START);
	sync_tunnel_differs(&s, START);
	close_port(&s, START);
	assert_int_equal(sync_due_ms(&s), START + SECOND);
}

static void sync_repeats_a_rebind_that_came_too_soon_after_two_seconds(void **state)
{
	struct sync s = closed_soon();
	int64_t first_ms = START + SYNC_UP_MS + SYNC_CLOSED_SOON_MS;
	int64_t second_ms = first_ms + 2 * SECOND;
	(void)state;

	rebind(&s, first_ms, false);
	close_port(&s, first_ms + SECOND);
	assert_true(sync_is_doubtful(&s));
	assert_false(sync_may_rebind(&s, second_ms - 1));
	while (sync_due_ms(&s) < second_ms)
		close_port(&s, sync_due_ms(&s));
	assert_int_equal(sync_due_ms(&s), second_ms);
	rebind(&s, second_ms, false);
	assert_false(sync_is_doubtful(&s));
	/* Those were the two of a minute. */
	assert_false(sync_may_rebind(&s, second_ms + 2 * MINUTE - 1));
	assert_true(sync_may_rebind(&s, second_ms + 2 * MINUTE));
}

static void sync_does_not_repeat_soon_what_dropped_peers_or_was_not_too_soon(void **state)
{
	struct sync costly = closed_soon(), late = after_cycle(SYNC_CLOSED);
	(void)state;

	sync_rebound(&costly, true, START + SECOND);
	close_port(&costly, START + SECOND);
	assert_false(sync_is_doubtful(&costly));
	assert_false(sync_may_rebind(&costly, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&costly, START + 61 * SECOND));
	rebind(&late, START + SECOND, false);
	assert_false(sync_is_doubtful(&late));
	assert_false(sync_may_rebind(&late, START + 61 * SECOND - 1));
	assert_true(sync_may_rebind(&late, START + 61 * SECOND));
}

/* It helped, and the port was closed again. */
static void sync_does_not_repeat_soon_a_rebind_that_helped(void **state)
{
	struct sync s = closed_soon();
	(void)state;

	rebind(&s, START + SECOND, true);
	close_port(&s, START + 2 * SECOND);
	close_port(&s, START + 3 * SECOND);
	assert_false(sync_is_doubtful(&s));
	assert_false(sync_may_rebind(&s, START + 61 * SECOND - 1));
}

/* Ten reconnects in ten seconds, and then some. */
static void sync_rebinds_twice_in_a_minute_at_most_however_often_the_tunnel_changes(void **state)
{
	struct sync s = in_sync();
	int64_t at_ms[100] = { 0 };
	size_t count = 0;
	(void)state;

	for (int64_t now_ms = START; now_ms < START + 10 * MINUTE; now_ms += 100) {
		if (now_ms % 3000 == 0)
			tunnel_came(&s, now_ms);
		if (!sync_cycle_due(&s, now_ms))
			continue;
		if (sync_may_rebind(&s, now_ms)) {
			assert_true(count < 2 || now_ms - at_ms[count - 2] >= MINUTE);
			sync_rebound(&s, false, now_ms);
			at_ms[count++] = now_ms;
		}
		close_port(&s, now_ms);
	}
	assert_true(count >= 18);
}

/* ---- the network namespace ---- */

/* One that has lost everything but loopback at START. */
static struct sync alone(void)
{
	struct sync s = in_sync();

	sync_links_seen(&s, false, START);
	sync_links_seen(&s, true, START);
	return s;
}

static void sync_is_an_orphan_after_30_seconds_alone_and_not_before(void **state)
{
	struct sync s = alone();
	(void)state;

	assert_true(sync_is_alone(&s));
	assert_false(sync_is_orphan(&s, START + 30 * SECOND - 1));
	assert_true(sync_is_orphan(&s, START + 30 * SECOND));
	assert_int_equal(sync_due_ms(&s), START + 30 * SECOND);
}

static void sync_looks_when_an_orphan_is_one_whatever_the_interval(void **state)
{
	struct sync s = started(HOUR);
	(void)state;

	sync_file_port(&s, PORT, START);
	sync_links_seen(&s, false, START);
	sync_links_seen(&s, true, START);
	sync_cycle_ended(&s, SYNC_PROVED, START);
	assert_int_equal(sync_due_ms(&s), START + 30 * SECOND);
	assert_true(sync_cycle_due(&s, START + 30 * SECOND));
}

static void sync_counts_from_when_it_was_seen_first(void **state)
{
	struct sync s = alone();
	(void)state;

	for (int64_t ms = 0; ms < 30 * SECOND; ms += SECOND)
		sync_links_seen(&s, true, START + ms);
	assert_true(sync_is_orphan(&s, START + 30 * SECOND));
}

static void sync_is_no_orphan_where_there_never_was_more(void **state)
{
	struct sync s = in_sync();
	(void)state;

	sync_links_seen(&s, true, START);
	sync_links_seen(&s, true, START + HOUR);
	assert_false(sync_is_alone(&s));
	assert_false(sync_is_orphan(&s, START + 24 * HOUR));
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
}

static void sync_is_no_orphan_any_more_when_something_is_back(void **state)
{
	struct sync s = alone();
	(void)state;

	sync_links_seen(&s, false, START + 29 * SECOND);
	assert_false(sync_is_alone(&s));
	assert_false(sync_is_orphan(&s, START + HOUR));
	assert_int_equal(sync_due_ms(&s), START + INTERVAL);
	sync_links_seen(&s, true, START + MINUTE);
	assert_false(sync_is_orphan(&s, START + 90 * SECOND - 1));
	assert_true(sync_is_orphan(&s, START + 90 * SECOND));
}

/* A VPN that is only stopped takes its port with it. */
static void sync_is_no_orphan_without_a_port(void **state)
{
	struct sync empty = alone(), bad = alone();
	(void)state;

	sync_file_empty(&empty, START + SECOND);
	sync_file_empty(&empty, START + 2 * SECOND);
	assert_true(sync_is_alone(&empty));
	assert_false(sync_is_orphan(&empty, START + HOUR));
	sync_file_port(&empty, PORT, START + MINUTE);
	assert_false(sync_is_orphan(&empty, START + 90 * SECOND - 1));
	assert_true(sync_is_orphan(&empty, START + 90 * SECOND));
	sync_file_bad(&bad, START + SECOND);
	assert_false(sync_is_orphan(&bad, START + HOUR));
	sync_file_port(&bad, OTHER_PORT, START + MINUTE);
	assert_true(sync_is_orphan(&bad, START + 90 * SECOND));
}

static void sync_is_an_orphan_whichever_port_is_forwarded(void **state)
{
	struct sync s = alone();
	(void)state;

	sync_file_port(&s, OTHER_PORT, START + 20 * SECOND);
	assert_true(sync_is_orphan(&s, START + 30 * SECOND));
}

/* ---- what holds whatever happens ---- */

enum world_file { WORLD_UNREAD, WORLD_PORT, WORLD_EMPTY, WORLD_BAD };

/* The machine, and beside it what the world has been like, kept in another way. */
struct world {
	struct sync s;
	int64_t now_ms;
	enum world_file file; /* as it reads now */
	uint16_t file_port;
	uint16_t last_port; /* in the file, whatever came after */
	int64_t no_port_since_ms;
	bool cycled;
	bool proved;           /* the last cycle */
	uint16_t proved_port;  /* what was wanted at its end */
	int64_t closed_ms;     /* when the closed port counts; MONO_NEVER: it is open */
	int64_t rebound_ms[2]; /* the last rebind, and the one before it */
	int64_t changed_ms;    /* the tunnel's last change after that */
	bool lo_only;          /* as it is now */
	bool had_company;      /* as it was seen */
	bool seen_alone;
	int64_t lost_ms; /* since when it has been seen alone, with a port; MONO_NEVER: not */
	bool over;       /* an orphan's process has ended */
};

enum step {
	STEP_PORT,
	STEP_OTHER_PORT,
	STEP_EMPTY,
	STEP_BAD,
	STEP_MODIFIED,
	STEP_WRITTEN,
	STEP_RELOAD,
	STEP_LINKS,
	STEP_ALONE,
	STEP_COMPANY,
	STEP_CYCLE_AT,
	STEP_PROVED, /* this and those below: at the due time */
	STEP_FAILED,
	STEP_CLOSED, /* and a rebind in vain, where one may be */
	STEP_SHUT_OUT,
	STEP_SECOND, /* time passes, and more than a loop would let pass */
	STEP_TEN_MINUTES,
	STEPS
};

static void set_file(struct world *w, enum world_file file, uint16_t port)
{
	if (file == WORLD_PORT)
		w->last_port = port;
	else if (w->file == WORLD_PORT)
		w->no_port_since_ms = w->now_ms;
	w->file = file;
	w->file_port = port;
}

static void note_loss(struct world *w)
{
	if (!w->seen_alone || sync_port(&w->s) == 0)
		w->lost_ms = MONO_NEVER;
	else if (w->lost_ms == MONO_NEVER)
		w->lost_ms = w->now_ms;
}

static void read_file(struct world *w)
{
	uint16_t before = sync_port(&w->s);

	switch (w->file) {
	case WORLD_UNREAD:
	case WORLD_EMPTY:
		w->file = WORLD_EMPTY;
		sync_file_empty(&w->s, w->now_ms);
		break;
	case WORLD_PORT:
		sync_file_port(&w->s, w->file_port, w->now_ms);
		break;
	case WORLD_BAD:
		sync_file_bad(&w->s, w->now_ms);
		break;
	}
	if (sync_port(&w->s) != before)
		w->closed_ms = MONO_NEVER;
	note_loss(w);
}

/* Time passes. The file is read when that is due; a cycle waits for its own step. */
static void pass(struct world *w, int64_t ms)
{
	int64_t until_ms = w->now_ms + ms;

	for (;;) {
		int64_t read_ms = mono_earlier(w->s.empty_at_ms, w->s.look_at_ms);

		if (read_ms > until_ms)
			break;
		w->now_ms = read_ms > w->now_ms ? read_ms : w->now_ms;
		read_file(w);
	}
	w->now_ms = until_ms;
}

/* What every cycle begins with. */
static void look_around(struct world *w)
{
	w->had_company |= !w->lo_only;
	w->seen_alone = w->lo_only && w->had_company;
	sync_links_seen(&w->s, w->lo_only, w->now_ms);
	note_loss(w);
	w->over = sync_is_orphan(&w->s, w->now_ms);
}

static void rebind_if_allowed(struct world *w)
{
	if (!sync_may_rebind(&w->s, w->now_ms))
		return;
	assert_true(w->now_ms >= w->closed_ms);
	assert_true(w->now_ms - w->rebound_ms[1] >= MINUTE);
	w->rebound_ms[1] = w->rebound_ms[0];
	w->rebound_ms[0] = w->now_ms;
	w->changed_ms = -HOUR;
	sync_rebound(&w->s, false, w->now_ms);
}

static void cycle(struct world *w, enum sync_outcome outcome)
{
	if (sync_due_ms(&w->s) > w->now_ms)
		pass(w, sync_due_ms(&w->s) - w->now_ms);
	read_file(w);
	if (!sync_cycle_due(&w->s, w->now_ms))
		return;
	look_around(w);
	if (w->over)
		return;
	/* Without a port nothing is probed. */
	if (outcome == SYNC_CLOSED && sync_port(&w->s) == 0)
		outcome = SYNC_PROVED;
	if (outcome == SYNC_CLOSED)
		rebind_if_allowed(w);
	if (outcome != SYNC_CLOSED)
		w->closed_ms = MONO_NEVER;
	else if (w->closed_ms == MONO_NEVER)
		w->closed_ms = w->now_ms + (w->now_ms - w->changed_ms < MINUTE &&
		                                            w->now_ms - w->rebound_ms[0] >= MINUTE
		                                    ? SYNC_CLOSED_SOON_MS
		                                    : SECOND);
	sync_cycle_ended(&w->s, outcome, w->now_ms);
	w->cycled = true;
	w->proved = outcome == SYNC_PROVED;
	w->proved_port = sync_port(&w->s);
	/* A cycle that is over is not due again at once: that would be a loop without a rest. */
	assert_false(sync_cycle_due(&w->s, w->now_ms));
}

static void take_step(struct world *w, enum step step)
{
	if (w->over)
		return;
	switch (step) {
	case STEP_PORT:
	case STEP_OTHER_PORT:
		set_file(w, WORLD_PORT, step == STEP_PORT ? PORT : OTHER_PORT);
		read_file(w);
		break;
	case STEP_EMPTY:
		set_file(w, WORLD_EMPTY, 0);
		read_file(w);
		break;
	case STEP_BAD:
		set_file(w, WORLD_BAD, 0);
		read_file(w);
		break;
	case STEP_WRITTEN:
		read_file(w);
		sync_file_written(&w->s, w->now_ms);
		break;
	case STEP_MODIFIED:
		sync_file_modified(&w->s, w->now_ms);
		break;
	case STEP_RELOAD:
		sync_cycle_at(&w->s, w->now_ms);
		assert_true(sync_cycle_due(&w->s, w->now_ms));
		break;
	case STEP_LINKS:
	case STEP_ALONE:
	case STEP_COMPANY:
		if (step != STEP_LINKS)
			w->lo_only = step == STEP_ALONE;
		w->changed_ms = w->cycled ? w->now_ms : -HOUR;
		if (w->lo_only)
			links_changed(&w->s, w->now_ms);
		else
			tunnel_came(&w->s, w->now_ms);
		break;
	case STEP_CYCLE_AT:
		sync_cycle_at(&w->s, w->now_ms + 2 * SECOND);
		break;
	case STEP_PROVED:
		cycle(w, SYNC_PROVED);
		break;
	case STEP_FAILED:
		cycle(w, SYNC_FAILED);
		break;
	case STEP_CLOSED:
		cycle(w, SYNC_CLOSED);
		break;
	case STEP_SHUT_OUT:
		cycle(w, SYNC_SHUT_OUT);
		break;
	case STEP_SECOND:
		pass(w, SECOND);
		break;
	case STEP_TEN_MINUTES:
		pass(w, 10 * MINUTE);
		break;
	case STEPS:
		break;
	}
}

static void assert_sound(const struct world *w)
{
	const struct sync *s = &w->s;
	uint16_t port = sync_port(s);
	bool healthy = sync_healthy(s, w->now_ms);
	enum sync_state verdict = sync_state(s);

	/* What is wanted is what the file holds or, while it only looks empty, held. */
	assert_true(port == 0 || port == w->last_port);
	assert_true(w->file != WORLD_PORT || port == w->file_port);
	assert_true(w->file != WORLD_BAD || port == 0);
	/* Never out of the loop's sight. */
	assert_true(sync_due_ms(s) <= w->now_ms + s->interval_ms);
	/* An orphan after 30 s, and nobody else. */
	assert_true(sync_is_alone(s) == w->seen_alone);
	assert_true(sync_is_orphan(s, w->now_ms) ==
	            (w->lost_ms != MONO_NEVER && w->now_ms - w->lost_ms >= 30 * SECOND));
	/* Healthy only on proof: of this port, or that there is none, for no longer than the grace. */
	assert_true(!healthy || (w->cycled && w->proved));
	assert_true(!healthy || port == 0 || w->proved_port == port);
	assert_true(!healthy || w->file != WORLD_BAD);
	if (healthy && port == 0 && s->file == SYNC_FILE_EMPTY)
		assert_true(w->now_ms - w->no_port_since_ms <= s->grace_ms + SYNC_SETTLE_MS);
	/* And then at all times: what is well is not called ill. */
	if (w->cycled && w->proved && w->file == WORLD_PORT && w->proved_port == port &&
	    s->outcome != SYNC_PENDING)
		assert_true(healthy);
	/* The verdict and the state agree. */
	assert_true(!healthy || verdict == SYNC_IN_SYNC || verdict == SYNC_WAITING_FOR_PORT);
	assert_true(verdict != SYNC_IN_SYNC || (healthy && port != 0));
	assert_true(verdict != SYNC_STARTING || !w->cycled);
	assert_true(w->file != WORLD_BAD || verdict == SYNC_ERROR);
}

static struct world new_world(int64_t interval_ms, int64_t grace_ms, uint32_t seed)
{
	return (struct world){
		.s = sync_start(interval_ms, grace_ms, seed, START),
		.now_ms = START,
		.no_port_since_ms = START,
		.closed_ms = MONO_NEVER,
		.rebound_ms = { START - MINUTE, START - MINUTE },
		.changed_ms = -HOUR,
		.lost_ms = MONO_NEVER,
	};
}

/* As deep as the ways are long. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void walk_all(const struct world *from, int depth)
{
	for (int step = 0; step < STEPS; step++) {
		struct world w = *from;

		take_step(&w, (enum step)step);
		assert_sound(&w);
		if (depth > 1)
			walk_all(&w, depth - 1);
	}
}

static void sync_holds_its_promises_on_every_short_way(void **state)
{
	struct world w = new_world(INTERVAL, GRACE, 1);
	(void)state;

	walk_all(&w, 5);
}

static void sync_holds_its_promises_on_every_short_way_from_in_sync(void **state)
{
	struct world w = new_world(INTERVAL, GRACE, 1);
	(void)state;

	take_step(&w, STEP_PORT);
	take_step(&w, STEP_PROVED);
	assert_sound(&w);
	walk_all(&w, 5);
}

/* Knuth's MMIX generator: the same ways in each run. */
static uint32_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*random >> 33);
}

static void sync_holds_its_promises_on_long_random_ways(void **state)
{
	static const int64_t intervals_ms[] = { SECOND, 5 * SECOND, INTERVAL, HOUR, 24 * HOUR };
	static const int64_t graces_ms[] = { 0, SECOND, GRACE, 24 * HOUR };
	(void)state;

	for (uint32_t seed = 0; seed < 1000; seed++) {
		uint64_t random = seed;
		struct world w = new_world(intervals_ms[seed % 5], graces_ms[seed / 5 % 4], seed);

		for (int i = 0; i < 1000; i++) {
			pass(&w, next_random(&random) % 700);
			take_step(&w, (enum step)(next_random(&random) % STEPS));
			assert_sound(&w);
		}
	}
}

/* Left alone, with cycles that all end in one way: no loop without a rest, and no end of it. */
static void assert_calm(struct world w, enum step step)
{
	int64_t until_ms = w.now_ms + 10 * MINUTE;
	int64_t retry_ms = mono_earlier(w.s.interval_ms, SECOND) * 7 / 8;
	int cycles = 0, hasty = 0;

	while (w.now_ms < until_ms && !w.over) {
		int64_t before_ms = w.now_ms;

		take_step(&w, step);
		assert_sound(&w);
		cycles += w.now_ms > before_ms;
		hasty += w.now_ms - before_ms < 300;
	}
	assert_true(cycles <= 10 * MINUTE / retry_ms + 10);
	/* What was due from before, the second of a closed port, the rebinds and the grace. */
	assert_true(hasty <= 12);
}

static void sync_comes_to_rest_after_any_random_way(void **state)
{
	static const int64_t intervals_ms[] = { SECOND, 5 * SECOND, INTERVAL, HOUR };
	static const enum step ends[] = { STEP_PROVED, STEP_FAILED, STEP_CLOSED, STEP_SHUT_OUT };
	(void)state;

	for (uint32_t seed = 0; seed < 2000; seed++) {
		uint64_t random = seed;
		struct world w = new_world(intervals_ms[seed % 4], GRACE, seed);

		for (int i = 0; i < 30; i++) {
			pass(&w, next_random(&random) % 700);
			take_step(&w, (enum step)(next_random(&random) % STEP_SECOND));
		}
		for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
			assert_calm(w, ends[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sync_starts_with_a_cycle_at_once),
		cmocka_unit_test(sync_acts_on_a_new_port_at_once),
		cmocka_unit_test(sync_tells_news_from_the_same_port),
		cmocka_unit_test(sync_looks_again_after_one_interval),
		cmocka_unit_test(sync_wants_the_port_of_the_file),
		cmocka_unit_test(sync_lets_a_rewrite_of_the_same_port_settle_for_a_second),
		cmocka_unit_test(sync_does_not_put_off_a_cycle_for_more_rewrites),
		cmocka_unit_test(sync_does_not_put_off_an_earlier_cycle_for_a_rewrite),
		cmocka_unit_test(sync_does_not_let_a_new_port_settle),
		cmocka_unit_test(sync_reads_a_file_being_written_a_second_later_without_a_cycle),
		cmocka_unit_test(sync_does_not_put_off_the_reading_for_more_writing),
		cmocka_unit_test(sync_need_not_read_again_what_was_read_meanwhile),
		cmocka_unit_test(sync_retries_after_1_2_4_to_60_seconds),
		cmocka_unit_test(sync_retries_no_later_than_the_interval),
		cmocka_unit_test(sync_retries_every_second_at_an_interval_of_one),
		cmocka_unit_test(sync_keeps_the_pause_after_very_many_failures),
		cmocka_unit_test(sync_spreads_the_retries_of_many_sidecars),
		cmocka_unit_test(sync_starts_the_pauses_anew_after_a_success),
		cmocka_unit_test(sync_keeps_the_port_while_its_source_is_silent),
		cmocka_unit_test(sync_is_retrying_while_the_first_answer_is_awaited),
		cmocka_unit_test(sync_forgets_an_emptiness_that_was_not_confirmed),
		cmocka_unit_test(sync_is_no_longer_in_error_when_the_bad_file_does_not_count),
		cmocka_unit_test(sync_tries_each_second_while_the_web_ui_refuses_here),
		cmocka_unit_test(sync_reads_the_source_again_without_a_cycle),
		cmocka_unit_test(sync_counts_failures_in_a_row),
		cmocka_unit_test(sync_goes_on_at_the_interval_while_it_is_shut_out),
		cmocka_unit_test(sync_lets_an_empty_file_settle_for_a_second),
		cmocka_unit_test(sync_reads_a_settling_file_again_without_a_cycle),
		cmocka_unit_test(sync_overlooks_the_instant_between_truncate_and_write),
		cmocka_unit_test(sync_times_each_emptiness_by_itself),
		cmocka_unit_test(sync_cycles_once_no_port_is_certain),
		cmocka_unit_test(sync_waits_for_certainty_before_the_first_cycle),
		cmocka_unit_test(sync_asks_qbittorrent_at_the_interval_without_a_port),
		cmocka_unit_test(sync_acts_on_a_port_after_none_at_once),
		cmocka_unit_test(sync_treats_the_same_port_after_none_as_news),
		cmocka_unit_test(sync_is_not_healthy_before_the_first_cycle),
		cmocka_unit_test(sync_is_healthy_when_the_port_is_proved),
		cmocka_unit_test(sync_is_not_healthy_on_the_proof_of_another_port),
		cmocka_unit_test(sync_is_not_healthy_on_the_old_proof_of_a_port_that_came_back),
		cmocka_unit_test(sync_is_retrying_and_unhealthy_after_a_failure),
		cmocka_unit_test(sync_is_in_error_while_it_is_shut_out),
		cmocka_unit_test(sync_is_in_error_while_the_file_is_bad),
		cmocka_unit_test(sync_is_in_error_with_a_bad_file_before_the_first_cycle),
		cmocka_unit_test(sync_stays_in_error_with_a_bad_file_whatever_qbittorrent_says),
		cmocka_unit_test(sync_does_not_cycle_anew_each_time_a_bad_file_is_read),
		cmocka_unit_test(sync_recovers_from_a_bad_file_with_the_same_port),
		cmocka_unit_test(sync_does_not_take_a_bad_file_for_an_empty_one),
		cmocka_unit_test(sync_is_not_healthy_without_a_bad_file_before_the_next_cycle),
		cmocka_unit_test(sync_waits_in_health_for_a_port_within_the_grace),
		cmocka_unit_test(sync_is_unhealthy_without_a_port_after_the_grace),
		cmocka_unit_test(sync_counts_the_grace_from_when_the_port_went),
		cmocka_unit_test(sync_counts_the_grace_on_through_a_bad_file),
		cmocka_unit_test(sync_looks_as_soon_as_the_grace_is_over),
		cmocka_unit_test(sync_looks_at_the_interval_after_the_grace),
		cmocka_unit_test(sync_has_no_grace_where_it_is_0),
		cmocka_unit_test(sync_is_not_healthy_within_the_grace_without_qbittorrent),
		cmocka_unit_test(sync_is_healthy_again_after_a_failure),
		cmocka_unit_test(sync_lets_changes_of_the_tunnel_settle_from_the_last),
		cmocka_unit_test(sync_cycles_once_for_many_changes_of_the_tunnel),
		cmocka_unit_test(sync_cycles_at_the_interval_however_often_the_tunnel_changes),
		cmocka_unit_test(sync_keeps_a_change_that_has_not_settled_when_a_cycle_ends),
		cmocka_unit_test(sync_has_a_cycle_when_it_is_asked_for),
		cmocka_unit_test(sync_has_a_cycle_when_it_is_asked_for_whatever_else_is_due),
		cmocka_unit_test(sync_is_retrying_and_unhealthy_while_the_port_is_closed),
		cmocka_unit_test(sync_rebinds_only_a_port_that_is_closed),
		cmocka_unit_test(sync_rebinds_a_port_closed_twice_a_second_apart),
		cmocka_unit_test(sync_rebinds_no_sooner_for_more_cycles),
		cmocka_unit_test(sync_counts_the_second_anew_after_any_other_end_of_a_cycle),
		cmocka_unit_test(sync_counts_the_second_anew_for_another_port),
		cmocka_unit_test(sync_rebinds_in_vain_every_two_minutes_while_nothing_is_lost),
		cmocka_unit_test(
			sync_doubles_the_pause_between_rebinds_that_drop_peers_up_to_half_an_hour),
		cmocka_unit_test(sync_retries_a_closed_port_that_nobody_rebinds_as_other_failures),
		cmocka_unit_test(sync_rebinds_no_sooner_for_what_is_only_heard),
		cmocka_unit_test(sync_keeps_the_longest_pause_after_very_many_rebinds),
		cmocka_unit_test(sync_pauses_a_minute_after_a_rebind_that_helped),
		cmocka_unit_test(sync_forgets_rebinds_in_vain_once_the_port_is_open),
		cmocka_unit_test(sync_forgets_rebinds_in_vain_when_the_tunnel_changes),
		cmocka_unit_test(sync_rebinds_once_more_when_the_tunnel_has_changed),
		cmocka_unit_test(
			sync_rebinds_once_more_when_the_tunnel_changed_in_the_middle_of_one),
		cmocka_unit_test(
			sync_has_no_rebind_to_spare_where_the_tunnel_changed_before_the_last),
		cmocka_unit_test(sync_checks_soon_when_the_tunnel_has_come),
		cmocka_unit_test(sync_checks_soon_once_a_minute),
		cmocka_unit_test(
			sync_checks_twice_where_a_tunnel_comes_forty_times_in_four_seconds),
		cmocka_unit_test(sync_rebinds_soon_when_the_tunnel_has_come),
		cmocka_unit_test(sync_rebinds_soon_a_port_that_comes_within_a_minute_of_the_tunnel),
		cmocka_unit_test(sync_lets_a_tunnel_that_went_settle_for_a_second),
		cmocka_unit_test(sync_takes_its_time_within_a_minute_of_a_rebind),
		cmocka_unit_test(sync_takes_the_first_look_for_no_change),
		cmocka_unit_test(sync_repeats_a_rebind_that_came_too_soon_after_two_seconds),
		cmocka_unit_test(sync_does_not_repeat_soon_what_dropped_peers_or_was_not_too_soon),
		cmocka_unit_test(sync_does_not_repeat_soon_a_rebind_that_helped),
		cmocka_unit_test(
			sync_rebinds_twice_in_a_minute_at_most_however_often_the_tunnel_changes),
		cmocka_unit_test(sync_is_an_orphan_after_30_seconds_alone_and_not_before),
		cmocka_unit_test(sync_looks_when_an_orphan_is_one_whatever_the_interval),
		cmocka_unit_test(sync_counts_from_when_it_was_seen_first),
		cmocka_unit_test(sync_is_no_orphan_where_there_never_was_more),
		cmocka_unit_test(sync_is_no_orphan_any_more_when_something_is_back),
		cmocka_unit_test(sync_is_no_orphan_without_a_port),
		cmocka_unit_test(sync_is_an_orphan_whichever_port_is_forwarded),
		cmocka_unit_test(sync_holds_its_promises_on_every_short_way),
		cmocka_unit_test(sync_holds_its_promises_on_every_short_way_from_in_sync),
		cmocka_unit_test(sync_holds_its_promises_on_long_random_ways),
		cmocka_unit_test(sync_comes_to_rest_after_any_random_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
