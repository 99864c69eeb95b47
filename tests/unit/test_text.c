#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A literal that may hold NULs: its bytes and their count. */
#define BYTES(literal) literal, sizeof(literal) - 1

typedef void adder(struct text *text, const char *bytes, size_t len);

/* The text after `add` has appended the bytes, in `cap` bytes of room. */
static const char *made(adder *add, const char *bytes, size_t len, size_t cap)
{
	static char buf[256];
	struct text text = text_on(buf, cap);

	add(&text, bytes, len);
	assert_int_equal(strlen(buf), text.len);
	return buf;
}

static void text_starts_empty(void **state)
{
	char buf[8] = "rubbish";
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	assert_string_equal(buf, "");
	assert_int_equal(text.len, 0);
	assert_false(text.full);
}

static void text_appends_one_piece_behind_the_other(void **state)
{
	char buf[32];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "port ");
	text_printf(&text, "%d", 41000);
	text_append_bytes(&text, "!?", 1);
	assert_string_equal(buf, "port 41000!");
	assert_int_equal(text.len, strlen(buf));
}

static void text_takes_what_just_fits(void **state)
{
	char buf[5];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "four");
	assert_string_equal(buf, "four");
	assert_false(text.full);
}

static void text_leaves_out_a_piece_that_does_not_fit(void **state)
{
	char buf[5];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "ab");
	text_append(&text, "cde");
	assert_string_equal(buf, "ab");
	assert_true(text.full);
}

static void text_printf_is_cut_at_the_capacity(void **state)
{
	char buf[5];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_printf(&text, "%s", "12345");
	assert_string_equal(buf, "1234");
	assert_true(text.full);
}

static void text_remembers_that_something_was_left_out(void **state)
{
	char buf[3];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "long");
	text_append(&text, "ab");
	assert_string_equal(buf, "ab");
	assert_true(text.full);
}

static void text_of_one_byte_holds_only_its_end(void **state)
{
	char buf[1];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "");
	assert_false(text.full);
	text_printf(&text, "x");
	assert_string_equal(buf, "");
	assert_true(text.full);
}

static void text_printable_keeps_readable_text(void **state)
{
	static const char words[] = "plain \"quoted\" \\ caf\u00e9 \u6f22 \U0001f600";
	(void)state;

	assert_string_equal(made(text_append_printable, BYTES(words), 256), words);
}

static void text_printable_escapes_control_characters(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_printable, BYTES("a\nb\r\t\0\x1b[31m\x7f"), 256),
	                    "a\\x0ab\\x0d\\x09\\x00\\x1b[31m\\x7f");
}

static void text_printable_escapes_c1_controls(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_printable,
	                         BYTES("\xc2\x9b"
	                               "31m"),
	                         256),
	                    "\\xc2\\x9b31m");
}

static void text_printable_escapes_what_is_not_utf8(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_printable, BYTES("\xff\x80"), 256), "\\xff\\x80");
	/* An overlong form, a surrogate, a code above U+10FFFF, and a truncated character. */
	assert_string_equal(made(text_append_printable, BYTES("\xc0\xaf"), 256), "\\xc0\\xaf");
	assert_string_equal(made(text_append_printable, BYTES("\xed\xa0\x80"), 256),
	                    "\\xed\\xa0\\x80");
	assert_string_equal(made(text_append_printable, BYTES("\xf4\x90\x80\x80"), 256),
	                    "\\xf4\\x90\\x80\\x80");
	assert_string_equal(made(text_append_printable, BYTES("\xe6\xbc"), 256), "\\xe6\\xbc");
	assert_string_equal(made(text_append_printable, BYTES("\xe0\x9f\xbf"), 256),
	                    "\\xe0\\x9f\\xbf");
	assert_string_equal(made(text_append_printable, BYTES("\xf0\x8f\xbf\xbf"), 256),
	                    "\\xf0\\x8f\\xbf\\xbf");
	assert_string_equal(made(text_append_printable, BYTES("\xf5\x80\x80\x80"), 256),
	                    "\\xf5\\x80\\x80\\x80");
}

static void text_printable_keeps_the_first_and_last_of_each_length(void **state)
{
	static const char all[] = "\u00a0\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff";
	(void)state;

	assert_string_equal(made(text_append_printable, BYTES(all), 256), all);
}

static void text_printable_never_cuts_a_character(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_printable, BYTES("a\u6f22"), 4), "a");
	assert_string_equal(made(text_append_printable, BYTES("a\nb"), 5), "a");
}

static void text_json_keeps_readable_text(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_json, BYTES("a/b caf\u00e9 \U0001f600"), 256),
	                    "a/b caf\u00e9 \U0001f600");
}

static void text_json_escapes_quotes_backslashes_and_controls(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_json, BYTES("\"\\\n\0\x7f"), 256),
	                    "\\\"\\\\\\u000a\\u0000\\u007f");
}

static void text_json_replaces_what_is_not_utf8(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_json,
	                         BYTES("a\xff"
	                               "b"),
	                         256),
	                    "a\\ufffdb");
}

static void text_json_never_cuts_an_escape(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_json, BYTES("a\n"), 7), "a");
	assert_string_equal(made(text_append_json, BYTES("a\""), 3), "a");
}

static void text_stops_at_the_first_character_that_does_not_fit(void **state)
{
	(void)state;

	assert_string_equal(made(text_append_json, BYTES("a\nb"), 4), "a");
	assert_string_equal(made(text_append_printable, BYTES("a\nb"), 4), "a");
}

#define FORMAT "%d %d %lld %u %llu %zu|%02u|%04x|%02X|%x%%|%s|%.3s|%.*s|%-5s|%12s|"
#define ARGUMENTS                                                                                  \
	INT_MIN, 7, LLONG_MIN, UINT_MAX, ULLONG_MAX, SIZE_MAX, 5U, 0xbeU, 10U, 0xbeefU, "",        \
		"abcdef", 2, "abcdef", "ab", "right"

static void text_prints_as_printf_does(void **state)
{
	char expected[256], buf[256];
	struct text text = text_on(buf, sizeof buf);

	(void)state;
	snprintf(expected, sizeof expected, FORMAT, ARGUMENTS);
	text_printf(&text, FORMAT, ARGUMENTS);
	assert_string_equal(buf, expected);
	assert_false(text.full);
}

static void text_finds_a_string_only_inside(void **state)
{
	static const char bytes[] = { '\r', '\r', '\n', 'a', '\0', '\r', '\n', '\r', '\n', '\r' };
	(void)state;

	assert_ptr_equal(text_find(bytes, sizeof bytes, "\r\n"), bytes + 1);
	assert_ptr_equal(text_find(bytes, sizeof bytes, "\r\n\r\n"), bytes + 5);
	assert_ptr_equal(text_find(bytes, 9, "\r\n\r\n"), bytes + 5);
	assert_null(text_find(bytes, 8, "\r\n\r\n"));
	assert_null(text_find(bytes, 2, "\r\n"));
	assert_null(text_find(bytes, 1, "\r\n"));
	assert_null(text_find(bytes, 0, "\r"));
	assert_null(text_find(bytes, sizeof bytes, "b"));
}

static void text_shows_ip_addresses(void **state)
{
	static const unsigned char v4[] = { 10, 2, 0, 255 };
	static const unsigned char v6[] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
		                            0,    0,    0,    0,    0, 0, 0, 0x02 };
	static const unsigned char longest[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	char buf[INET6_ADDRSTRLEN];
	struct text text = text_on(buf, sizeof buf);
	(void)state;

	text_append(&text, "at ");
	text_append_ip(&text, v4, sizeof v4);
	assert_string_equal(buf, "at 10.2.0.255");
	text = text_on(buf, sizeof buf);
	text_append_ip(&text, v6, sizeof v6);
	assert_string_equal(buf, "2001:db8::2");
	text = text_on(buf, sizeof buf);
	text_append_ip(&text, longest, sizeof longest);
	assert_string_equal(buf, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_false(text.full);
	text = text_on(buf, INET_ADDRSTRLEN);
	text_append_ip(&text, longest, 4);
	assert_string_equal(buf, "255.255.255.255");
	assert_false(text.full);
	text = text_on(buf, INET_ADDRSTRLEN - 1);
	text_append_ip(&text, longest, 4);
	assert_true(text.full);
}

/* RFC 5952, section 4, allows one form for each address. */
static void text_shows_ipv6_addresses_in_their_short_form(void **state)
{
	static const char *const addresses[] = {
		"::",
		"::1",
		"1::",
		"fe80::1",
		"2001:db8::2",
		"2001:db8::1:0:0:1",    /* the first of two equal runs */
		"2001:0:0:1::1",        /* the longest */
		"2001:db8:0:1:1:1:1:1", /* not a single group */
		"0:1:1:1:1:1:1:0",
		"1:2:3:4:5:6::",
		"::3:4:5:6:7:8",
		"a:b:c:d:e:f:a00:ffff",
	};
	(void)state;

	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		char buf[INET6_ADDRSTRLEN];
		struct text text = text_on(buf, sizeof buf);
		unsigned char ip[16];

		assert_int_equal(inet_pton(AF_INET6, addresses[i], ip), 1);
		text_append_ip(&text, ip, sizeof ip);
		assert_string_equal(buf, addresses[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_prints_as_printf_does),
		cmocka_unit_test(text_starts_empty),
		cmocka_unit_test(text_appends_one_piece_behind_the_other),
		cmocka_unit_test(text_takes_what_just_fits),
		cmocka_unit_test(text_leaves_out_a_piece_that_does_not_fit),
		cmocka_unit_test(text_printf_is_cut_at_the_capacity),
		cmocka_unit_test(text_remembers_that_something_was_left_out),
		cmocka_unit_test(text_of_one_byte_holds_only_its_end),
		cmocka_unit_test(text_printable_keeps_readable_text),
		cmocka_unit_test(text_printable_escapes_control_characters),
		cmocka_unit_test(text_printable_escapes_c1_controls),
		cmocka_unit_test(text_printable_escapes_what_is_not_utf8),
		cmocka_unit_test(text_printable_keeps_the_first_and_last_of_each_length),
		cmocka_unit_test(text_printable_never_cuts_a_character),
		cmocka_unit_test(text_json_keeps_readable_text),
		cmocka_unit_test(text_json_escapes_quotes_backslashes_and_controls),
		cmocka_unit_test(text_json_replaces_what_is_not_utf8),
		cmocka_unit_test(text_json_never_cuts_an_escape),
		cmocka_unit_test(text_stops_at_the_first_character_that_does_not_fit),
		cmocka_unit_test(text_finds_a_string_only_inside),
		cmocka_unit_test(text_shows_ip_addresses),
		cmocka_unit_test(text_shows_ipv6_addresses_in_their_short_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
