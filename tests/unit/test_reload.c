#include "process/reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#define OURS "Name:\tqsticky\nUmask:\t0022\nSigBlk:\t0000000000001000\n"

static bool fits(const char *name, const char *blocked)
{
	char status[256];

	snprintf(
		status, sizeof status,
		"Name:\t%s\nUmask:\t0022\nState:\tS (sleeping)\nSigPnd:\t1\nSigBlk:\t%s\nSigIgn:\t1\n",
		name, blocked);
	return reload_fits(status, OURS);
}

static void reload_knows_the_sidecar(void **state)
{
	(void)state;

	/* SIGHUP, SIGINT, SIGPIPE, SIGTERM and SIGCHLD are blocked. */
	assert_true(fits("qsticky", "0000000000015003"));
	assert_true(fits("qsticky", "0000000000000001"));
	assert_true(fits("qsticky", "0000000000000009"));
	assert_true(fits("qsticky", "000000000000000b"));
	assert_true(fits("qsticky", "000000000000000f"));
}

static void reload_knows_no_stranger(void **state)
{
	(void)state;

	assert_false(fits("qstick", "0000000000015003"));
	assert_false(fits("qsticky2", "0000000000015003"));
	assert_false(fits("sh\\nName:\tqsticky", "0000000000015003"));
	assert_false(reload_fits("", OURS));
}

static void reload_knows_nobody_whom_the_signal_would_end(void **state)
{
	(void)state;

	assert_false(fits("qsticky", "0000000000000000"));
	assert_false(fits("qsticky", "0000000000015002"));
	assert_false(fits("qsticky", "0000000000015008"));
	assert_false(fits("qsticky", "000000000001500a"));
	assert_false(fits("qsticky", "000000000001500e"));
	assert_false(reload_fits("Name:\tqsticky\nSigIgn:\t1\n", OURS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload_knows_the_sidecar),
		cmocka_unit_test(reload_knows_no_stranger),
		cmocka_unit_test(reload_knows_nobody_whom_the_signal_would_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
