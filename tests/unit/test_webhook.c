#include "webhook/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"

#define START 1000000 /* any moment */

/* Lets each attempt fail at the moment when it is due. Returns the number of attempts;
 * `*given_up_ms` is the time of the last. */
static unsigned fail_on(struct webhook *webhook, int64_t *given_up_ms)
{
	for (unsigned count = 1;; count++) {
		*given_up_ms = webhook_due_ms(webhook);
		if (webhook_ended(webhook, WEBHOOK_FAILED, 0, *given_up_ms))
			return count;
	}
}

/* ---- what is sent ---- */

static void webhook_has_nothing_to_tell_at_first(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
	assert_true(webhook_due_ms(&webhook) == MONO_NEVER);
	webhook_judged(&webhook, true, START);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
}

static void webhook_tells_that_it_is_unhealthy_from_the_start(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_judged(&webhook, false, START);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_UNHEALTHY);
	assert_true(webhook_due_ms(&webhook) == START);
}

static void webhook_tells_each_turn_once(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_judged(&webhook, false, START);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START + 5));
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
	webhook_judged(&webhook, false, START + 1000);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
	webhook_judged(&webhook, true, START + 2000);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_HEALTHY);
	assert_true(webhook_due_ms(&webhook) == START + 2000);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START + 2005));
	assert_true(webhook_due_ms(&webhook) == MONO_NEVER);
}

static void webhook_tells_a_port_before_the_turn_that_it_brought(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_judged(&webhook, false, START);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START));
	webhook_port_changed(&webhook, 6881, 41000, START + 9);
	webhook_judged(&webhook, true, START + 10);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_PORT_CHANGED);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START + 11));
	assert_int_equal(webhook_next(&webhook), WEBHOOK_HEALTHY);
	assert_true(webhook_due_ms(&webhook) == START + 11);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START + 12));
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
}

static void webhook_tells_several_changes_as_one(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	webhook_port_changed(&webhook, 41000, 42000, START + 1);
	assert_int_equal(webhook.previous_port, 6881);
	assert_int_equal(webhook.port, 42000);
	/* The port is back where it began. But the message before may have been sent after all. */
	webhook_port_changed(&webhook, 42000, 6881, START + 2);
	assert_int_equal(webhook.previous_port, 42000);
	assert_int_equal(webhook.port, 6881);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, START + 3));
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
}

static void webhook_tells_no_turn_that_was_taken_back(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_judged(&webhook, false, START);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START));
	webhook_judged(&webhook, true, START + 1000);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
	assert_true(webhook_due_ms(&webhook) == MONO_NEVER);
}

/* ---- attempts ---- */

static void webhook_tries_four_times_in_three_minutes(void **state)
{
	struct webhook webhook = { 0 };
	int64_t given_up_ms;
	(void)state;

	webhook_judged(&webhook, false, START);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START));
	assert_true(webhook_due_ms(&webhook) == START + 5000);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START + 5000));
	assert_true(webhook_due_ms(&webhook) == START + 35000);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START + 35000));
	assert_true(webhook_due_ms(&webhook) == START + 155000);
	assert_int_equal(fail_on(&webhook, &given_up_ms), 1);
	assert_true(given_up_ms == START + 155000);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
	/* A dropped message is not sent later, but the next one is. */
	webhook_judged(&webhook, true, START + 200000);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_HEALTHY);
	assert_true(webhook_due_ms(&webhook) == START + 200000);
}

static void webhook_tries_at_once_and_as_often_again_when_there_is_more(void **state)
{
	struct webhook webhook = { 0 };
	int64_t given_up_ms;
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START));
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 0, START + 5000));
	webhook_port_changed(&webhook, 41000, 42000, START + 6000);
	assert_true(webhook_due_ms(&webhook) == START + 6000);
	assert_int_equal(fail_on(&webhook, &given_up_ms), 4);
	assert_true(given_up_ms == START + 6000 + 155000);
}

static void webhook_gives_up_one_and_tries_the_other(void **state)
{
	struct webhook webhook = { 0 };
	int64_t given_up_ms;
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	webhook_judged(&webhook, false, START);
	assert_int_equal(fail_on(&webhook, &given_up_ms), 4);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_UNHEALTHY);
	assert_true(webhook_due_ms(&webhook) == given_up_ms);
	assert_int_equal(fail_on(&webhook, &given_up_ms), 4);
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
}

static void webhook_gives_up_at_once_what_was_refused(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	assert_true(webhook_ended(&webhook, WEBHOOK_REFUSED, 0, START));
	assert_int_equal(webhook_next(&webhook), WEBHOOK_NOTHING);
}

static void webhook_does_not_count_attempts_that_were_cut(void **state)
{
	struct webhook webhook = { 0 };
	int64_t now_ms = START;
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	for (unsigned i = 0; i < 20; i++) {
		assert_false(webhook_ended(&webhook, WEBHOOK_CUT, 0, now_ms));
		now_ms += WEBHOOK_CUT_MS;
		assert_true(webhook_due_ms(&webhook) == now_ms);
	}
	assert_int_equal(webhook.failures, 0);
	assert_true(webhook_ended(&webhook, WEBHOOK_SENT, 0, now_ms));
}

static void webhook_is_not_cut_for_ever(void **state)
{
	struct webhook webhook = { 0 };
	int64_t now_ms = START;
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	while (!webhook_ended(&webhook, WEBHOOK_CUT, 0, now_ms))
		now_ms = webhook_due_ms(&webhook) + 900;
	assert_in_range(now_ms, START + WEBHOOK_LIFE_MS - 2000, START + WEBHOOK_LIFE_MS + 900);
}

static void webhook_waits_as_long_as_the_receiver_wants(void **state)
{
	struct webhook webhook = { 0 };
	(void)state;

	webhook_port_changed(&webhook, 6881, 41000, START);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 3000, START));
	assert_true(webhook_due_ms(&webhook) == START + 5000);
	assert_false(webhook_ended(&webhook, WEBHOOK_FAILED, 60000, START + 5000));
	assert_true(webhook_due_ms(&webhook) == START + 65000);
	/* But it ends before the message is too old. */
	assert_true(webhook_ended(&webhook, WEBHOOK_FAILED, 3600000, START + 65000));
}

/* ---- texts ---- */

static const char *say(const struct webhook *webhook, const char *error, uint16_t port)
{
	static struct failure message;

	webhook_describe(&message, webhook, error, port);
	return message.text;
}

static void webhook_says_what_a_person_wants_to_know(void **state)
{
	static const struct {
		int64_t lasted_ms;
		const char *words;
	} turns[] = {
		{ 999, "healthy again: port 45720, after 0 s" },
		{ 119999, "healthy again: port 45720, after 119 s" },
		{ 120000, "healthy again: port 45720, after 2 min" },
		{ 7199999, "healthy again: port 45720, after 119 min" },
		{ 7200000, "healthy again: port 45720, after 2 h" },
		{ 864000000, "healthy again: port 45720, after 240 h" },
	};
	struct webhook webhook = { 0 };
	(void)state;

	webhook_port_changed(&webhook, 41000, 45720, START);
	assert_string_equal(say(&webhook, "", 45720), "port 41000 -> 45720");
	webhook = (struct webhook){ 0 };
	webhook_judged(&webhook, false, START);
	assert_string_equal(say(&webhook, "connection refused", 45720),
	                    "unhealthy: connection refused");
	for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
		webhook = (struct webhook){ 0 };
		webhook_judged(&webhook, false, START);
		webhook_ended(&webhook, WEBHOOK_SENT, 0, START);
		webhook_judged(&webhook, true, START + turns[i].lasted_ms);
		assert_string_equal(say(&webhook, "", 45720), turns[i].words);
	}
	assert_string_equal(say(&webhook, "", 0), "healthy again, after 240 h");
}

static void parse(struct json *json, struct text *text)
{
	struct failure why;

	assert_false(text->full);
	if (json_parse(json, text->buf, text->len, &why))
		fail_msg("%s: %s", why.text, text->buf);
}

static void assert_says(const struct json *json, const char *name, const char *wanted)
{
	char value[FAILURE_MAX];

	assert_true(json_string(json, name, value, sizeof value));
	assert_string_equal(value, wanted);
}

static void webhook_puts_it_under_the_names_that_receivers_know(void **state)
{
	struct webhook webhook = { 0 };
	char body[WEBHOOK_BODY_MAX];
	struct text text = text_on(body, sizeof body);
	struct failure message;
	struct json json;
	int64_t number;
	bool healthy;
	(void)state;

	webhook_port_changed(&webhook, 41000, 45720, START);
	webhook_describe(&message, &webhook, "", 0);
	webhook_append(&text, &webhook, 0, "in_sync", 1795336930, &message);
	parse(&json, &text);
	assert_says(&json, "title", "qsticky");
	assert_says(&json, "message", "port 41000 -> 45720");
	assert_says(&json, "content", "port 41000 -> 45720");
	assert_says(&json, "text", "port 41000 -> 45720");
	assert_says(&json, "event", "port_changed");
	assert_says(&json, "state", "in_sync");
	assert_says(&json, "time", "2026-11-22T08:42:10Z");
	assert_says(&json, "version", QSTICKY_VERSION);
	assert_true(json_bool(&json, "healthy", &healthy) && healthy);
	/* The message's own port, even if there is none any more. */
	assert_true(json_int(&json, "port", &number));
	assert_int_equal(number, 45720);
	assert_true(json_int(&json, "previous_port", &number));
	assert_int_equal(number, 41000);
	assert_non_null(strstr(body, "\"allowed_mentions\": {\"parse\": []}"));
}

static void webhook_escapes_the_longest_and_worst_error(void **state)
{
	struct webhook webhook = { 0 };
	char body[WEBHOOK_BODY_MAX], error[2 * FAILURE_MAX], value[FAILURE_MAX];
	struct text text = text_on(body, sizeof body);
	struct failure message;
	struct json json;
	int64_t number;
	bool healthy;
	(void)state;

	memset(error, '\1', sizeof error);
	error[0] = '"';
	error[sizeof error - 1] = '\0';
	webhook_judged(&webhook, false, START);
	webhook_describe(&message, &webhook, error, 0);
	webhook_append(&text, &webhook, 0, "retrying", 0, &message);
	parse(&json, &text);
	assert_true(json_string(&json, "content", value, sizeof value));
	assert_string_equal(value, message.text);
	assert_memory_equal(value, "unhealthy: \"\1\1", 14);
	assert_true(json_bool(&json, "healthy", &healthy) && !healthy);
	assert_non_null(strstr(body, "\"port\": null"));
	assert_false(json_int(&json, "previous_port", &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(webhook_has_nothing_to_tell_at_first),
		cmocka_unit_test(webhook_tells_that_it_is_unhealthy_from_the_start),
		cmocka_unit_test(webhook_tells_each_turn_once),
		cmocka_unit_test(webhook_tells_a_port_before_the_turn_that_it_brought),
		cmocka_unit_test(webhook_tells_several_changes_as_one),
		cmocka_unit_test(webhook_tells_no_turn_that_was_taken_back),
		cmocka_unit_test(webhook_tries_four_times_in_three_minutes),
		cmocka_unit_test(webhook_tries_at_once_and_as_often_again_when_there_is_more),
		cmocka_unit_test(webhook_gives_up_one_and_tries_the_other),
		cmocka_unit_test(webhook_gives_up_at_once_what_was_refused),
		cmocka_unit_test(webhook_does_not_count_attempts_that_were_cut),
		cmocka_unit_test(webhook_is_not_cut_for_ever),
		cmocka_unit_test(webhook_waits_as_long_as_the_receiver_wants),
		cmocka_unit_test(webhook_says_what_a_person_wants_to_know),
		cmocka_unit_test(webhook_puts_it_under_the_names_that_receivers_know),
		cmocka_unit_test(webhook_escapes_the_longest_and_worst_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
