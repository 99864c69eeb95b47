#include "base/ip.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Four numbers up to 255, without leading zeros: some programs read those as octal. */
static bool parse_v4(unsigned char *ip, const char *text)
{
	for (size_t i = 0; i < 4; i++) {
		const char *first = text;
		unsigned value = 0;

		while (*text >= '0' && *text <= '9' && value <= UINT8_MAX)
			value = value * 10 + (unsigned)(*text++ - '0');
		if (text == first || value > UINT8_MAX || (*first == '0' && text > first + 1) ||
		    *text != (i < 3 ? '.' : '\0'))
			return false;
		ip[i] = (unsigned char)value;
		text++;
	}
	return true;
}

/* Reads up to four hex digits and moves `*text` past them. */
static unsigned parse_group(const char **text)
{
	unsigned value = 0;

	for (const char *end = *text + 4; *text < end && isxdigit((unsigned char)**text);
	     (*text)++) {
		unsigned digit = (unsigned char)**text;

		value = value << 4 |
		        (isdigit((int)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return value;
}

static bool parse_v6(unsigned char *ip, const char *text)
{
	size_t len = 0, gap = IP_MAX;

	/* "::" may be at the start; a single colon may not. */
	if (text[0] == ':' && *++text != ':')
		return false;
	while (len < IP_MAX) {
		const char *first = text;
		unsigned group;

		if (*text == ':') {
			if (gap < IP_MAX)
				return false;
			gap = len;
			first = ++text;
			if (!*text || *text == '%')
				break;
		}
		group = parse_group(&text);
		if (text == first)
			return false;
		if (*text == '.' && len <= IP_MAX - 4 && parse_v4(ip + len, first)) {
			len += 4;
			text = "";
			break;
		}
		ip[len++] = (unsigned char)(group >> 8);
		ip[len++] = (unsigned char)group;
		if (!*text || *text == '%')
			break;
		/* Another group must follow. */
		if (*text++ != ':' || !*text || len == IP_MAX)
			return false;
	}
	if ((*text && *text != '%') || (len == IP_MAX) != (gap == IP_MAX))
		return false;
	if (gap < IP_MAX) {
		memmove(ip + IP_MAX - (len - gap), ip + gap, len - gap);
		memset(ip + gap, 0, IP_MAX - len);
	}
	return true;
}

size_t ip_parse(unsigned char ip[static IP_MAX], const char *text)
{
	if (parse_v4(ip, text))
		return 4;
	return parse_v6(ip, text) ? IP_MAX : 0;
}
