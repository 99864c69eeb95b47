/* fuzz_cookies: lines of the input as values of Set-Cookie, one after the other. */
#include "http/cookies.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pair(const struct cookies *cookies, size_t i)
{
	const char *pair = cookies->pairs[i];
	size_t len = strnlen(pair, COOKIES_PAIR_MAX);
	const char *equals = strchr(pair, '=');
	size_t name;

	assert(len < COOKIES_PAIR_MAX);
	assert(equals && equals > pair && equals[1]);
	assert(!strchr(pair, ';'));
	assert(!strchr(" \t", pair[0]) && !strchr(" \t", pair[len - 1]));
	name = (size_t)(equals - pair) + 1;
	for (size_t j = 0; j < i; j++)
		assert(strncmp(cookies->pairs[j], pair, name) != 0);
}

static void check(const struct cookies *cookies)
{
	char header[COOKIES_COUNT * (COOKIES_PAIR_MAX + 2) + 1];
	struct text text = text_on(header, sizeof header);
	const char *at = header;

	assert(cookies->count <= COOKIES_COUNT);
	cookies_append(cookies, &text);
	assert(!text.full);
	for (size_t i = 0; i < cookies->count; i++) {
		size_t len = strlen(cookies->pairs[i]);

		check_pair(cookies, i);
		if (i > 0) {
			assert(strncmp(at, "; ", 2) == 0);
			at += 2;
		}
		assert(strncmp(at, cookies->pairs[i], len) == 0);
		at += len;
	}
	assert(*at == '\0');
}

static bool are_same(const struct cookies *a, const struct cookies *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->pairs[i], b->pairs[i]) != 0)
			return false;
	return true;
}

/* The value is on the heap by itself, so that the sanitizer sees a byte read too many. */
static void take(struct cookies *cookies, const uint8_t *bytes, size_t len)
{
	struct cookies before = *cookies;
	char *value = malloc(len + 1);
	size_t kept = 0;
	bool changed;

	assert(value);
	/* Control characters other than tabs do not get past http. */
	for (size_t i = 0; i < len; i++)
		if ((bytes[i] >= 0x20 && bytes[i] != 0x7f) || bytes[i] == '\t')
			value[kept++] = (char)bytes[i];
	changed = cookies_set(cookies, value, kept);
	free(value);
	/* Where all is as before it may still have been set again, but then as it was. */
	assert(changed || are_same(cookies, &before));
	assert(!changed || !are_same(cookies, &before));
	check(cookies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cookies cookies = { 0 };
	size_t start = 0;

	for (size_t i = 0; i <= size; i++) {
		if (i < size && data[i] != '\n')
			continue;
		take(&cookies, data + start, i - start);
		start = i + 1;
	}
	return 0;
}
