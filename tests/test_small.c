#include "small.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- beside the C library of this machine ---- */

static int by_first_byte(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

static void sorts_as_the_c_library_does(void **state)
{
	(void)state;

	for (size_t count = 0; count <= 48; count++) {
		unsigned char items[48][36] = { 0 }, expected[48][36];

		for (size_t i = 0; i < count; i++)
			memset(items[i], (int)((i * 29 + count) % 41), sizeof items[i]);
		memcpy(expected, items, sizeof items);
		small_qsort(items, count, sizeof items[0], by_first_byte);
		qsort(expected, count, sizeof expected[0], by_first_byte);
		assert_memory_equal(items, expected, count * sizeof items[0]);
	}
}

static void finds_what_the_c_library_finds(void **state)
{
	static const char *const strings[] = { "", "a", "aa", "aab", "baab", "127.0.0.1 a aab\n" };
	(void)state;

	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
		for (size_t j = 0; j < sizeof strings / sizeof strings[0]; j++)
			assert_ptr_equal(small_strstr(strings[i], strings[j]),
			                 strstr(strings[i], strings[j]));
}

static void reads_the_numbers_that_the_c_library_reads(void **state)
{
	static const char *const strings[] = {
		"",
		"0",
		"7",
		"08",
		"010",
		"0x",
		"0xg",
		"0x1F",
		"0XfFz",
		"65535",
		"65536.",
		" \t\n12 3",
		"+5",
		"-5",
		"- 5",
		"+-5",
		"abc",
		"Zz9",
		"@`[{/:",
		"4294967295",
		"4294967296",
		"18446744073709551615",
		"18446744073709551616",
		"-18446744073709551616",
		"99999999999999999999999999",
		"0xffffffffffffffff",
		"0x10000000000000000",
	};
	static const int bases[] = { 0, 2, 8, 10, 16, 36 };
	(void)state;

	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
		for (size_t j = 0; j < sizeof bases / sizeof bases[0]; j++) {
			char *end, *expected_end;
			int error;

			errno = 0;
			assert_int_equal(small_strtoull(strings[i], &end, bases[j]),
			                 strtoull(strings[i], NULL, bases[j]));
			errno = 0;
			(void)strtoul(strings[i], &expected_end, bases[j]);
			error = errno;
			errno = 0;
			assert_int_equal(small_strtoul(strings[i], &end, bases[j]),
			                 strtoul(strings[i], NULL, bases[j]));
			assert_ptr_equal(end, expected_end);
			errno = 0;
			(void)small_strtoul(strings[i], NULL, bases[j]);
			assert_int_equal(errno, error);
		}
}

static void counts_and_widens_the_characters_that_the_c_library_does(void **state)
{
	static const char string[] = "gluetun.";
	(void)state;

	assert_int_equal(small_mbstowcs(NULL, string, 0), strlen(string));
	for (size_t most = 0; most <= sizeof string; most++) {
		wchar_t wide[sizeof string + 1], expected[sizeof string + 1];

		memset(wide, 1, sizeof wide);
		memset(expected, 1, sizeof expected);
		assert_int_equal(small_mbstowcs(wide, string, most),
		                 mbstowcs(expected, string, most));
		assert_memory_equal(wide, expected, sizeof wide);
	}
}

/* ---- where the two libraries differ ---- */

static void takes_any_byte_as_a_character(void **state)
{
	wchar_t wide[4];
	(void)state;

	assert_int_equal(small_mbstowcs(NULL, "\xff\xc3", 0), 2);
	assert_int_equal(small_mbstowcs(wide, "\xff\xc3", 4), 2);
	assert_int_equal(wide[0], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_as_the_c_library_does),
		cmocka_unit_test(finds_what_the_c_library_finds),
		cmocka_unit_test(reads_the_numbers_that_the_c_library_reads),
		cmocka_unit_test(counts_and_widens_the_characters_that_the_c_library_does),
		cmocka_unit_test(takes_any_byte_as_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
