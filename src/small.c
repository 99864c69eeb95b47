#include "small.h"

#include <stdbool.h>
#include <string.h>

/* The standard takes strings as const and gives them back without. */
static void *without_const(const void *bytes)
{
	void *same;

	memcpy(&same, &bytes, sizeof same);
	return same;
}

char *small_strchr(const char *string, int wanted)
{
	for (; *string != (char)wanted; string++)
		if (!*string)
			return NULL;
	return without_const(string);
}

char *small_strstr(const char *string, const char *wanted)
{
	size_t len = strlen(wanted);

	for (; strncmp(string, wanted, len) != 0; string++)
		if (!*string)
			return NULL;
	return without_const(string);
}

void *small_memchr(const void *bytes, int wanted, size_t len)
{
	for (const unsigned char *at = bytes; len > 0; at++, len--)
		if (*at == (unsigned char)wanted)
			return without_const(at);
	return NULL;
}

/* How many bytes at the start are in `set`, or are not. */
static size_t span(const char *string, const char *set, bool in_set)
{
	size_t len = 0;

	while (string[len] && (small_strchr(set, string[len]) != NULL) == in_set)
		len++;
	return len;
}

size_t small_strspn(const char *string, const char *allowed)
{
	return span(string, allowed, true);
}

size_t small_strcspn(const char *string, const char *ends)
{
	return span(string, ends, false);
}

/* The builds for the tests have glibc, and keep its. */
#ifndef __GLIBC__
char *strchr(const char *string, int wanted) __attribute__((alias("small_strchr")));
char *strstr(const char *string, const char *wanted) __attribute__((alias("small_strstr")));
void *memchr(const void *bytes, int wanted, size_t len) __attribute__((alias("small_memchr")));
size_t strspn(const char *string, const char *allowed) __attribute__((alias("small_strspn")));
size_t strcspn(const char *string, const char *ends) __attribute__((alias("small_strcspn")));
#endif
