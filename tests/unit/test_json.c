#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* Parses a literal, which must be valid. */
static struct json parsed(const char *text)
{
	struct failure why;
	struct json json;

	if (json_parse(&json, text, strlen(text), &why))
		fail_msg("%s: %s", text, why.text);
	return json;
}

static enum fail parse(const char *text, size_t len)
{
	struct failure why;
	struct json json;

	return json_parse(&json, text, len, &why);
}

static void assert_int(const char *text, int64_t wanted)
{
	struct json json = parsed(text);
	int64_t value = -7;

	assert_true(json_int(&json, "a", &value));
	assert_int_equal(value, wanted);
}

static void assert_no_int(const char *text)
{
	struct json json = parsed(text);
	int64_t value = -7;

	assert_false(json_int(&json, "a", &value));
	assert_int_equal(value, -7);
}

static void assert_string(const char *text, const char *wanted)
{
	struct json json = parsed(text);
	char value[64];

	assert_true(json_string(&json, "a", value, sizeof value));
	assert_string_equal(value, wanted);
}

static void assert_no_string(const char *text)
{
	struct json json = parsed(text);
	char value[64];

	assert_false(json_string(&json, "a", value, sizeof value));
}

static void json_reads_integers(void **state)
{
	(void)state;

	assert_int("{\"a\":41000}", 41000);
	assert_int("{ \"b\" : 1 , \"a\" : -1 }", -1);
	assert_int("{\"a\":0}", 0);
}

static void json_reads_integers_to_the_ends_of_their_range(void **state)
{
	(void)state;

	assert_int("{\"a\":9223372036854775807}", INT64_MAX);
	assert_int("{\"a\":-9223372036854775808}", INT64_MIN);
	assert_no_int("{\"a\":9223372036854775808}");
	assert_no_int("{\"a\":-9223372036854775809}");
	assert_no_int("{\"a\":99999999999999999999999999}");
}

static void json_takes_no_fraction_or_other_type_for_an_integer(void **state)
{
	(void)state;

	assert_no_int("{\"a\":1.0}");
	assert_no_int("{\"a\":1e3}");
	assert_no_int("{\"a\":\"1\"}");
	assert_no_int("{\"a\":null}");
	assert_no_int("{\"a\":true}");
	assert_no_int("{\"a\":[1]}");
	assert_no_int("{\"a\":{}}");
}

static void json_reads_booleans(void **state)
{
	struct json json =
		parsed("{\"yes\":true,\"no\":false,\"none\":null,\"word\":\"true\",\"number\":1}");
	bool value = false;
	(void)state;

	assert_true(json_bool(&json, "yes", &value));
	assert_true(value);
	assert_true(json_bool(&json, "no", &value));
	assert_false(value);
	assert_false(json_bool(&json, "none", &value));
	assert_false(json_bool(&json, "word", &value));
	assert_false(json_bool(&json, "number", &value));
}

static void json_reads_strings(void **state)
{
	(void)state;

	assert_string("{\"a\":\"in sync\"}", "in sync");
	assert_string("{\"a\":\"\"}", "");
	assert_string("{\"a\":\"caf\u00e9\"}", "caf\u00e9");
}

static void json_undoes_escapes(void **state)
{
	(void)state;

	assert_string("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t");
	assert_string("{\"a\":\"\\u0041\\u00e9\\u6F22\"}", "A\u00e9\u6f22");
	assert_string("{\"a\":\"\\ud83d\\ude00\"}", "\U0001f600");
	assert_string("{\"a\":\"\\uDBFF\\uDFFF\"}", "\U0010ffff");
}

static void json_refuses_a_string_with_nonsense_in_it(void **state)
{
	(void)state;

	assert_no_string("{\"a\":\"\\u0000\"}");
	assert_no_string("{\"a\":\"\\ud83d\"}");
	assert_no_string("{\"a\":\"\\ude00\"}");
	assert_no_string("{\"a\":\"\\ud83dxxude00\"}");
	assert_no_string("{\"a\":\"\\ud83d\\u0041\"}");
	assert_no_string("{\"a\":1}");
}

static void json_refuses_a_string_that_does_not_fit(void **state)
{
	struct json json = parsed("{\"a\":\"four\"}");
	char small[4] = "old", enough[5];
	(void)state;

	assert_false(json_string(&json, "a", small, sizeof small));
	assert_string_equal(small, ""); /* not even a part of it */
	assert_true(json_string(&json, "a", enough, sizeof enough));
	assert_string_equal(enough, "four");
}

static void assert_ports(const char *text, enum json_ports wanted, uint16_t wanted_port)
{
	struct json json = parsed(text);
	uint16_t ports[4] = { 7, 7, 7, 7 };
	size_t count = 7;

	if (json_ports(&json, "a", ports, 3, &count) != wanted)
		fail_msg("%s is not %d", text, (int)wanted);
	assert_int_equal(ports[0], wanted == JSON_PORTS_SOME ? wanted_port : 7);
	assert_int_equal(ports[3], 7);
	assert_true(wanted == JSON_PORTS_SOME ? count > 0 && count < 4 : count == 7);
}

static void json_reads_all_ports_in_their_order(void **state)
{
	struct json json = parsed("{\"a\":[3,0,65535]}");
	uint16_t ports[3] = { 0 };
	size_t count = 0;
	(void)state;

	assert_int_equal(json_ports(&json, "a", ports, 3, &count), JSON_PORTS_SOME);
	assert_int_equal(count, 2);
	assert_int_equal(ports[0], 3);
	assert_int_equal(ports[1], 65535);
}

static void json_reads_the_first_of_ports(void **state)
{
	(void)state;

	assert_ports("{\"a\":41000}", JSON_PORTS_SOME, 41000);
	assert_ports("{\"a\":[41000]}", JSON_PORTS_SOME, 41000);
	assert_ports("{\"b\":[1],\"a\":[ 65535 , 2 ],\"c\":3}", JSON_PORTS_SOME, 65535);
	assert_ports("{\"a\":[1,0]}", JSON_PORTS_SOME, 1);
}

static void json_tells_no_ports_from_no_member(void **state)
{
	(void)state;

	assert_ports("{\"a\":0}", JSON_PORTS_NONE, 0);
	assert_ports("{\"a\":null}", JSON_PORTS_NONE, 0);
	assert_ports("{\"a\":[],\"b\":1}", JSON_PORTS_NONE, 0);
	assert_ports("{\"a\":[0,1]}", JSON_PORTS_NONE, 0);
	assert_ports("{\"b\":[{\"a\":1}]}", JSON_PORTS_ABSENT, 0);
}

static void json_takes_nothing_else_for_ports(void **state)
{
	static const char *const others[] = {
		"{\"a\":65536}",       "{\"a\":-1}",        "{\"a\":1.0}",       "{\"a\":1e3}",
		"{\"a\":true}",        "{\"a\":false}",     "{\"a\":1.5}",       "{\"a\":\"1\"}",
		"{\"a\":\"null\"}",    "{\"a\":{}}",        "{\"a\":{\"b\":1}}", "{\"a\":[null]}",
		"{\"a\":[1,\"2\"]}",   "{\"a\":[1,70000]}", "{\"a\":[1,[2]]}",   "{\"a\":[[1],2]}",
		"{\"a\":[{\"b\":1}]}", "{\"a\":[1,true]}",  "{\"a\":[1,2,{}]}",  "{\"a\":[1,-1]}",
		"{\"a\":[1,2,3,4]}",
	};
	(void)state;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_ports(others[i], JSON_PORTS_BAD, 0);
}

static void json_looks_in_the_outermost_object_only(void **state)
{
	(void)state;

	assert_no_int("{\"b\":{\"a\":1}}");
	assert_no_int("{\"b\":[{\"a\":1},\"a\",2]}");
	assert_int("{\"b\":{\"a\":1},\"c\":[\"a\",3],\"a\":2}", 2);
}

static void json_does_not_take_a_value_for_a_key(void **state)
{
	(void)state;

	assert_no_int("{\"b\":\"a\",\"c\":1}");
}

static void json_counts_the_first_of_two_equal_keys(void **state)
{
	(void)state;

	assert_int("{\"a\":1,\"a\":2}", 1);
}

static void json_compares_whole_keys(void **state)
{
	(void)state;

	assert_no_int("{\"aa\":1,\"\":2,\"A\":3}");
}

static void json_takes_an_object_and_nothing_else(void **state)
{
	static const char *const others[] = {
		"",     " ",     "[]",  "[{}]", "1",  "null", "\"a\"", "{",       "{\"a\"",
		"{}{}", "{} {}", "{}1", "{}x",  "}{", "{]",   "x{}",   "{\"a\":", "{\"a\":1"
	};
	(void)state;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (parse(others[i], strlen(others[i])) != FAIL_FORMAT)
			fail_msg("%s was taken", others[i]);
	assert_int_equal(parse(" {} \n", 5), FAIL_NONE);
}

static void json_refuses_bare_words(void **state)
{
	(void)state;

	assert_int_equal(parse("{a:1}", 5), FAIL_FORMAT);
	assert_int_equal(parse("{\"a\":x}", 7), FAIL_FORMAT);
}

static void json_refuses_nul_and_control_bytes(void **state)
{
	(void)state;

	assert_int_equal(parse("{\"a\":1}\0", 8), FAIL_FORMAT);
	assert_int_equal(parse("{\"a\0\":1}", 8), FAIL_FORMAT);
	assert_int_equal(parse("{\"a\x01\":1}", 8), FAIL_FORMAT);
}

static void json_reads_no_byte_behind_the_end(void **state)
{
	/* On the heap, so that the sanitizer sees it. */
	static const char whole[] = "{\"a\":12}";
	char *text = malloc(7);
	(void)state;

	assert_non_null(text);
	memcpy(text, whole, 7);
	assert_int_equal(parse(text, 7), FAIL_FORMAT);
	free(text);
}

/* Parses an object with `count` arrays, nested or one after the other. */
static enum fail parse_arrays(size_t count, bool nested)
{
	size_t len = 0;
	char *text = malloc(3 * count + 16);
	enum fail f;

	assert_non_null(text);
	len += (size_t)snprintf(text, 16, "{\"a\":");
	if (!nested)
		text[len++] = '[';
	for (size_t i = 0; i < count; i++) {
		if (!nested && i > 0)
			text[len++] = ',';
		text[len++] = '[';
		if (!nested)
			text[len++] = ']';
	}
	for (size_t i = 0; nested && i < count; i++)
		text[len++] = ']';
	if (!nested)
		text[len++] = ']';
	text[len++] = '}';
	f = parse(text, len);
	free(text);
	return f;
}

static void json_takes_as_many_values_as_there_is_room_for(void **state)
{
	(void)state;

	/* The object, the key and the outer array take three more. */
	assert_int_equal(parse_arrays(JSON_VALUES_MAX - 3, false), FAIL_NONE);
	assert_int_equal(parse_arrays(JSON_VALUES_MAX - 2, false), FAIL_TOO_BIG);
}

static void json_takes_ordinary_nesting(void **state)
{
	(void)state;

	assert_int_equal(parse_arrays(30, true), FAIL_NONE);
}

/* A parser that searches back at each bracket takes half a minute; a recursive one runs out of stack.
 * Either result is allowed. SIGPROF ends the test if parsing takes too long. */
static void json_is_soon_done_with_deep_nesting(void **state)
{
	const struct itimerval seconds = { .it_value = { .tv_sec = 5 } },
			       off = { .it_value = { 0 } };
	(void)state;

	assert_int_equal(setitimer(ITIMER_PROF, &seconds, NULL), 0); /* of processor time */
	parse_arrays(131072, true);
	parse_arrays(131072, false);
	assert_int_equal(setitimer(ITIMER_PROF, &off, NULL), 0);
}

/* What a filter has kept of a document. */
static void json_reads_what_a_filter_has_kept(void **state)
{
	static const char *const keys[] = { "a", "none", NULL };
	static const char text[] = "{\"b\":\"a\",\"a\":\"caf\\u00e9\",\"a\":1}";
	struct json_filter filter;
	struct failure why;
	char kept[JSON_KEPT_MAX], value[16];
	struct json json;
	int64_t number;
	(void)state;

	json_filter_start(&filter, keys, kept);
	assert_true(json_filter_take(&filter, text, sizeof text - 1));
	assert_int_equal(json_parse_kept(&json, &filter, &why), FAIL_NONE);
	assert_true(json_string(&json, "a", value, sizeof value));
	assert_string_equal(value, "caf\u00e9");
	assert_false(json_int(&json, "b", &number) || json_int(&json, "none", &number));
}

static void json_has_no_members_after_a_failure(void **state)
{
	struct json json = parsed("{\"a\":1}");
	struct failure why;
	int64_t value;
	(void)state;

	assert_int_equal(json_parse(&json, "{\"a\":1", 6, &why), FAIL_FORMAT);
	assert_false(json_int(&json, "a", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_reads_integers),
		cmocka_unit_test(json_reads_integers_to_the_ends_of_their_range),
		cmocka_unit_test(json_takes_no_fraction_or_other_type_for_an_integer),
		cmocka_unit_test(json_reads_booleans),
		cmocka_unit_test(json_reads_strings),
		cmocka_unit_test(json_undoes_escapes),
		cmocka_unit_test(json_refuses_a_string_with_nonsense_in_it),
		cmocka_unit_test(json_refuses_a_string_that_does_not_fit),
		cmocka_unit_test(json_reads_all_ports_in_their_order),
		cmocka_unit_test(json_reads_the_first_of_ports),
		cmocka_unit_test(json_tells_no_ports_from_no_member),
		cmocka_unit_test(json_takes_nothing_else_for_ports),
		cmocka_unit_test(json_looks_in_the_outermost_object_only),
		cmocka_unit_test(json_does_not_take_a_value_for_a_key),
		cmocka_unit_test(json_counts_the_first_of_two_equal_keys),
		cmocka_unit_test(json_compares_whole_keys),
		cmocka_unit_test(json_takes_an_object_and_nothing_else),
		cmocka_unit_test(json_refuses_bare_words),
		cmocka_unit_test(json_refuses_nul_and_control_bytes),
		cmocka_unit_test(json_reads_no_byte_behind_the_end),
		cmocka_unit_test(json_takes_as_many_values_as_there_is_room_for),
		cmocka_unit_test(json_takes_ordinary_nesting),
		cmocka_unit_test(json_is_soon_done_with_deep_nesting),
		cmocka_unit_test(json_reads_what_a_filter_has_kept),
		cmocka_unit_test(json_has_no_members_after_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
