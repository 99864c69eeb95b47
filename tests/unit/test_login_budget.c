#include "core/login_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define MINUTE 60
#define HOUR (60 * MINUTE)
/* Any moment. */
#define START 1796000000

static const unsigned char P[LOGIN_ID_LEN] = "the pair";
static const unsigned char OTHERS[][LOGIN_ID_LEN] = { "another", "a third", "a fourth",
	                                              "a fifth", "a sixth", "a seventh" };
static const unsigned char A[LOGIN_ID_LEN] = "process a";
static const unsigned char B[LOGIN_ID_LEN] = "process b";

static struct login_budget budget;

static int fresh(void **state)
{
	(void)state;
	budget = (struct login_budget){ 0 };
	return 0;
}

static bool may(const unsigned char *id, int64_t now_s)
{
	return now_s >= login_budget_next_s(&budget, id);
}

/* Sends a login that must be allowed. */
static void log_in(const unsigned char *id, enum qbittorrent_login verdict, int64_t now_s)
{
	assert_true(may(id, now_s));
	login_budget_attempt(&budget, id, now_s);
	login_budget_verdict(&budget, id, verdict);
}

static void accept_long_ago(void)
{
	log_in(P, QBITTORRENT_LOGIN_ACCEPTED, START - 10 * HOUR);
}

static void login_is_allowed_at_first(void **state)
{
	(void)state;
	assert_true(may(P, 0));
	assert_int_equal(login_budget_state(&budget, P), LOGIN_IN_ORDER);
	assert_false(login_budget_wants_server(&budget));
}

static void login_that_was_rejected_is_tried_once_more_after_ten_minutes(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	assert_int_equal(login_budget_state(&budget, P), LOGIN_WAS_REJECTED);
	assert_int_equal(login_budget_next_s(&budget, P), START + 10 * MINUTE);
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START + 10 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
	assert_false(login_budget_is_spent(&budget));
}

static void login_with_changed_credentials_is_allowed_at_once(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START + 1);
	assert_int_equal(login_budget_next_s(&budget, P), START + 10 * MINUTE);
}

/* Two logins of one pair, then one for each correction. The last is for a person. */
static void login_with_any_credentials_ends_with_the_fourth_failure(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START + 10 * MINUTE);
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START + 11 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, OTHERS[0]), LOGIN_NEVER);
	log_in(OTHERS[1], QBITTORRENT_LOGIN_REJECTED, START + 12 * MINUTE);
	assert_true(login_budget_is_spent(&budget));
	for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
		assert_int_equal(login_budget_next_s(&budget, OTHERS[i]), LOGIN_NEVER);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
	assert_int_equal(login_budget_state(&budget, OTHERS[5]), LOGIN_HELD_BACK);
}

static void login_counts_as_failed_from_before_it_is_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < LOGIN_FAILED_MAX; i++)
		login_budget_attempt(&budget, OTHERS[i], START);
	assert_true(login_budget_is_spent(&budget));
}

static void login_without_an_answer_is_repeated_at_once_then_after_longer_pauses(void **state)
{
	static const int64_t pauses[] = { 0, 1, 2, 4, 8, 10, 10, 10, 10, 10 };
	int64_t now_s = START;
	(void)state;

	accept_long_ago();
	for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, now_s);
		assert_int_equal(login_budget_next_s(&budget, P), now_s + pauses[i] * MINUTE);
		now_s += pauses[i] * MINUTE;
	}
}

static void login_accepted_before_is_never_given_up_for_want_of_an_answer(void **state)
{
	(void)state;
	accept_long_ago();
	for (int i = 0; i < 1000; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	assert_int_equal(login_budget_state(&budget, P), LOGIN_HELD_BACK);
	assert_int_equal(budget.pairs[0].unanswered, LOGIN_UNANSWERED_MAX);
}

/* These logins may have failed, so nothing is left for a typing error. */
static void login_accepted_before_counts_its_unanswered_ones_against_others(void **state)
{
	(void)state;
	accept_long_ago();
	for (int i = 0; i < LOGIN_FAILED_MAX; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, OTHERS[0]), LOGIN_NEVER);
}

static void login_accepted_before_is_held_to_the_budget_once_it_is_rejected(void **state)
{
	(void)state;
	accept_long_ago();
	for (int i = 0; i < 2; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START + HOUR);
	assert_int_equal(budget.failed, 3);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START + HOUR);
	assert_true(login_budget_is_spent(&budget));
}

static void login_accepted_before_is_held_to_the_budget_where_others_have_failed(void **state)
{
	(void)state;
	accept_long_ago();
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START);
	for (int i = 1; i <= 3; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
}

static void login_never_accepted_has_four_without_an_answer(void **state)
{
	(void)state;
	for (int i = 0; i < LOGIN_FAILED_MAX; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
	assert_true(login_budget_is_spent(&budget));
}

static void login_that_is_accepted_clears_all(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	log_in(OTHERS[0], QBITTORRENT_LOGIN_UNANSWERED, START);
	log_in(OTHERS[1], QBITTORRENT_LOGIN_ACCEPTED, START);
	assert_int_equal(budget.failed, 0);
	assert_false(login_budget_wants_server(&budget));
	assert_true(may(P, START));
	assert_int_equal(login_budget_state(&budget, OTHERS[1]), LOGIN_IN_ORDER);
}

/* qBittorrent has one user and one password: the pair accepted before is wrong now. */
static void login_that_is_accepted_leaves_no_other_pair_accepted(void **state)
{
	(void)state;
	accept_long_ago();
	log_in(OTHERS[0], QBITTORRENT_LOGIN_ACCEPTED, START);
	for (int i = 0; i < LOGIN_FAILED_MAX; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
	assert_int_equal(login_budget_next_s(&budget, P), LOGIN_NEVER);
}

/* qBittorrent does not count logins from a banned address. */
static void login_while_banned_is_tried_every_ten_minutes_and_not_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		log_in(P, QBITTORRENT_LOGIN_BANNED, START + i * 10 * MINUTE);
		assert_int_equal(login_budget_state(&budget, P), LOGIN_WAS_BANNED);
		assert_false(may(P, START + (i + 1) * 10 * MINUTE - 1));
		assert_int_equal(budget.failed, 0);
	}
}

static void login_budget_is_cleared_by_a_person(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START + 10 * MINUTE);
	login_budget_clear(&budget);
	assert_true(may(P, START + 10 * MINUTE));
	assert_int_equal(login_budget_state(&budget, P), LOGIN_IN_ORDER);
	assert_false(login_budget_wants_server(&budget));
}

static void login_budget_remembers_what_was_accepted_when_it_is_cleared(void **state)
{
	(void)state;
	accept_long_ago();
	log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START);
	login_budget_clear(&budget);
	for (int i = 0; i < 10; i++)
		log_in(P, QBITTORRENT_LOGIN_UNANSWERED, START + i * 10 * MINUTE);
}

static void login_budget_is_cleared_by_a_restart_that_is_seen(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	assert_false(login_budget_server(&budget, A));
	assert_false(login_budget_server(&budget, A));
	assert_false(may(P, START + 1));
	assert_true(login_budget_server(&budget, B));
	assert_true(may(P, START + 1));
	assert_false(login_budget_server(&budget, B));
}

/* qBittorrent may have restarted between the reading of its id and the login: then the new one
 * counted it. */
static void login_budget_takes_no_restart_from_a_look_before_the_last_login(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	(void)login_budget_server(&budget, A);
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START);
	assert_false(login_budget_server(&budget, B));
	assert_int_equal(budget.failed, 2);
}

static void login_pause_is_no_longer_than_itself_where_the_clock_was_set_back(void **state)
{
	(void)state;
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	assert_true(login_budget_clock(&budget, 0));
	assert_false(may(P, 10 * MINUTE - 1));
	assert_true(may(P, 10 * MINUTE));
	assert_false(login_budget_clock(&budget, 10 * MINUTE));
}

static void login_count_does_not_depend_on_the_clock(void **state)
{
	static const int64_t times[] = { START, 0, START + 1000 * HOUR, 1, START };
	unsigned sent = 0;
	(void)state;

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
		for (int64_t now_s = times[i]; now_s < times[i] + 24 * HOUR; now_s += 30) {
			(void)login_budget_clock(&budget, now_s);
			if (!may(P, now_s))
				continue;
			log_in(P, QBITTORRENT_LOGIN_REJECTED, now_s);
			sent++;
		}
	assert_int_equal(sent, LOGIN_REJECTED_MAX);
}

/* More pairs than fit: only possible during a ban, when nothing is counted. */
static void login_budget_forgets_the_oldest_pair_but_no_count_and_not_the_accepted_one(void **state)
{
	(void)state;
	accept_long_ago();
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START);
	for (size_t i = 1; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
		log_in(OTHERS[i], QBITTORRENT_LOGIN_BANNED, START + (int)i);
	assert_int_equal(budget.count, LOGIN_PAIRS_MAX);
	assert_false(login_budget_knows(&budget, OTHERS[0]));
	assert_int_equal(budget.failed, 1);
	assert_true(login_budget_knows(&budget, P));
	assert_true(login_budget_knows(&budget, OTHERS[5]));
}

static void login_verdict_on_an_unknown_pair_is_none(void **state)
{
	(void)state;
	login_budget_verdict(&budget, P, QBITTORRENT_LOGIN_ACCEPTED);
	assert_int_equal(budget.count, 0);
}

/* Process A counts four, and then seems to restart. */
static void spend_and_restart(void)
{
	for (int i = 0; i < LOGIN_FAILED_MAX; i++)
		log_in(OTHERS[i], QBITTORRENT_LOGIN_REJECTED, START);
	assert_false(login_budget_server(&budget, A));
	assert_true(login_budget_server(&budget, B));
	assert_true(may(P, START));
}

static void server_that_comes_back_was_not_restarted(void **state)
{
	(void)state;
	spend_and_restart();
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START);
	assert_false(login_budget_server(&budget, A));
	assert_true(login_budget_is_spent(&budget));
	/* From now on no restart is inferred. */
	assert_false(login_budget_wants_server(&budget));
	assert_false(login_budget_is_new_server(&budget, B));
	assert_false(login_budget_server(&budget, B));
	assert_true(login_budget_is_spent(&budget));
	login_budget_clear(&budget);
	assert_true(may(P, START));
	assert_false(login_budget_wants_server(&budget));
}

static void server_that_comes_back_after_an_accepted_login_has_its_count(void **state)
{
	(void)state;
	spend_and_restart();
	log_in(P, QBITTORRENT_LOGIN_ACCEPTED, START);
	assert_true(login_budget_wants_server(&budget));
	assert_false(login_budget_server(&budget, A));
	assert_true(login_budget_is_spent(&budget));
	assert_false(may(P, START + HOUR));
}

static void accepted_login_does_not_clear_the_count_of_several_servers(void **state)
{
	(void)state;
	log_in(OTHERS[0], QBITTORRENT_LOGIN_REJECTED, START);
	log_in(OTHERS[1], QBITTORRENT_LOGIN_REJECTED, START);
	login_budget_unsteady(&budget);
	log_in(P, QBITTORRENT_LOGIN_ACCEPTED, START);
	assert_int_equal(login_budget_state(&budget, P), LOGIN_IN_ORDER);
	assert_int_equal(budget.failed, 2);
	log_in(P, QBITTORRENT_LOGIN_REJECTED, START + HOUR);
	assert_int_equal(budget.failed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(login_is_allowed_at_first, fresh),
		cmocka_unit_test_setup(login_that_was_rejected_is_tried_once_more_after_ten_minutes,
		                       fresh),
		cmocka_unit_test_setup(login_with_changed_credentials_is_allowed_at_once, fresh),
		cmocka_unit_test_setup(login_with_any_credentials_ends_with_the_fourth_failure,
		                       fresh),
		cmocka_unit_test_setup(login_counts_as_failed_from_before_it_is_sent, fresh),
		cmocka_unit_test_setup(
			login_without_an_answer_is_repeated_at_once_then_after_longer_pauses,
			fresh),
		cmocka_unit_test_setup(
			login_accepted_before_is_never_given_up_for_want_of_an_answer, fresh),
		cmocka_unit_test_setup(
			login_accepted_before_counts_its_unanswered_ones_against_others, fresh),
		cmocka_unit_test_setup(
			login_accepted_before_is_held_to_the_budget_once_it_is_rejected, fresh),
		cmocka_unit_test_setup(
			login_accepted_before_is_held_to_the_budget_where_others_have_failed,
			fresh),
		cmocka_unit_test_setup(login_never_accepted_has_four_without_an_answer, fresh),
		cmocka_unit_test_setup(login_that_is_accepted_clears_all, fresh),
		cmocka_unit_test_setup(login_that_is_accepted_leaves_no_other_pair_accepted, fresh),
		cmocka_unit_test_setup(
			login_while_banned_is_tried_every_ten_minutes_and_not_counted, fresh),
		cmocka_unit_test_setup(login_budget_is_cleared_by_a_person, fresh),
		cmocka_unit_test_setup(login_budget_remembers_what_was_accepted_when_it_is_cleared,
		                       fresh),
		cmocka_unit_test_setup(login_budget_is_cleared_by_a_restart_that_is_seen, fresh),
		cmocka_unit_test_setup(
			login_budget_takes_no_restart_from_a_look_before_the_last_login, fresh),
		cmocka_unit_test_setup(
			login_pause_is_no_longer_than_itself_where_the_clock_was_set_back, fresh),
		cmocka_unit_test_setup(login_count_does_not_depend_on_the_clock, fresh),
		cmocka_unit_test_setup(
			login_budget_forgets_the_oldest_pair_but_no_count_and_not_the_accepted_one,
			fresh),
		cmocka_unit_test_setup(login_verdict_on_an_unknown_pair_is_none, fresh),
		cmocka_unit_test_setup(server_that_comes_back_was_not_restarted, fresh),
		cmocka_unit_test_setup(server_that_comes_back_after_an_accepted_login_has_its_count,
		                       fresh),
		cmocka_unit_test_setup(accepted_login_does_not_clear_the_count_of_several_servers,
		                       fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
