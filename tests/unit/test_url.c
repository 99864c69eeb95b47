#include "config/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static void url_is_taken_apart(void **state)
{
	static const struct {
		const char *text, *host, *path;
		bool https;
		uint16_t port;
	} urls[] = {
		{ "http://ntfy/topic", "ntfy", "/topic", false, 80 },
		{ "https://ntfy.sh/topic?t=a&m=%7B", "ntfy.sh", "/topic?t=a&m=%7B", true, 443 },
		{ "HTTPS://Discord.com:8443/api", "Discord.com", "/api", true, 8443 },
		{ "http://192.0.2.1:1", "192.0.2.1", "", false, 1 },
		{ "http://[2001:db8::1]/x", "2001:db8::1", "/x", false, 80 },
		{ "https://[::1]:65535?x", "::1", "?x", true, 65535 },
		{ "http://host#fragment", "host", "#fragment", false, 80 },
		{ "http://host/user@there:/", "host", "/user@there:/", false, 80 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct url url;

		assert_true(url_parse(&url, urls[i].text));
		assert_int_equal(url.https, urls[i].https);
		assert_string_equal(url.host, urls[i].host);
		assert_int_equal(url.port, urls[i].port);
		assert_string_equal(url.path, urls[i].path);
	}
}

static void url_refuses_what_no_request_could_be_made_of(void **state)
{
	static const char *const texts[] = {
		"",
		"http",
		"http:",
		"https:/",
		"http:/host/",
		"http:host",
		"ntfy.sh/topic",
		"ftp://host/",
		"httpss://host/",
		"http://",
		"http:///path",
		"http://?x",
		"http://:80/",
		"http://host:/",
		"http://host:0/",
		"http://host:65536/",
		"http://host:80a/",
		"http://host:+80/",
		"http://host:80:80/",
		"http://2001:db8::1/",
		"http://[2001:db8::1/",
		"http://[2001:db8::1]x/",
		"http://[2001:db8::1]80/",
		"http://[host]/",
		"http://[]/",
		"http://me@host/",
		"http://me:secret@host/",
		"http://ho st/",
		"http://host/a b",
		"http://host/\t",
		"http://host/a\r\nX-Other: b",
		"http://host/\177",
		"http://host/\303\244",
		" http://host/",
		"http://host/ ",
		"http://host\\path/",
		"http://ho%73t/",
	};
	(void)state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct url url;

		if (url_parse(&url, texts[i]))
			fail_msg("taken: %s", texts[i]);
	}
}

static void url_takes_the_longest_host_and_none_longer(void **state)
{
	char text[7 + LIMITS_HOST_MAX + 16] = "http://";
	struct url url;
	(void)state;

	memset(text + 7, 'a', LIMITS_HOST_MAX - 1);
	memcpy(text + 7 + LIMITS_HOST_MAX - 1, ":65535/x", sizeof ":65535/x");
	assert_true(url_parse(&url, text));
	assert_int_equal(strlen(url.host), LIMITS_HOST_MAX - 1);
	assert_string_equal(url.path, "/x");
	memset(text + 7, 'a', LIMITS_HOST_MAX);
	memcpy(text + 7 + LIMITS_HOST_MAX, "/x", sizeof "/x");
	assert_false(url_parse(&url, text));
	memset(text + 7, 'a', LIMITS_HOST_MAX + 15);
	assert_false(url_parse(&url, text));
}

/* The text that url_append_origin() appends. */
static const char *origin(const char *location, size_t len)
{
	static char buf[URL_ORIGIN_MAX];
	struct text text = text_on(buf, sizeof buf);

	url_append_origin(&text, location, len);
	assert_false(text.full);
	return buf;
}

static void url_origin_is_scheme_host_and_port(void **state)
{
	static const char *const cases[][2] = {
		{ "http://auth/login", "http://auth" },
		{ "https://auth.example:8443?x", "https://auth.example:8443" },
		{ "HTTP://Auth#x", "http://Auth" },
		{ "//auth/login", "//auth" },
		{ "https://[2001:db8::1]:1/", "https://[2001:db8::1]:1" },
		{ "https://192.0.2.1", "https://192.0.2.1" },
	};
	char longest[8 + LIMITS_HOST_MAX + 8] = "https://";
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(origin(cases[i][0], strlen(cases[i][0])), cases[i][1]);
	memset(longest + 8, 'a', LIMITS_HOST_MAX - 1);
	assert_string_equal(origin(longest, strlen(longest)), longest);
}

static void url_origin_has_no_user_path_or_query(void **state)
{
	static const char *const cases[][2] = {
		{ "https://s3cret@auth/", "https://auth" },
		{ "https://me:s3cret@auth:443/s3cret?s3cret#s3cret", "https://auth:443" },
		{ "https://me:s3@cret@auth", "https://auth" },
		{ "//me:s3cret@auth/", "//auth" },
		{ "https://me:s3/cret@auth/", "an address that is not shown" },
		{ "https://me:12/s3cret@auth/", "an address that is not shown" },
		{ "https://me:12\\s3cret@auth/", "an address that is not shown" },
		{ "https://me:s3cret", "an address that is not shown" },
		{ "https://auth:s3cret/", "an address that is not shown" },
		{ "https://auth%s3cret/", "an address that is not shown" },
		{ "https://[fe80::1%s3cret]/", "an address that is not shown" },
		{ "https://", "an address that is not shown" },
		{ "https:///s3cret", "an address that is not shown" },
		{ "https://s3 cret/", "an address that is not shown" },
		{ "https:s3cret@auth", "an address that is not shown" },
		{ "me:s3cret@auth/", "an address that is not shown" },
		{ "s3cret", "an address that is not shown" },
		{ "", "an address that is not shown" },
		{ "/s3cret", "another path of the same server" },
		{ "/s3cret://x", "another path of the same server" },
	};
	char longer[8 + LIMITS_HOST_MAX + 8] = "https://";
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(origin(cases[i][0], strlen(cases[i][0])), cases[i][1]);
	memset(longer + 8, 'a', LIMITS_HOST_MAX);
	assert_string_equal(origin(longer, strlen(longer)), "an address that is not shown");
	/* Bytes after the header's value do not count. */
	assert_string_equal(origin("https://auth:8443", 12), "https://auth");
	assert_string_equal(origin("https://auth\0s3cret", 19), "https://auth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(url_is_taken_apart),
		cmocka_unit_test(url_refuses_what_no_request_could_be_made_of),
		cmocka_unit_test(url_takes_the_longest_host_and_none_longer),
		cmocka_unit_test(url_origin_is_scheme_host_and_port),
		cmocka_unit_test(url_origin_has_no_user_path_or_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
