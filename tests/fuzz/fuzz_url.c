/* fuzz_url: what is taken of a URL is what stands in it, and nothing else is. */
#include "config/url.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same URL, put together from its parts, has the same parts. */
static void check_again(const struct url *url)
{
	bool brackets = strchr(url->host, ':');
	size_t room = strlen(url->path) + LIMITS_HOST_MAX + 32;
	char *text = malloc(room);
	struct url again;

	assert(text);
	snprintf(text, room, "%s://%s%s%s:%u%s", url->https ? "https" : "http", brackets ? "[" : "",
	         url->host, brackets ? "]" : "", (unsigned)url->port, url->path);
	assert(url_parse(&again, text));
	assert(again.https == url->https && again.port == url->port);
	assert(strcmp(again.host, url->host) == 0 && strcmp(again.path, url->path) == 0);
	free(text);
}

/* What is shown of it is in our words, or a URL that ends with the host and the port. */
static void check_origin(const char *location, size_t size)
{
	char buf[URL_ORIGIN_MAX];
	struct text text = text_on(buf, sizeof buf);
	const char *host;
	struct url url;
	char whole[URL_ORIGIN_MAX + 8];

	url_append_origin(&text, location, size);
	host = strstr(buf, "//");
	assert(!text.full && text.len > 0);
	if (!host) {
		assert(strcmp(buf, "an address that is not shown") == 0 ||
		       strcmp(buf, "another path of the same server") == 0);
		return;
	}
	snprintf(whole, sizeof whole, "%s%s", host == buf ? "http:" : "", buf);
	assert(url_parse(&url, whole) && !*url.path && !strchr(buf, '@'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct url url;

	assert(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_origin(text, size);
	if (url_parse(&url, text)) {
		size_t len = strlen(text), path_len = strlen(url.path);

		assert(strncasecmp(text, url.https ? "https://" : "http://", url.https ? 8 : 7) ==
		       0);
		for (const char *at = text; *at; at++)
			assert(*at > ' ' && *at <= '~');
		assert(url.path == text + len - path_len);
		assert(!*url.path || strchr("/?#", *url.path));
		/* Nothing of a user gets lost, since there can be none. */
		assert(memchr(text, '@', len - path_len) == NULL);
		assert(url.port > 0 && url.host[0] && !strpbrk(url.host, "[]/?#@"));
		check_again(&url);
	}
	free(text);
	return 0;
}
