#include "init.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "temp_dir.h"

/* each: temp_dir_make, temp_dir_remove */

/* Signals are a matter of the whole process, so each test is a child; what it promises is that the
 * status is as given. `path` is a file that is there. */
typedef bool promise(const char *path);

#define STOP_STATUS 7

static int status_of(void *const *state, promise *kept)
{
	char path[PATH_MAX];
	pid_t child;
	int status;

	temp_dir_path(path, state, "health");
	assert_true(temp_dir_write(path, "x", 1));
	child = fork();
	if (child == 0) {
		alarm(30); /* a broken promise must not hang */
		_exit(kept(path) ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool start(struct init *init, const char *path)
{
	struct failure why;

	init_set_early_stop(path, STOP_STATUS);
	return init_start(init, &why) == FAIL_NONE;
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static bool stop_asked(const struct init *init)
{
	return is_readable(init->stop.fd);
}

static bool is_quiet(const char *path)
{
	struct init init;

	return start(&init, path) && !stop_asked(&init) && !is_readable(init.event_fd) &&
	       !init_events(&init);
}

static void init_is_quiet_without_signals(void **state)
{
	assert_int_equal(status_of(state, is_quiet), 0);
}

static bool notices_stops(const char *path)
{
	struct init init;

	return start(&init, path) && raise(SIGTERM) == 0 && stop_asked(&init) &&
	       access(path, F_OK) == 0;
}

static void init_notices_sigterm_and_goes_on(void **state)
{
	assert_int_equal(status_of(state, notices_stops), 0);
}

static bool keeps_noticing(const char *path)
{
	struct init init;

	/* A wait that was cut short must not use the stop up. */
	return start(&init, path) && raise(SIGINT) == 0 && stop_asked(&init) && stop_asked(&init);
}

static void init_keeps_a_stop_in_mind(void **state)
{
	assert_int_equal(status_of(state, keeps_noticing), 0);
}

static bool notices_early_stop(const char *path)
{
	struct init init;
	sigset_t term;

	/* As for PID 1, whose parent may send it before the first instruction. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	return raise(SIGTERM) == 0 && start(&init, path) && stop_asked(&init);
}

static void init_notices_a_stop_from_before_its_start(void **state)
{
	assert_int_equal(status_of(state, notices_early_stop), 0);
}

static bool stops_in_lookup(const char *path)
{
	struct init init;

	if (start(&init, path) && raise(SIGTERM) == 0)
		sigprocmask(SIG_UNBLOCK, &init.stop.signals, NULL);
	return false;
}

static void init_ends_at_once_and_removes_the_file_where_signals_are_let_through(void **state)
{
	char path[PATH_MAX];

	assert_int_equal(status_of(state, stops_in_lookup), STOP_STATUS);
	temp_dir_path(path, state, "health");
	assert_int_equal(access(path, F_OK), -1);
}

static bool stops_without_file(const char *path)
{
	(void)path;
	return stops_in_lookup(NULL);
}

static void init_removes_nothing_where_there_is_nothing_to_remove(void **state)
{
	char path[PATH_MAX];

	assert_int_equal(status_of(state, stops_without_file), STOP_STATUS);
	temp_dir_path(path, state, "health");
	assert_int_equal(access(path, F_OK), 0);
}

static bool reloads(const char *path)
{
	struct init init;

	return start(&init, path) && raise(SIGHUP) == 0 && is_readable(init.event_fd) &&
	       !stop_asked(&init) && init_events(&init) && !init_events(&init);
}

static void init_reports_a_reload_once(void **state)
{
	assert_int_equal(status_of(state, reloads), 0);
}

static bool works_under_nohup(const char *path)
{
	struct init init;

	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	return start(&init, path) && raise(SIGHUP) == 0 && init_events(&init) &&
	       raise(SIGTERM) == 0 && stop_asked(&init);
}

static void init_notices_signals_that_were_ignored(void **state)
{
	assert_int_equal(status_of(state, works_under_nohup), 0);
}

/* As between the start and the reading of the configuration. */
static bool stops_before_anything(const char *path)
{
	struct init init;
	struct failure why;

	(void)path;
	if (init_start(&init, &why) == FAIL_NONE && raise(SIGTERM) == 0)
		sigprocmask(SIG_UNBLOCK, &init.stop.signals, NULL);
	return true;
}

static void init_fails_where_it_is_stopped_before_it_knows_better(void **state)
{
	assert_int_equal(status_of(state, stops_before_anything), 1);
}

static bool reaps(const char *path)
{
	struct init init;
	siginfo_t info;

	if (!start(&init, path))
		return false;
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		/* Until all have ended nothing is read, so one SIGCHLD stands for them all. */
		if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0)
			return false;
	}
	(void)init_events(&init);
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void init_reaps_every_child_that_ended(void **state)
{
	assert_int_equal(status_of(state, reaps), 0);
}

static bool reaps_orphan(const char *path)
{
	struct init init;
	int gone[2];
	char byte;

	/* Stands in for being PID 1. */
	if (!start(&init, path) || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe(gone) < 0)
		return false;
	if (fork() == 0) {
		if (fork() == 0) {
			close(gone[0]);
			_exit(0);
		}
		_exit(0);
	}
	close(gone[1]);
	while (read(gone[0], &byte, 1) > 0) {
	}
	for (;;) {
		struct pollfd event = { .fd = init.event_fd, .events = POLLIN };
		siginfo_t info;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return true;
		if (poll(&event, 1, -1) != 1)
			return false;
		(void)init_events(&init);
	}
}

static void init_reaps_orphans(void **state)
{
	assert_int_equal(status_of(state, reaps_orphan), 0);
}

static bool fills_standard_fds(const char *path)
{
	struct init init;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	return start(&init, path) && fcntl(STDERR_FILENO, F_GETFD) >= 0 &&
	       init.stop.fd > STDERR_FILENO && init.event_fd > STDERR_FILENO;
}

static void init_lets_no_socket_take_the_place_of_stderr(void **state)
{
	assert_int_equal(status_of(state, fills_standard_fds), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(init_is_quiet_without_signals, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_notices_sigterm_and_goes_on, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_keeps_a_stop_in_mind, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_notices_a_stop_from_before_its_start,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			init_ends_at_once_and_removes_the_file_where_signals_are_let_through,
			temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			init_removes_nothing_where_there_is_nothing_to_remove, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_reports_a_reload_once, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_notices_signals_that_were_ignored,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			init_fails_where_it_is_stopped_before_it_knows_better, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_reaps_every_child_that_ended, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_reaps_orphans, temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(init_lets_no_socket_take_the_place_of_stderr,
		                                temp_dir_make, temp_dir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
