#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdint.h>

/* 2026-11-22T08:42:10Z, by `date -u -d @1795336930`. */
#define MOMENT 1795336930

static void assert_refused(const char *text)
{
	time_t moment = 5;

	if (utc_parse(text, &moment))
		fail_msg("\"%s\" was taken", text);
}

static void utc_formats_as_rfc_3339(void **state)
{
	char utc[UTC_MAX];
	(void)state;

	utc_format(utc, MOMENT);
	assert_string_equal(utc, "2026-11-22T08:42:10Z");
	utc_format(utc, 0);
	assert_string_equal(utc, "1970-01-01T00:00:00Z");
}

static void utc_formats_what_is_out_of_range_as_year_0(void **state)
{
	char utc[UTC_MAX];
	(void)state;

	utc_format(utc, INT64_MAX);
	assert_string_equal(utc, "0000-01-01T00:00:00Z");
	utc_format(utc, INT64_MIN);
	assert_string_equal(utc, "0000-01-01T00:00:00Z");
	utc_format(utc, 253402300800); /* year 10000 */
	assert_string_equal(utc, "0000-01-01T00:00:00Z");
}

static void utc_parses_what_it_formats(void **state)
{
	/* A leap day, the last second, before 1970, after 2038, and the two ends. */
	static const time_t moments[] = { 951782400,  253402300799, -1,
		                          4102444800, MOMENT,       -62167219200 };
	(void)state;

	for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
		char utc[UTC_MAX];
		time_t again = 5;

		utc_format(utc, moments[i]);
		assert_true(utc_parse(utc, &again));
		assert_int_equal(again, moments[i]);
	}
}

/* Tests one day of each week in all years, each at another time of day. Also tests each day of 400
 * years; then the calendar repeats. */
static void utc_agrees_with_the_c_library(void **state)
{
	static const time_t repeats = -62167219200 + 146097 * (time_t)86400;
	(void)state;

	for (time_t moment = -62167219200; moment <= 253402300799;
	     moment += moment < repeats ? 86399 : 600011) {
		char utc[UTC_MAX];
		time_t again;
		struct tm tm;

		assert_non_null(gmtime_r(&moment, &tm));
		assert_int_equal(utc_moment(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		                            tm.tm_hour, tm.tm_min, tm.tm_sec),
		                 moment);
		utc_format(utc, moment);
		assert_true(utc_parse(utc, &again));
		assert_int_equal(again, moment);
		again = utc_moment(tm.tm_year + 1900, tm.tm_mon + 1, 31, 0, 0, 0);
		tm = (struct tm){ .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = 31 };
		assert_int_equal(again, timegm(&tm));
	}
}

static void utc_refuses_other_forms(void **state)
{
	(void)state;

	assert_refused("");
	assert_refused("2026-11-22T08:42:10");
	assert_refused("2026-11-22T08:42:10Z ");
	assert_refused(" 2026-11-22T08:42:10Z");
	assert_refused("2026-11-22 08:42:10Z");
	assert_refused("2026-11-22t08:42:10z");
	assert_refused("2026-11-22T08:42:10.5Z");
	assert_refused("2026-11-22T08:42:10+00:00");
	assert_refused("+026-11-22T08:42:10Z");
}

static void utc_refuses_moments_that_do_not_exist(void **state)
{
	(void)state;

	assert_refused("2026-02-29T00:00:00Z");
	assert_refused("2026-13-01T00:00:00Z");
	assert_refused("2026-00-01T00:00:00Z");
	assert_refused("2026-01-00T00:00:00Z");
	assert_refused("2026-01-01T24:00:00Z");
	assert_refused("2026-01-01T00:60:00Z");
	assert_refused("2026-01-01T00:00:60Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utc_formats_as_rfc_3339),
		cmocka_unit_test(utc_formats_what_is_out_of_range_as_year_0),
		cmocka_unit_test(utc_parses_what_it_formats),
		cmocka_unit_test(utc_agrees_with_the_c_library),
		cmocka_unit_test(utc_refuses_other_forms),
		cmocka_unit_test(utc_refuses_moments_that_do_not_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
