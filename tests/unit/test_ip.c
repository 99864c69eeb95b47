#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Compares ip_parse() with inet_pton(3). */
static void assert_as_libc(const char *text)
{
	unsigned char ours[IP_MAX], libc[IP_MAX];
	size_t len = inet_pton(AF_INET, text, libc) == 1    ? 4
	             : inet_pton(AF_INET6, text, libc) == 1 ? 16
	                                                    : 0;

	if (ip_parse(ours, text) != len)
		fail_msg("\"%s\": not of %zu bytes", text, len);
	assert_memory_equal(ours, libc, len);
}

static void ip_parse_knows_what_libc_knows(void **state)
{
	static const char *const texts[] = {
		"",
		"0.0.0.0",
		"255.255.255.255",
		"1.2.3.256",
		"1.2.3",
		"1.2.3.",
		"1.2.3.4.",
		"1.2.3.4 ",
		"01.2.3.4",
		"1.2.3.00",
		"1..2.3",
		"-1.2.3.4",
		"99999999999.2.3.4",
		"::",
		"::1",
		"1::",
		":1",
		":",
		"1:",
		":::",
		"1:::2",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:",
		"1:2:3:4:5:6:7:8::",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8",
		"1::3:4:5:6:7:8",
		"1::2:3:4:5:6:7:8",
		"abCD:EF09::",
		"12345::",
		"g::",
		"::ffff:192.0.2.1",
		"1:2:3:4:5:6:1.2.3.4",
		"1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3",
		"::1.2.3.4:5",
		"1.2.3.4::",
		"localhost",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_as_libc(texts[i]);
}

/* Addresses as libc prints them, half of them with one character wrong. */
static void ip_parse_is_wrong_about_no_other(void **state)
{
	static const char wrong[] = "0129afF:.g";

	(void)state;
	srand(1); /* NOLINT(cert-msc*): the same each time */
	for (unsigned n = 0; n < 200000; n++) {
		unsigned char ip[IP_MAX];
		char text[INET6_ADDRSTRLEN];

		for (size_t i = 0; i < sizeof ip; i++)
			ip[i] = (unsigned char)(rand() % 3 ? 0 : rand()); /* NOLINT(cert-msc*) */
		inet_ntop(n % 4 ? AF_INET6 : AF_INET, ip, text, sizeof text);
		if (n % 2)
			text[(size_t)rand() % strlen(text)] =               /* NOLINT(cert-msc*) */
				wrong[(size_t)rand() % (sizeof wrong - 1)]; /* NOLINT(cert-msc*) */
		assert_as_libc(text);
	}
}

static void ip_parse_passes_over_a_zone(void **state)
{
	unsigned char ip[IP_MAX], same[IP_MAX];

	(void)state;
	assert_int_equal(ip_parse(ip, "fe80::1%eth0"), 16);
	assert_int_equal(ip_parse(same, "fe80::1"), 16);
	assert_memory_equal(ip, same, sizeof ip);
	assert_int_equal(ip_parse(ip, "fe80::%1"), 16);
	assert_int_equal(ip_parse(ip, "192.0.2.1%eth0"), 0);
	assert_int_equal(ip_parse(ip, "%eth0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_parse_knows_what_libc_knows),
		cmocka_unit_test(ip_parse_is_wrong_about_no_other),
		cmocka_unit_test(ip_parse_passes_over_a_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
