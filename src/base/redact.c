#include "base/redact.h"

#include <string.h>

#include "base/ip.h"

const char *const redact_kinds[REDACT_KINDS] = {
	[REDACT_NOTHING] = "nothing",
	[REDACT_BINARY] = "binary data",
	[REDACT_NOT_ASCII] = "text that is not ASCII",
	[REDACT_QUOTED] = "text in quotation marks",
	[REDACT_BLANKS] = "text with blanks",
	[REDACT_URL] = "a URL",
	[REDACT_AT] = "text with an @",
	[REDACT_NUMBER] = "a number",
	[REDACT_SIGNED] = "a number with a sign",
	[REDACT_NUMBER_AND_MORE] = "a number followed by other characters",
	[REDACT_HOST_AND_PORT] = "a name with a port",
	[REDACT_PATH] = "a path",
	[REDACT_DIRECTORY] = "a path that ends in /",
	[REDACT_TEXT] = "text",
};

/* ---- kinds ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(const char *bytes, size_t len)
{
	size_t count = 0;

	while (count < len && is_digit(bytes[count]))
		count++;
	return count;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_control(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)bytes[i] < 0x20 && !is_blank(bytes[i])) || bytes[i] == 0x7f)
			return true;
	return false;
}

static bool has_high(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] >= 0x80)
			return true;
	return false;
}

static bool has_blank(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (is_blank(bytes[i]))
			return true;
	return false;
}

static bool is_quoted(const char *bytes, size_t len)
{
	return (bytes[0] == '"' || bytes[0] == '\'') && bytes[len - 1] == bytes[0];
}

static bool ends_in_port(const char *bytes, size_t len)
{
	size_t end = len;

	while (end > 0 && is_digit(bytes[end - 1]))
		end--;
	return end > 1 && end < len && bytes[end - 1] == ':';
}

/* `bytes` are visible ASCII. */
static enum redact_kind kind_of_word(const char *bytes, size_t len)
{
	size_t number = digits(bytes, len);

	if (text_find(bytes, len, "://"))
		return REDACT_URL;
	if (memchr(bytes, '@', len))
		return REDACT_AT;
	if (number == len)
		return REDACT_NUMBER;
	if ((*bytes == '-' || *bytes == '+') && len > 1 && digits(bytes + 1, len - 1) == len - 1)
		return REDACT_SIGNED;
	if (ends_in_port(bytes, len))
		return REDACT_HOST_AND_PORT;
	if (number > 0)
		return REDACT_NUMBER_AND_MORE;
	if (*bytes == '/')
		return bytes[len - 1] == '/' ? REDACT_DIRECTORY : REDACT_PATH;
	return REDACT_TEXT;
}

enum redact_kind redact_kind_of(const char *bytes, size_t len)
{
	if (len == 0)
		return REDACT_NOTHING;
	if (has_control(bytes, len))
		return REDACT_BINARY;
	if (has_high(bytes, len))
		return REDACT_NOT_ASCII;
	if (is_quoted(bytes, len))
		return REDACT_QUOTED;
	return has_blank(bytes, len) ? REDACT_BLANKS : kind_of_word(bytes, len);
}

void redact_append_kind(struct text *text, const char *bytes, size_t len)
{
	text_printf(text, "%s (%zu byte%s)", redact_kinds[redact_kind_of(bytes, len)], len,
	            len == 1 ? "" : "s");
}

/* ---- values that may be shown ---- */

void redact_append_address(struct text *text, const char *string)
{
	unsigned char ip[IP_MAX];
	bool shows = ip_parse(ip, string) > 0 && !strchr(string, '%');

	/* Anything may follow a %. */
	text_append(text, shows ? string : "(not an IP address)");
}

void redact_append_variable(struct text *text, const char *name, size_t len)
{
	const size_t most = 40;
	size_t i = 0;

	while (i < len && i < most &&
	       (is_digit(name[i]) || name[i] == '_' || (name[i] >= 'A' && name[i] <= 'Z')))
		i++;
	text_append_bytes(text, name, i);
	if (i < len)
		text_append(text, "...");
}

bool redact_is_version(const char *bytes, size_t len)
{
	static const char *const stages[] = { "alpha", "beta", "rc" };
	const char *end = bytes + len;
	unsigned numbers = 0;

	if (len == 0 || len > 24)
		return false;
	bytes += *bytes == 'v';
	for (bool more = true; more; numbers++) {
		size_t count = digits(bytes, (size_t)(end - bytes));

		if (count == 0 || count > 4)
			return false;
		bytes += count;
		more = bytes < end && *bytes == '.';
		bytes += more;
	}
	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
		size_t stage = strlen(stages[i]), left = (size_t)(end - bytes);

		if (left < stage || memcmp(bytes, stages[i], stage) != 0)
			continue;
		bytes += stage;
		bytes += digits(bytes, left - stage > 4 ? 4 : left - stage);
		break;
	}
	return bytes == end && numbers >= 2 && numbers <= 4;
}
