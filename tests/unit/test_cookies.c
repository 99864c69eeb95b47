#include "http/cookies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static bool take(struct cookies *cookies, const char *value)
{
	return cookies_set(cookies, value, strlen(value));
}

static const char *put(const struct cookies *cookies)
{
	static char buf[COOKIES_COUNT * COOKIES_PAIR_MAX + 32];
	struct text text = text_on(buf, sizeof buf);

	cookies_append(cookies, &text);
	assert_false(text.full);
	return buf;
}

static void cookies_put_nothing_where_there_are_none(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_string_equal(put(&c), "");
}

static void cookies_echo_one_of_any_name_as_it_was_set(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_true(take(&c, "QBT_SID_8080=a/b+c==; HttpOnly; SameSite=Strict; path=/"));
	assert_string_equal(put(&c), "QBT_SID_8080=a/b+c==");
}

static void cookies_echo_several(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	take(&c, "SID=1");
	take(&c, "proxy=2; Secure");
	assert_string_equal(put(&c), "SID=1; proxy=2");
}

static void cookies_replace_one_of_the_same_name(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	take(&c, "SID=1");
	take(&c, "SIDE=x");
	assert_true(take(&c, "SID=2"));
	assert_string_equal(put(&c), "SIDE=x; SID=2");
}

static void cookies_compare_whole_names(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	take(&c, "SIDE=x");
	take(&c, "SID=1");
	assert_string_equal(put(&c), "SIDE=x; SID=1");
}

static void cookies_tell_whether_anything_changed(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_true(take(&c, "SID=1"));
	assert_false(take(&c, "SID=1; HttpOnly"));
	assert_true(take(&c, "SID=12"));
}

static void cookies_remove_one_that_is_set_empty(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	take(&c, "SID=1");
	take(&c, "other=2");
	assert_true(take(&c, "SID=; path=/"));
	assert_string_equal(put(&c), "other=2");
}

static void cookies_remove_one_whose_max_age_is_over(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	take(&c, "SID=1");
	assert_true(take(&c, "SID=2; path=/;  mAx-aGe=0"));
	assert_string_equal(put(&c), "");
	take(&c, "SID=1");
	assert_true(take(&c, "SID=2; Max-Age=-1; path=/"));
	assert_string_equal(put(&c), "");
}

static void cookies_keep_one_whose_max_age_is_to_come(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_true(take(&c, "SID=1; Max-Age=3600"));
	assert_string_equal(put(&c), "SID=1");
}

static void cookies_say_that_removing_none_changes_nothing(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_false(take(&c, "SID="));
	assert_false(take(&c, "SID=1; Max-Age=0"));
}

static void cookies_ignore_what_is_not_a_pair(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_false(take(&c, ""));
	assert_false(take(&c, "SID"));
	assert_false(take(&c, "=1"));
	assert_false(take(&c, "; SID=1"));
	assert_string_equal(put(&c), "");
}

static void cookies_drop_blanks_around_the_pair(void **state)
{
	struct cookies c = { 0 };
	(void)state;

	assert_true(take(&c, " \tSID=1 \t; path=/"));
	assert_string_equal(put(&c), "SID=1");
}

static void cookies_leave_out_one_that_is_too_long(void **state)
{
	struct cookies c = { 0 };
	char value[COOKIES_PAIR_MAX + 1];
	(void)state;

	memset(value, 'x', sizeof value - 1);
	value[1] = '=';
	value[sizeof value - 1] = '\0';
	assert_false(take(&c, value));
	value[sizeof value - 2] = '\0';
	assert_true(take(&c, value));
	assert_string_equal(put(&c), value);
}

static void cookies_keep_no_more_than_eight(void **state)
{
	struct cookies c = { 0 };
	char value[16];
	(void)state;

	for (int i = 0; i <= COOKIES_COUNT; i++) {
		snprintf(value, sizeof value, "c%d=1", i);
		assert_true(take(&c, value));
	}
	assert_int_equal(c.count, COOKIES_COUNT);
	assert_string_equal(put(&c), "c1=1; c2=1; c3=1; c4=1; c5=1; c6=1; c7=1; c8=1");
}

/* As cookies.h says: a cookie that is set again becomes the newest. */
static void cookies_drop_the_one_set_longest_ago(void **state)
{
	struct cookies c = { 0 };
	char value[16];
	(void)state;

	for (int i = 0; i < COOKIES_COUNT; i++) {
		snprintf(value, sizeof value, "c%d=1", i);
		take(&c, value);
	}
	take(&c, "c0=2");
	take(&c, "new=1");
	assert_non_null(strstr(put(&c), "c0=2"));
	assert_null(strstr(put(&c), "c1=1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_put_nothing_where_there_are_none),
		cmocka_unit_test(cookies_echo_one_of_any_name_as_it_was_set),
		cmocka_unit_test(cookies_echo_several),
		cmocka_unit_test(cookies_replace_one_of_the_same_name),
		cmocka_unit_test(cookies_compare_whole_names),
		cmocka_unit_test(cookies_tell_whether_anything_changed),
		cmocka_unit_test(cookies_remove_one_that_is_set_empty),
		cmocka_unit_test(cookies_remove_one_whose_max_age_is_over),
		cmocka_unit_test(cookies_keep_one_whose_max_age_is_to_come),
		cmocka_unit_test(cookies_say_that_removing_none_changes_nothing),
		cmocka_unit_test(cookies_ignore_what_is_not_a_pair),
		cmocka_unit_test(cookies_drop_blanks_around_the_pair),
		cmocka_unit_test(cookies_leave_out_one_that_is_too_long),
		cmocka_unit_test(cookies_keep_no_more_than_eight),
		cmocka_unit_test(cookies_drop_the_one_set_longest_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
