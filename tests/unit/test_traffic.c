#include "vpn/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

/* A tunnel that is looked at as the sidecar does it, and what it has counted. */
static struct traffic traffic;
static struct traffic_counts counts;
static int64_t now_ms;

static int begin(void **state)
{
	(void)state;
	traffic = (struct traffic){ 0 };
	counts = (struct traffic_counts){ .index = 7, .received = 44, .sent = 41 };
	now_ms = 1000 * 1000;
	traffic_see(&traffic, &counts, now_ms);
	return 0;
}

/* each: begin, NULL */

/* A look, `after_s` later, when it has sent and received so many more. */
static bool look(int64_t after_s, uint64_t sent, uint64_t received)
{
	now_ms += after_s * 1000;
	counts.sent += sent;
	counts.received += received;
	traffic_see(&traffic, &counts, now_ms);
	return traffic.one_way;
}

/* When a tunnel that sends one packet in `every_s` is called dead, looked at each `look_s`; 0: never. */
static int64_t dead_after_s(int64_t every_s, int64_t look_s, int64_t for_s)
{
	int64_t sent = 0;

	for (int64_t at_s = look_s; at_s <= for_s; at_s += look_s) {
		uint64_t more = (uint64_t)(at_s / every_s - sent);

		sent = at_s / every_s;
		if (look(look_s, more, 0))
			return at_s;
	}
	return 0;
}

static void traffic_that_only_leaves_is_one_way(void **state)
{
	(void)state;

	assert_false(look(30, 5, 0));
	assert_false(look(30, 5, 0));
	assert_true(look(30, 5, 0));
	assert_int_equal(traffic.unanswered, 15);
	assert_true(traffic.silent_at_ms == now_ms - 90 * 1000);
	/* As long as nothing comes, even when nothing leaves any more. */
	assert_true(look(3600, 0, 0));
}

/* What a real Gluetun's tun0 did, cut off from its server, with an idle qBittorrent: 30 packets sent in
 * 284 s, from 53 s on. Gluetun took 173 s. */
static void traffic_of_a_tunnel_that_is_cut_off_is_one_way_before_gluetun_sees_it(void **state)
{
	int64_t at_s = 30;
	uint64_t sent = 0;
	(void)state;

	for (; at_s < 284; at_s += 30) {
		uint64_t so_far = at_s < 53 ? 0 : (uint64_t)(at_s - 53) * 30 / 231;

		if (look(30, so_far - sent, 0))
			break;
		sent = so_far;
	}
	assert_true(at_s <= 173);
}

static void traffic_is_seen_as_one_way_however_often_it_is_looked_at(void **state)
{
	static const int64_t looks_s[] = { 1, 5, 10, 30, 60, 300, 3600 };
	(void)state;

	for (size_t i = 0; i < sizeof looks_s / sizeof looks_s[0]; i++) {
		int64_t seen_s;

		begin(NULL);
		seen_s = dead_after_s(5, looks_s[i], 3 * 3600);
		assert_true(seen_s >= 75);
		assert_true(seen_s <= 90 || seen_s == 2 * looks_s[i]);
	}
}

static void traffic_is_all_right_again_with_the_first_packet_received(void **state)
{
	(void)state;

	assert_int_equal(dead_after_s(5, 30, 90), 90);
	assert_false(look(1, 0, 1));
	assert_int_equal(traffic.unanswered, 0);
	assert_true(traffic.look_at_ms == MONO_NEVER);
	/* And the next time takes as long as the first. */
	assert_int_equal(dead_after_s(5, 30, 90), 90);
}

/* ---- no false alarm ---- */

static void traffic_of_an_idle_tunnel_is_all_right(void **state)
{
	(void)state;

	for (unsigned i = 0; i < 1000; i++)
		assert_false(look(30, 0, 0));
	assert_true(traffic.look_at_ms == MONO_NEVER);
}

static void traffic_that_only_comes_is_all_right(void **state)
{
	(void)state;

	for (unsigned i = 0; i < 1000; i++)
		assert_false(look(30, 0, 5));
}

static void traffic_both_ways_is_all_right(void **state)
{
	(void)state;

	for (unsigned i = 0; i < 1000; i++)
		assert_false(look(30, 1000, 1));
}

/* Gluetun asks something each minute, and a little: how else does the tunnel of one live whose peers
 * are all dead. */
static void traffic_with_an_answer_each_minute_is_all_right(void **state)
{
	static const int64_t looks_s[] = { 1, 5, 7, 10, 25, 30 };
	(void)state;

	for (size_t i = 0; i < sizeof looks_s / sizeof looks_s[0]; i++) {
		uint64_t received = 0;

		begin(NULL);
		for (int64_t at_s = looks_s[i]; at_s < 7200; at_s += looks_s[i]) {
			uint64_t so_far = (uint64_t)(at_s * 10 / 601);

			assert_false(look(looks_s[i], (uint64_t)looks_s[i], so_far - received));
			received = so_far;
		}
	}
}

/* The kernel's WireGuard counts them, and the other end need not answer for two minutes. */
static void traffic_of_keepalives_is_all_right(void **state)
{
	static const int64_t every_s[] = { 15, 20, 25 };
	static const int64_t looks_s[] = { 1, 5, 10, 30, 60, 300 };
	(void)state;

	for (size_t i = 0; i < sizeof every_s / sizeof every_s[0]; i++) {
		for (size_t k = 0; k < sizeof looks_s / sizeof looks_s[0]; k++) {
			begin(NULL);
			assert_int_equal(dead_after_s(every_s[i], looks_s[k], 7200), 0);
		}
	}
}

/* Measured on a tun device: after 0, 4, 14, 31 and 68 s, then twice as late each time (RFC 7559). */
static void traffic_of_router_solicitations_is_all_right(void **state)
{
	static const int64_t sent_at_s[] = { 0, 4, 14, 31, 68, 135, 270, 540, 1080, 2160 };
	size_t sent = 0;
	(void)state;

	for (int64_t at_s = 5; at_s < 3000; at_s += 5) {
		uint64_t more = 0;

		for (; sent < 10 && sent_at_s[sent] <= at_s; sent++)
			more++;
		assert_false(look(5, more, 0));
	}
}

/* Announces to trackers that are gone, for example. */
static void traffic_of_a_burst_without_an_answer_is_all_right(void **state)
{
	(void)state;

	for (unsigned i = 0; i < 100; i++) {
		assert_false(look(30, 50, 0));
		for (unsigned k = 0; k < 10; k++)
			assert_false(look(30, 0, 0));
	}
}

/* The answers to what was sent just now are on their way. */
static void traffic_that_has_just_begun_is_all_right(void **state)
{
	(void)state;

	assert_false(look(3600, 0, 0));
	assert_false(look(3600, 500, 0));
	assert_false(look(0, 500, 0));
	assert_false(look(1, 500, 0));
	assert_false(look(1, 500, 1));
}

/* ---- another interface ---- */

static void traffic_of_a_new_interface_begins_again(void **state)
{
	(void)state;

	assert_int_equal(dead_after_s(5, 30, 90), 90);
	counts = (struct traffic_counts){ .index = 8, .received = 44, .sent = 500 };
	assert_false(look(1, 0, 0));
	assert_int_equal(dead_after_s(5, 30, 90), 90);
}

static void traffic_that_is_counted_from_zero_begins_again(void **state)
{
	(void)state;

	assert_int_equal(dead_after_s(5, 30, 90), 90);
	counts.received = 0;
	assert_false(look(1, 0, 0));
	assert_int_equal(dead_after_s(5, 30, 90), 90);
	counts.sent = 0;
	assert_false(look(1, 0, 0));
	assert_int_equal(dead_after_s(5, 30, 90), 90);
}

static void traffic_of_no_interface_is_not_judged(void **state)
{
	(void)state;

	assert_int_equal(dead_after_s(5, 30, 90), 90);
	counts = (struct traffic_counts){ 0 };
	for (unsigned i = 0; i < 10; i++)
		assert_false(look(30, 0, 0));
	assert_true(traffic.look_at_ms == MONO_NEVER);
	traffic = (struct traffic){ 0 };
	assert_false(look(30, 0, 0));
	assert_true(traffic.look_at_ms == MONO_NEVER);
}

/* ---- when to look again ---- */

static void traffic_is_looked_at_sooner_while_it_is_in_doubt(void **state)
{
	(void)state;

	assert_true(traffic.look_at_ms == MONO_NEVER);
	look(300, 5, 0);
	assert_true(traffic.look_at_ms == now_ms + TRAFFIC_DOUBT_MS);
	look(30, 5, 0);
	assert_true(traffic.look_at_ms == now_ms + TRAFFIC_DOUBT_MS);
	look(30, 0, 1);
	assert_true(traffic.look_at_ms == MONO_NEVER);
	assert_int_equal(dead_after_s(5, 30, 90), 90);
	assert_true(traffic.look_at_ms == now_ms + TRAFFIC_DEAD_MS);
}

/* A few packets without an answer, and then quiet: no wake-ups for ever. */
static void traffic_is_no_longer_in_doubt_when_nothing_more_is_sent(void **state)
{
	(void)state;

	look(30, 5, 0);
	for (unsigned i = 0; i < 3; i++)
		look(30, 0, 0);
	assert_true(traffic.look_at_ms == MONO_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(traffic_that_only_leaves_is_one_way, begin, NULL),
		cmocka_unit_test_setup_teardown(
			traffic_of_a_tunnel_that_is_cut_off_is_one_way_before_gluetun_sees_it,
			begin, NULL),
		cmocka_unit_test_setup_teardown(
			traffic_is_seen_as_one_way_however_often_it_is_looked_at, begin, NULL),
		cmocka_unit_test_setup_teardown(
			traffic_is_all_right_again_with_the_first_packet_received, begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_of_an_idle_tunnel_is_all_right, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(traffic_that_only_comes_is_all_right, begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_both_ways_is_all_right, begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_with_an_answer_each_minute_is_all_right,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_of_keepalives_is_all_right, begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_of_router_solicitations_is_all_right, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(traffic_of_a_burst_without_an_answer_is_all_right,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_that_has_just_begun_is_all_right, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(traffic_of_a_new_interface_begins_again, begin,
		                                NULL),
		cmocka_unit_test_setup_teardown(traffic_that_is_counted_from_zero_begins_again,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_of_no_interface_is_not_judged, begin, NULL),
		cmocka_unit_test_setup_teardown(traffic_is_looked_at_sooner_while_it_is_in_doubt,
		                                begin, NULL),
		cmocka_unit_test_setup_teardown(
			traffic_is_no_longer_in_doubt_when_nothing_more_is_sent, begin, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
