#include "process/init.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals concern the whole process, so each test runs in a child and checks its exit status. */
typedef bool promise(void);

static int status_of(promise *kept)
{
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		alarm(30); /* ends a test that hangs */
		_exit(kept() ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool start(struct init *init)
{
	struct failure why;

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

static bool is_quiet(void)
{
	struct init init;

	return start(&init) && !stop_asked(&init) && !is_readable(init.event_fd) &&
	       !init_events(&init);
}

static void init_is_quiet_without_signals(void **state)
{
	(void)state;
	assert_int_equal(status_of(is_quiet), 0);
}

static bool notices_stops(void)
{
	struct init init;

	return start(&init) && raise(SIGTERM) == 0 && stop_asked(&init);
}

static void init_notices_sigterm_and_goes_on(void **state)
{
	(void)state;
	assert_int_equal(status_of(notices_stops), 0);
}

static bool keeps_noticing(void)
{
	struct init init;

	/* An interrupted wait must not consume the stop. */
	return start(&init) && raise(SIGINT) == 0 && stop_asked(&init) && stop_asked(&init);
}

static void init_keeps_a_stop_in_mind(void **state)
{
	(void)state;
	assert_int_equal(status_of(keeps_noticing), 0);
}

static bool notices_early_stop(void)
{
	struct init init;
	sigset_t term;

	/* As with PID 1, whose parent may send the signal before the first instruction. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	return raise(SIGTERM) == 0 && start(&init) && stop_asked(&init);
}

static void init_notices_a_stop_from_before_its_start(void **state)
{
	(void)state;
	assert_int_equal(status_of(notices_early_stop), 0);
}

static bool reloads(void)
{
	struct init init;

	return start(&init) && raise(SIGHUP) == 0 && is_readable(init.event_fd) &&
	       !stop_asked(&init) && init_events(&init) && !init_events(&init);
}

static void init_reports_a_reload_once(void **state)
{
	(void)state;
	assert_int_equal(status_of(reloads), 0);
}

static bool works_under_nohup(void)
{
	struct init init;

	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	return start(&init) && raise(SIGHUP) == 0 && init_events(&init) && raise(SIGTERM) == 0 &&
	       stop_asked(&init);
}

static void init_notices_signals_that_were_ignored(void **state)
{
	(void)state;
	assert_int_equal(status_of(works_under_nohup), 0);
}

static bool reaps(void)
{
	struct init init;
	siginfo_t info;

	if (!start(&init))
		return false;
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		/* Read nothing until all have ended, so that one SIGCHLD stands for all. */
		if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0)
			return false;
	}
	(void)init_events(&init);
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void init_reaps_every_child_that_ended(void **state)
{
	(void)state;
	assert_int_equal(status_of(reaps), 0);
}

static bool reaps_orphan(void)
{
	struct init init;
	int gone[2];
	char byte;

	/* Makes this process inherit orphans, as PID 1 does. */
	if (!start(&init) || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe(gone) < 0)
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
	(void)state;
	assert_int_equal(status_of(reaps_orphan), 0);
}

static bool fills_standard_fds(void)
{
	struct init init;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	return start(&init) && fcntl(STDERR_FILENO, F_GETFD) >= 0 && init.stop.fd > STDERR_FILENO &&
	       init.event_fd > STDERR_FILENO;
}

static void init_lets_no_socket_take_the_place_of_stderr(void **state)
{
	(void)state;
	assert_int_equal(status_of(fills_standard_fds), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_quiet_without_signals),
		cmocka_unit_test(init_notices_sigterm_and_goes_on),
		cmocka_unit_test(init_keeps_a_stop_in_mind),
		cmocka_unit_test(init_notices_a_stop_from_before_its_start),
		cmocka_unit_test(init_reports_a_reload_once),
		cmocka_unit_test(init_notices_signals_that_were_ignored),
		cmocka_unit_test(init_reaps_every_child_that_ended),
		cmocka_unit_test(init_reaps_orphans),
		cmocka_unit_test(init_lets_no_socket_take_the_place_of_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
