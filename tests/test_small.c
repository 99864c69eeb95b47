#include "small.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* Beside the C library of this machine. */

static const char *const strings[] = {
	"",   "a",   "aa",   "aab",      "baab",          "abc", "cba", "-",
	"=x", "k=v", "\x80", "\xff\x80", "a line, or so", " \t", ":",   "127.0.0.1 a aab\n",
};

#define STRINGS (sizeof strings / sizeof strings[0])

static void finds_what_the_c_library_finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRINGS; i++) {
		for (size_t j = 0; j < STRINGS; j++)
			assert_ptr_equal(small_strstr(strings[i], strings[j]),
			                 strstr(strings[i], strings[j]));
		/* The NUL at the end is part of the string. */
		for (int c = 0; c < 256; c++)
			assert_ptr_equal(small_strchr(strings[i], c), strchr(strings[i], c));
	}
}

static void finds_bytes_and_looks_no_further(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRINGS; i++) {
		size_t len = strlen(strings[i]);
		char *bytes = malloc(len + 1); /* so that the sanitizer sees a byte too many */

		if (!bytes) {
			fail();
			return;
		}
		memcpy(bytes, strings[i], len + 1);
		for (size_t max = 0; max <= len + 1; max++)
			for (int c = 0; c < 256; c++)
				assert_ptr_equal(small_memchr(bytes, c, max),
				                 memchr(bytes, c, max));
		free(bytes);
	}
}

static void counts_as_the_c_library_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < STRINGS; i++) {
		for (size_t j = 0; j < STRINGS; j++) {
			assert_int_equal(small_strspn(strings[i], strings[j]),
			                 strspn(strings[i], strings[j]));
			assert_int_equal(small_strcspn(strings[i], strings[j]),
			                 strcspn(strings[i], strings[j]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_the_c_library_finds),
		cmocka_unit_test(finds_bytes_and_looks_no_further),
		cmocka_unit_test(counts_as_the_c_library_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
