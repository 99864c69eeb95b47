#include "utc.h"

#include <ctype.h>
#include <string.h>

#include "text.h"

void utc_format(char out[static UTC_MAX], time_t moment)
{
	struct text text = text_on(out, UTC_MAX);
	struct tm tm;

	if (!gmtime_r(&moment, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		tm = (struct tm){ .tm_year = -1900, .tm_mday = 1 };
	text_printf(&text, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(tm.tm_year + 1900) % 10000,
	            (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
	            (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	            (unsigned)tm.tm_sec % 100);
}

static int number(const char *digits, size_t len)
{
	int value = 0;

	for (size_t i = 0; i < len; i++)
		value = value * 10 + (digits[i] - '0');
	return value;
}

bool utc_parse(const char *text, time_t *moment)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	char again[UTC_MAX];
	struct tm tm;

	if (strlen(text) != sizeof form - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	tm = (struct tm){
		.tm_year = number(text, 4) - 1900,
		.tm_mon = number(text + 5, 2) - 1,
		.tm_mday = number(text + 8, 2),
		.tm_hour = number(text + 11, 2),
		.tm_min = number(text + 14, 2),
		.tm_sec = number(text + 17, 2),
	};
	*moment = timegm(&tm);
	/* timegm() carries 31 February over into March: what it made must read the same again. */
	utc_format(again, *moment);
	return strcmp(again, text) == 0;
}
