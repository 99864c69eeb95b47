#include "small.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

void small_qsort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	unsigned char *first = items;

	for (size_t i = 1; i < count; i++) {
		unsigned char *item = first + i * size;

		for (; item > first && compare(item - size, item) > 0; item -= size) {
			for (unsigned char *at = item - size; at < item; at++) {
				unsigned char byte = *at;

				*at = at[size];
				at[size] = byte;
			}
		}
	}
}

/* The standard takes strings as const and gives them back without. */
static char *without_const(const char *string)
{
	char *same;

	memcpy(&same, &string, sizeof same);
	return same;
}

char *small_strstr(const char *string, const char *wanted)
{
	size_t len = strlen(wanted);

	for (; strncmp(string, wanted, len) != 0; string++)
		if (!*string)
			return NULL;
	return without_const(string);
}

/* The value of a digit, or more than any where `c` is none. */
static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	/* Lower case, and far from every letter what is not one. */
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

static unsigned long long number(const char *string, char **end, int base, unsigned long long most)
{
	const char *at = string, *digits;
	unsigned long long value = 0;
	bool negative, too_big = false;
	unsigned digit;

	while (isspace((unsigned char)*at))
		at++;
	negative = *at == '-';
	if (*at == '-' || *at == '+')
		at++;
	if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | 0x20) == 'x' &&
	    digit_value(at[2]) < 16) {
		at += 2;
		base = 16;
	} else if (base == 0) {
		base = *at == '0' ? 8 : 10;
	}
	for (digits = at; (digit = digit_value(*at)) < (unsigned)base; at++) {
		too_big = too_big || value > (most - digit) / (unsigned)base;
		value = value * (unsigned)base + digit;
	}
	if (end)
		*end = without_const(at == digits ? string : at);
	if (too_big) {
		errno = ERANGE;
		return most;
	}
	return negative ? 0 - value : value;
}

unsigned long long small_strtoull(const char *string, char **end, int base)
{
	return number(string, end, base, ULLONG_MAX);
}

unsigned long small_strtoul(const char *string, char **end, int base)
{
	return (unsigned long)number(string, end, base, ULONG_MAX);
}

/* In the "C" locale a byte is a character. */
size_t small_mbstowcs(wchar_t *wide, const char *string, size_t most)
{
	size_t len = 0;

	for (; (!wide || len < most) && string[len]; len++)
		if (wide)
			wide[len] = (unsigned char)string[len];
	if (wide && len < most)
		wide[len] = L'\0';
	return len;
}

/* The builds for the tests have glibc, and keep its. */
#ifndef __GLIBC__
void qsort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
	__attribute__((alias("small_qsort")));
char *strstr(const char *string, const char *wanted) __attribute__((alias("small_strstr")));
unsigned long long strtoull(const char *string, char **end, int base)
	__attribute__((alias("small_strtoull")));
unsigned long strtoul(const char *string, char **end, int base)
	__attribute__((alias("small_strtoul")));
size_t mbstowcs(wchar_t *wide, const char *string, size_t most)
	__attribute__((alias("small_mbstowcs")));
#endif
