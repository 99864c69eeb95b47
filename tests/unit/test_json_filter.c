#include "base/json_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = { "a", "listen_port", NULL };

static struct json_filter filter;
static char kept[JSON_KEPT_MAX];
static struct failure why;

/* On the heap, so that the sanitizer sees a read behind the end. */
static bool take(const char *bytes, size_t len)
{
	char *piece = malloc(len + 1);
	bool taken;

	assert_non_null(piece);
	memcpy(piece + 1, bytes, len);
	taken = json_filter_take(&filter, piece + 1, len);
	free(piece);
	return taken;
}

/* Filters `text` in two pieces, or one byte at a time if `at` is behind its end. */
static enum fail filter_cut(const char *text, size_t at)
{
	size_t len = strlen(text);

	json_filter_start(&filter, keys, kept);
	if (at <= len) {
		if (take(text, at))
			(void)take(text + at, len - at);
	} else {
		while (*text && take(text, 1))
			text++;
	}
	return json_filter_end(&filter, &why);
}

/* The result must be the same wherever the pieces end. NULL: it is refused. */
static void assert_kept(const char *text, const char *wanted)
{
	for (size_t at = 0; at <= strlen(text) + 1; at++) {
		enum fail f = filter_cut(text, at);

		if (!f != !!wanted)
			fail_msg("%s, cut at %zu: %d", text, at, (int)f);
		if (wanted &&
		    (filter.kept != strlen(wanted) || memcmp(kept, wanted, filter.kept) != 0))
			fail_msg("%s, cut at %zu: kept %.*s", text, at, (int)filter.kept, kept);
	}
}

static void filter_takes_all_that_is_json(void **state)
{
	static const char *const values[] = {
		"0",
		"-0",
		"7",
		"-12",
		"10",
		"0.5",
		"-1.250",
		"1e5",
		"1E+05",
		"2e-9",
		"0e0",
		"123.456e789",
		"true",
		"false",
		"null",
		"\"\"",
		"\"caf\xc3\xa9\"",
		"\"\xff\xfe\x80\x7f\"",
		"[]",
		"{}",
		"[[],[]]",
		"[{}]",
		"[1,\"x\",null]",
		"{\"\":{\"a\":[{}]}}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uabCD\"",
		"\"twenty-four plain bytes.\"",
		" [ 1 , 2 ] ",
		"{ \"b\" : 1 , \"c\" : { } }",
	};
	char text[128];
	(void)state;

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		snprintf(text, sizeof text, "{\"b\":%s}", values[i]);
		assert_kept(text, "{}");
		snprintf(text, sizeof text, "\t\r\n {\"b\":[%s,%s],\"a\":%s} ", values[i],
		         values[i], values[i]);
		assert_int_equal(filter_cut(text, 5), FAIL_NONE);
	}
	assert_kept("{}", "{}");
	assert_kept(" { } ", "{}");
}

static void filter_refuses_all_else(void **state)
{
	static const char *const values[] = {
		"",
		"01",
		"-01",
		"1.",
		".5",
		"+1",
		"-",
		"1e",
		"1e+",
		"1.e5",
		"1-2",
		"0x1",
		"1 2",
		"-a",
		"--1",
		"1..2",
		"1ee5",
		"tru",
		"truee",
		"True",
		"nul",
		"falsey",
		"n",
		"NaN",
		"'x'",
		"x",
		"\"",
		"\"\\\"",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"\\u123\"",
		"\"\\u/000\"",
		"\"\\u00:0\"",
		"\"a\tb\"",
		"\"a\nb\"",
		"\"\x1f\"",
		"\"eight\x1f or more\"",
		"[",
		"]",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1}",
		"[:]",
		"[1:2]",
		"{",
		"{\"b\"",
		"{\"b\"}",
		"{\"b\":}",
		"{\"b\":1,}",
		"{,\"b\":1}",
		"{\"b\" 1}",
		"{b:1}",
		"{1:2}",
		"{\"b\",\"c\":1}",
		"{\"b\":1]",
		"{\"b\"::1}",
		"1,",
		"1,,\"c\":2",
		"1 \"c\":2",
		"1}}",
		"1},",
		"1}{}",
		"1}x",
		"\x0b{}",
		"\xc2\xa0{}",
	};
	static const char *const whole[] = { "",      " ",     "1",     "[]",  "[{}]",
		                             "null",  "\"a\"", "{",     "}{",  "{]",
		                             "x{}",   "{}{}",  "{} {}", "{}1", "\xef\xbb\xbf{}",
		                             "{}\x01" };
	char text[64];
	(void)state;

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		snprintf(text, sizeof text, "{\"a\":%s}", values[i]);
		assert_kept(text, NULL);
	}
	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
		assert_kept(whole[i], NULL);
}

static void filter_refuses_a_nul(void **state)
{
	static const char *const where[] = { "~{}",
		                             "{~}",
		                             "{\"~\":1}",
		                             "{\"a\":tru~}",
		                             "{\"a\":true~}",
		                             "{\"a\":\"\\~\"}",
		                             "{\"a\":\"\\u00~0\"}",
		                             "{}~" };
	(void)state;

	for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
		char text[32];
		size_t len = strlen(where[i]);

		snprintf(text, sizeof text, "%s", where[i]);
		*strchr(text, '~') = '\0';
		json_filter_start(&filter, keys, kept);
		assert_false(take(text, len));
		assert_int_equal(json_filter_end(&filter, &why), FAIL_FORMAT);
	}
}

static void filter_stays_refused(void **state)
{
	(void)state;

	json_filter_start(&filter, keys, kept);
	assert_false(take("x", 1));
	assert_false(take("{}", 2));
	assert_int_equal(json_filter_end(&filter, &why), FAIL_FORMAT);
}

static void filter_keeps_the_wanted_members(void **state)
{
	(void)state;

	assert_kept("{\"a\":1}", "{\"a\":1}");
	assert_kept("{\"b\":0,\"a\":[1,{\"x\":\"}\"}],\"c\":0}", "{\"a\":[1,{\"x\":\"}\"}]}");
	assert_kept("{ \"listen_port\" : 41000 , \"b\" : 2, \"a\" : \"\\\"x\\u00e9\" }",
	            "{\"listen_port\" : 41000 ,\"a\" : \"\\\"x\\u00e9\" }");
	assert_kept("{\"a\":{\"a\":2},\"listen_port\":null}",
	            "{\"a\":{\"a\":2},\"listen_port\":null}");
}

static void filter_keeps_the_first_of_two_equal_keys(void **state)
{
	(void)state;

	assert_kept("{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "{\"a\":1}");
}

static void filter_looks_in_the_outermost_object_only(void **state)
{
	(void)state;

	assert_kept("{\"b\":{\"a\":1},\"c\":[{\"a\":2}],\"d\":\"a\",\"e\":[\"a\",\"a\"]}", "{}");
}

static void filter_compares_whole_keys(void **state)
{
	(void)state;

	assert_kept("{\"aa\":1,\"A\":2,\"listen_por\":3,\"listen_port \":4,\"listen_porT\":5,"
	            "\"a_key_that_is_longer_than_any_that_could_be_wanted\":6}",
	            "{}");
}

/* As always: a key that is written with escapes is another key here. */
static void filter_takes_an_escaped_key_for_another(void **state)
{
	(void)state;

	assert_kept("{\"lis\\u0074en_port\":1}", "{}");
	assert_kept("{\"\\u0061\":1,\"a\":2}", "{\"a\":2}");
}

/* An object with a member "a" whose value is `len` bytes long, and what follows. */
static char *with_value(size_t len, const char *rest)
{
	size_t cap = len + strlen(rest) + 16;
	char *text = malloc(cap);
	int head;

	assert_non_null(text);
	head = snprintf(text, cap, "{\"a\":\"");
	memset(text + head, 'x', len - 2);
	snprintf(text + (size_t)head + len - 2, cap - (size_t)head - len + 2, "\"%s}", rest);
	return text;
}

static void filter_leaves_out_a_value_that_is_too_long(void **state)
{
	/* The colon counts. */
	char *longest = with_value(JSON_VALUE_MAX - 1, ""),
	     *longer = with_value(JSON_VALUE_MAX, ""),
	     *then = with_value(JSON_VALUE_MAX, ",\"a\":1,\"listen_port\":2");
	(void)state;

	assert_kept(longest, longest);
	assert_kept(longer, "{}");
	assert_kept(then, "{\"listen_port\":2}");
	free(longest);
	free(longer);
	free(then);
}

/* All keys as long as they may be, each with the longest value, then a key that is not wanted. */
static void filter_has_room_for_all_that_is_wanted(void **state)
{
	char names[JSON_KEYS_MAX][JSON_KEY_MAX + 1], value[JSON_VALUE_MAX];
	const char *longest[JSON_KEYS_MAX + 1] = { NULL };
	char *room = malloc(JSON_KEPT_MAX);
	size_t len = 1;
	(void)state;

	assert_non_null(room);
	memset(value, '1', sizeof value);
	value[0] = ':';
	for (size_t i = 0; i < JSON_KEYS_MAX; i++) {
		memset(names[i], 'k', JSON_KEY_MAX);
		names[i][JSON_KEY_MAX] = '\0';
		names[i][7] = (char)('a' + i);
		longest[i] = names[i];
	}
	json_filter_start(&filter, longest, room);
	assert_true(take("{", 1));
	for (size_t i = 0; i <= JSON_KEYS_MAX; i++) {
		const char *name =
			i < JSON_KEYS_MAX ? names[i] : "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

		assert_true(take("\"", 1));
		for (size_t j = 0; j < JSON_KEY_MAX; j++)
			assert_true(take(name + j, 1));
		assert_true(take("\"", 1));
		assert_true(take(value, sizeof value));
		assert_true(take(i < JSON_KEYS_MAX ? "," : "}", 1));
		len += i < JSON_KEYS_MAX ? 1 + JSON_KEY_MAX + 2 + sizeof value : 0;
	}
	assert_int_equal(json_filter_end(&filter, &why), FAIL_NONE);
	assert_int_equal(filter.kept, len);
	free(room);
}

static enum fail filter_nested(size_t levels)
{
	json_filter_start(&filter, keys, kept);
	if (take("{\"b\":", 5))
		for (size_t i = 1; i < levels && take(i % 2 ? "[" : "{\"\":", i % 2 ? 1 : 4); i++)
			;
	(void)take("0", 1);
	for (size_t i = levels - 1; i > 0 && take(i % 2 ? "]" : "}", 1); i--)
		;
	(void)take("}", 1);
	return json_filter_end(&filter, &why);
}

static void filter_takes_64_levels_and_no_more(void **state)
{
	(void)state;

	assert_int_equal(JSON_DEPTH_MAX, 64);
	for (size_t levels = 1; levels <= 64; levels++)
		assert_int_equal(filter_nested(levels), FAIL_NONE);
	assert_int_equal(filter_nested(65), FAIL_TOO_BIG);
	assert_non_null(strstr(why.text, "64"));
	assert_int_equal(filter_nested(100000), FAIL_TOO_BIG);
}

static void filter_takes_64_mib(void **state)
{
	static char lines[64 * 1024];
	(void)state;

	for (size_t i = 0; i < sizeof lines; i++)
		lines[i] = "192.0.2.1\\n"[i % 11];
	json_filter_start(&filter, keys, kept);
	assert_true(take("{\"b\":\"", 6));
	for (size_t i = 0; i < 1024; i++)
		assert_true(json_filter_take(&filter, lines, sizeof lines / 11 * 11));
	assert_true(take("\",\"a\":1}", 8));
	assert_int_equal(json_filter_end(&filter, &why), FAIL_NONE);
	assert_int_equal(filter.kept, strlen("{\"a\":1}"));
}

static void filter_without_keys_only_checks(void **state)
{
	(void)state;

	json_filter_start(&filter, NULL, NULL);
	assert_true(take("{\"a\":1}", 7));
	assert_int_equal(json_filter_end(&filter, &why), FAIL_NONE);
	json_filter_start(&filter, NULL, NULL);
	assert_true(take("{\"a\":1", 6));
	assert_int_equal(json_filter_end(&filter, &why), FAIL_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_takes_all_that_is_json),
		cmocka_unit_test(filter_refuses_all_else),
		cmocka_unit_test(filter_refuses_a_nul),
		cmocka_unit_test(filter_stays_refused),
		cmocka_unit_test(filter_keeps_the_wanted_members),
		cmocka_unit_test(filter_keeps_the_first_of_two_equal_keys),
		cmocka_unit_test(filter_looks_in_the_outermost_object_only),
		cmocka_unit_test(filter_compares_whole_keys),
		cmocka_unit_test(filter_takes_an_escaped_key_for_another),
		cmocka_unit_test(filter_leaves_out_a_value_that_is_too_long),
		cmocka_unit_test(filter_has_room_for_all_that_is_wanted),
		cmocka_unit_test(filter_takes_64_levels_and_no_more),
		cmocka_unit_test(filter_takes_64_mib),
		cmocka_unit_test(filter_without_keys_only_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
