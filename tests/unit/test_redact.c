#include "base/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void redact_tells_kinds_apart(void **state)
{
	static const struct {
		const char *text;
		enum redact_kind kind;
	} cases[] = {
		{ "", REDACT_NOTHING },
		{ "41\x1b[m", REDACT_BINARY },
		{ "\x7f", REDACT_BINARY },
		{ "\xef\xbb\xbf"
		  "41000",
		  REDACT_NOT_ASCII },
		{ "h\xc3\xb6st", REDACT_NOT_ASCII },
		{ "\"30\"", REDACT_QUOTED },
		{ "'a b'", REDACT_QUOTED },
		{ "http://host:8080", REDACT_URL },
		{ "http://me:s3cret@host", REDACT_URL },
		{ "me:s3cret@host:8080", REDACT_AT },
		{ " 80", REDACT_BLANKS },
		{ "41000\n\nx", REDACT_BLANKS },
		{ "70000", REDACT_NUMBER },
		{ "-1", REDACT_SIGNED },
		{ "+80", REDACT_SIGNED },
		{ "30s", REDACT_NUMBER_AND_MORE },
		{ "1.5", REDACT_NUMBER_AND_MORE },
		{ "localhost:8080", REDACT_HOST_AND_PORT },
		{ "127.0.0.1:8080", REDACT_HOST_AND_PORT },
		{ "/run/x", REDACT_PATH },
		{ "/run/", REDACT_DIRECTORY },
		{ "soon", REDACT_TEXT },
		{ "-", REDACT_TEXT },
		{ ":80", REDACT_TEXT },
		{ "host:", REDACT_TEXT },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum redact_kind found = redact_kind_of(cases[i].text, strlen(cases[i].text));

		if (found != cases[i].kind)
			fail_msg("%s: %s", cases[i].text, redact_kinds[found]);
	}
	assert_int_equal(redact_kind_of("41000\0", 6), REDACT_BINARY);
}

static const char *kind(const char *bytes)
{
	static char buf[64];
	struct text text = text_on(buf, sizeof buf);

	redact_append_kind(&text, bytes, strlen(bytes));
	assert_false(text.full);
	return buf;
}

static void redact_tells_kind_and_size(void **state)
{
	(void)state;

	assert_string_equal(kind("s3cret"), "text (6 bytes)");
	assert_string_equal(kind("x"), "text (1 byte)");
	assert_string_equal(kind(""), "nothing (0 bytes)");
}

static const char *address(const char *string)
{
	static char buf[64];
	struct text text = text_on(buf, sizeof buf);

	redact_append_address(&text, string);
	assert_false(text.full);
	return buf;
}

static void redact_shows_addresses_only(void **state)
{
	(void)state;

	assert_string_equal(address("10.2.0.2"), "10.2.0.2");
	assert_string_equal(address("::"), "::");
	assert_string_equal(address("fe80::1%s3cret"), "(not an IP address)");
	assert_string_equal(address("s3cret"), "(not an IP address)");
	assert_string_equal(address(""), "(not an IP address)");
}

static const char *variable(const char *name)
{
	static char buf[64];
	struct text text = text_on(buf, sizeof buf);

	redact_append_variable(&text, name, strlen(name));
	assert_false(text.full);
	return buf;
}

static void redact_shows_names_of_variables_as_far_as_they_are_like_ours(void **state)
{
	(void)state;

	assert_string_equal(variable("QSTICKY_QBITTORENT_PASS2"), "QSTICKY_QBITTORENT_PASS2");
	assert_string_equal(variable("QSTICKY_PASS:s3cret"), "QSTICKY_PASS...");
	assert_string_equal(variable("QSTICKY_AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDDDDDDDD"),
	                    "QSTICKY_AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDD...");
}

static void redact_takes_the_versions_that_there_are(void **state)
{
	static const char *const versions[] = {
		"v4.5.2",       "v5.1.0",    "5.3.0",    "v4.1.9.1", "v5.2.0beta1",
		"v4.6.0alpha2", "v5.0.0rc1", "v4.4.0rc", "v4.1",
	};
	static const char *const others[] = {
		"",
		"v",
		"v5",
		"5",
		"v5.",
		"v5.1.",
		".5.1",
		"v5.1.0 ",
		"v5.1.0\n",
		"v5.1.0-s3cret",
		"vv5.1",
		"v5.1beta1x",
		"v5.1betas3cret",
		"v1.2.3.4.5",
		"s3cret",
		"v12345.1",
		"v5.1beta12345",
		"<html>",
		"v5.1.0+git",
		"v5..1",
	};
	(void)state;

	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
		if (!redact_is_version(versions[i], strlen(versions[i])))
			fail_msg("%s is refused", versions[i]);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (redact_is_version(others[i], strlen(others[i])))
			fail_msg("%s is taken", others[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redact_tells_kinds_apart),
		cmocka_unit_test(redact_tells_kind_and_size),
		cmocka_unit_test(redact_shows_addresses_only),
		cmocka_unit_test(redact_shows_names_of_variables_as_far_as_they_are_like_ours),
		cmocka_unit_test(redact_takes_the_versions_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
