#include "http/cookies.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **at, size_t *len)
{
	while (*len > 0 && is_blank(**at)) {
		++*at;
		--*len;
	}
	while (*len > 0 && is_blank((*at)[*len - 1]))
		--*len;
}

/* Whether the attributes include a Max-Age of 0 or less. */
static bool is_expired(const char *attributes, size_t len)
{
	static const char max_age[] = "max-age=";

	while (len > 0) {
		const char *semicolon = memchr(attributes, ';', len);
		size_t part = semicolon ? (size_t)(semicolon - attributes) : len;
		const char *at = attributes;
		size_t at_len = part;

		trim(&at, &at_len);
		if (at_len >= sizeof max_age && strncasecmp(at, max_age, sizeof max_age - 1) == 0 &&
		    (at[sizeof max_age - 1] == '-' || at[sizeof max_age - 1] == '0'))
			return true;
		part += semicolon ? 1 : 0;
		attributes += part;
		len -= part;
	}
	return false;
}

static void drop(struct cookies *cookies, size_t i)
{
	cookies->count--;
	memmove(cookies->pairs[i], cookies->pairs[i + 1],
	        (cookies->count - i) * sizeof cookies->pairs[0]);
}

/* The index of the cookie whose name is the first `name_len` bytes of `pair`, or count. */
static size_t find(const struct cookies *cookies, const char *pair, size_t name_len)
{
	size_t i = 0;

	while (i < cookies->count && (strncmp(cookies->pairs[i], pair, name_len) != 0 ||
	                              cookies->pairs[i][name_len] != '='))
		i++;
	return i;
}

bool cookies_set(struct cookies *cookies, const char *value, size_t len)
{
	const char *semicolon = memchr(value, ';', len);
	const char *pair = value;
	size_t pair_len = semicolon ? (size_t)(semicolon - value) : len;
	const char *equals;
	size_t name_len, i;

	trim(&pair, &pair_len);
	equals = memchr(pair, '=', pair_len);
	if (!equals || equals == pair || pair_len >= COOKIES_PAIR_MAX)
		return false;
	name_len = (size_t)(equals - pair);
	i = find(cookies, pair, name_len);
	if (name_len + 1 == pair_len ||
	    (semicolon && is_expired(semicolon + 1, len - (size_t)(semicolon + 1 - value)))) {
		if (i == cookies->count)
			return false;
		drop(cookies, i);
		return true;
	}
	if (i < cookies->count && strlen(cookies->pairs[i]) == pair_len &&
	    memcmp(cookies->pairs[i], pair, pair_len) == 0)
		return false;
	/* Keep the newest last, so that the first is the oldest. */
	if (i < cookies->count)
		drop(cookies, i);
	else if (cookies->count == COOKIES_COUNT)
		drop(cookies, 0);
	memcpy(cookies->pairs[cookies->count], pair, pair_len);
	cookies->pairs[cookies->count++][pair_len] = '\0';
	return true;
}

void cookies_append(const struct cookies *cookies, struct text *text)
{
	for (size_t i = 0; i < cookies->count; i++) {
		if (i > 0)
			text_append(text, "; ");
		text_append(text, cookies->pairs[i]);
	}
}
