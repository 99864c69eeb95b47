#include "sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "temp_dir.h"

/* ---- what is entered, each time in a child ---- */

/* each: temp_dir_make, temp_dir_remove */

struct place {
	char dir[PATH_MAX], health[PATH_MAX], metrics[PATH_MAX], port[PATH_MAX], other[PATH_MAX];
	struct config config;
};

static void set_up(struct place *place, void *const *state)
{
	*place = (struct place){ .config = { .sandbox = true } };
	temp_dir_path(place->dir, state, "");
	temp_dir_path(place->health, state, "health/deeper/status.json");
	temp_dir_path(place->metrics, state, "metrics/qsticky.prom");
	temp_dir_path(place->port, state, "gluetun/forwarded_port");
	temp_dir_path(place->other, state, "other");
	place->config.health_path = place->health;
	place->config.metrics_path = place->metrics;
	place->config.port_file_path = place->port;
	place->config.tls_ca_file = "/nowhere/ca.pem";
}

typedef bool promise(struct place *place);

static void check_promise(void *const *state, promise *kept)
{
	struct place place;
	pid_t child;
	int status;

	set_up(&place, state);
	child = fork();
	if (child == 0)
		_exit(kept(&place) ? 0 : 1);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a child has printed in the place of a name. */
static bool writes_only_its_own(struct place *place)
{
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_RUN);

	if (!temp_dir_write(place->health, "x", 1) || !temp_dir_write(place->metrics, "x", 1))
		return false;
	return on.landlock == 0 || (!temp_dir_write(place->other, "x", 1) && errno == EACCES &&
	                            !temp_dir_write(place->port, "x", 1));
}

static void run_writes_health_and_metrics_and_nothing_else(void **state)
{
	check_promise(state, writes_only_its_own);
}

static bool writes_nothing(struct place *place)
{
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_ONCE);

	/* Nor has it made any directory. */
	return access(place->health, F_OK) < 0 &&
	       mkdir(place->other, 0755) == (on.landlock ? -1 : 0);
}

static void once_writes_nothing(void **state)
{
	check_promise(state, writes_nothing);
}

static bool has_no_privilege(struct place *place)
{
	struct rlimit core, files;
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_CHECK);

	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	return on.no_capabilities && !on.off && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	       prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == (geteuid() == 0 ? 0 : 1) &&
	       core.rlim_max == 0 && files.rlim_max <= 64 && files.rlim_cur <= 64;
}

static void no_privilege_is_left(void **state)
{
	check_promise(state, has_no_privilege);
}

static bool keeps_lower_limits(struct place *place)
{
	struct rlimit files = { .rlim_cur = 20, .rlim_max = 30 };

	setrlimit(RLIMIT_NOFILE, &files);
	sandbox_enter(&place->config, SANDBOX_RUN);
	getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur == 20 && files.rlim_max == 30;
}

static void limits_that_are_lower_stay(void **state)
{
	check_promise(state, keeps_lower_limits);
}

static bool leaves_all_as_it_is(struct place *place)
{
	struct sandbox on;

	place->config.sandbox = false;
	on = sandbox_enter(&place->config, SANDBOX_RUN);
	return on.off && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 &&
	       temp_dir_write(place->other, "x", 1) && access(place->health, F_OK) < 0;
}

static void off_changes_nothing(void **state)
{
	check_promise(state, leaves_all_as_it_is);
}

/* ---- in words ---- */

static void says_what_is_on(void **state)
{
	char buf[128];
	struct text text = text_on(buf, sizeof buf);
	struct sandbox on = { .no_capabilities = true, .seccomp = true, .landlock = 7 };
	(void)state;

	assert_true(sandbox_put(&text, &on));
	assert_string_equal(buf, "seccomp, Landlock ABI 7, no capabilities");
	on = (struct sandbox){ .no_capabilities = true, .seccomp = true };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_put(&text, &on));
	assert_string_equal(buf, "seccomp, no Landlock, no capabilities");
	on = (struct sandbox){ .landlock = 1 };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_put(&text, &on));
	assert_string_equal(buf, "no seccomp, Landlock ABI 1, capabilities");
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(run_writes_health_and_metrics_and_nothing_else),
		WITH_DIR(once_writes_nothing),
		WITH_DIR(no_privilege_is_left),
		WITH_DIR(limits_that_are_lower_stay),
		WITH_DIR(off_changes_nothing),
		cmocka_unit_test(says_what_is_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
