#include "url.h"

#include <string.h>
#include <strings.h>

#include "config_value.h"

/* Visible ASCII only: a line end would begin a header. */
static bool is_visible(const char *text)
{
	while (*text > ' ' && *text <= '~')
		text++;
	return !*text;
}

bool url_parse(struct url *url, const char *text)
{
	char authority[CONFIG_HOST_MAX + sizeof "[]:65535"], *end;
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
	/* An address with colons has brackets in a URL. */
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
