#include "config/url.h"

#include <string.h>
#include <strings.h>

#include "config/value.h"

/* Visible ASCII only: a line end would start another header. */
static bool is_visible(const char *text)
{
	while (*text > ' ' && *text <= '~')
		text++;
	return !*text;
}

bool url_parse(struct url *url, const char *text)
{
	char authority[LIMITS_HOST_MAX + sizeof "[]:65535"], *end;
	unsigned port;
	size_t len;

	url->https = strncasecmp(text, "https:", 6) == 0;
	text += url->https;
	if ((!url->https && strncasecmp(text, "http:", 5) != 0) || text[5] != '/' || text[6] != '/')
		return false;
	text += 7;
	len = strcspn(text, "/?#");
	if (len >= sizeof authority || !is_visible(text))
		return false;
	memcpy(authority, text, len);
	authority[len] = '\0';
	/* An IPv6 address has brackets in a URL. */
	end = authority + strcspn(authority, *authority == '[' ? "]" : ":");
	end += *end == ']';
	port = url->https ? 443 : 80;
	if (*end == ':' && !config_value_number(end + 1, 1, UINT16_MAX, &port))
		return false;
	if (*end == ':')
		*end = '\0';
	url->port = (uint16_t)port;
	url->path = text + len;
	return config_value_host(authority, url->host);
}

/* ---- the part that may be shown ---- */

/* Appends "host", "host:port" or "[address]:port". False, and nothing appended: it is malformed. */
static bool append_authority(struct text *text, char *authority)
{
	char host[LIMITS_HOST_MAX];
	char *end = authority + strcspn(authority, *authority == '[' ? "]" : ":");
	unsigned port = 0;

	end += *end == ']';
	if (*end && (*end != ':' || !config_value_number(end + 1, 1, UINT16_MAX, &port)))
		return false;
	*end = '\0';
	/* A zone has no meaning on other hosts. */
	if (!config_value_host(authority, host) || strchr(host, '%'))
		return false;
	text_printf(text, strchr(host, ':') ? "[%s]" : "%s", host);
	if (port > 0)
		text_printf(text, ":%u", port);
	return true;
}

/* Finds the authority of the URL of `len` bytes: "" if it must not be shown. Returns the scheme or
 * NULL. */
static const char *find_authority(char authority[static LIMITS_HOST_MAX], const char *url,
                                  size_t len)
{
	static const char *const schemes[] = { "https://", "http://", "//" };
	const char *scheme = NULL, *start, *end, *stop = url + len;

	authority[0] = '\0';
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0] && !scheme; i++)
		if (len >= strlen(schemes[i]) &&
		    strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			scheme = schemes[i];
	if (!scheme)
		return NULL;
	start = end = url + strlen(scheme);
	for (; end < stop && *end && !strchr("/\\?#", *end); end++)
		if (*end == '@')
			start = end + 1; /* never show a user */
	len = (size_t)(end - start);
	/* A later @ may end a user's password that contains a slash. */
	if (memchr(end, '@', (size_t)(stop - end)) || len >= LIMITS_HOST_MAX)
		return scheme;
	memcpy(authority, start, len);
	authority[len] = '\0';
	return scheme;
}

void url_append_origin(struct text *text, const char *location, size_t len)
{
	char authority[LIMITS_HOST_MAX], shown[LIMITS_HOST_MAX + 16];
	struct text origin = text_on(shown, sizeof shown);
	const char *scheme = find_authority(authority, location, len);

	if (scheme && append_authority(&origin, authority))
		text_printf(text, "%s%s", scheme, shown);
	else if (!scheme && len > 0 && *location == '/')
		text_append(text, "another path of the same server");
	else
		text_append(text, "an address that is not shown");
}
