#include "base/clock.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define DAY_S 86400

/* Days are counted from 1 March of the year -400. So no number is negative, and 29 February is the
 * last day of a year. gmtime() and timegm() would add 1.5 KiB. */
#define DAYS_TO_1970 865565

static int64_t days_to_year(int64_t years)
{
	return years * 365 + years / 4 - years / 100 + years / 400;
}

/* From March on, months have 31, 30, 31, 30 and 31 days, then the same again. */
static int days_to_month(int months)
{
	return (months * 153 + 2) / 5;
}

time_t utc_moment(int year, int month, int day, int hour, int minute, int second)
{
	int64_t days = days_to_year(year + 400 - (month < 3)) + days_to_month((month + 9) % 12) +
	               day - 1 - DAYS_TO_1970;

	return (days * 24 + hour) * 3600 + minute * 60 + second;
}

static void write_two(char out[static 2], int number)
{
	out[0] = (char)('0' + number / 10);
	out[1] = (char)('0' + number % 10);
}

void utc_format(char out[static UTC_MAX], time_t moment)
{
	int64_t days, years;
	int months, second, year;

	memcpy(out, "0000-01-01T00:00:00Z", UTC_MAX);
	if (moment < utc_moment(0, 1, 1, 0, 0, 0) || moment > utc_moment(9999, 12, 31, 23, 59, 59))
		return;
	moment += DAYS_TO_1970 * (int64_t)DAY_S;
	days = moment / DAY_S;
	second = (int)(moment % DAY_S);
	for (years = days / 365; days_to_year(years) > days; years--)
		;
	days -= days_to_year(years);
	for (months = 11; days_to_month(months) > days; months--)
		;
	year = (int)years - 400 + (months > 9);
	write_two(out, year / 100);
	write_two(out + 2, year % 100);
	write_two(out + 5, (months + 2) % 12 + 1);
	write_two(out + 8, (int)days - days_to_month(months) + 1);
	write_two(out + 11, second / 3600);
	write_two(out + 14, second / 60 % 60);
	write_two(out + 17, second % 60);
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

	if (strlen(text) != sizeof form - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	*moment = utc_moment(number(text, 4), number(text + 5, 2), number(text + 8, 2),
	                     number(text + 11, 2), number(text + 14, 2), number(text + 17, 2));
	/* A date that does not exist, such as 31 February, does not survive the round trip. */
	utc_format(again, *moment);
	return strcmp(again, text) == 0;
}
