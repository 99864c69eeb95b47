#include "base/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

static const struct stop never = { .fd = -1 };
static struct failure why;

static int ready_fd(unsigned value)
{
	int fd = eventfd(value, EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static enum fail wait_for(const struct stop *stop, int fd, int64_t deadline_ms)
{
	why.text[0] = '\0';
	return wait_fd(stop, fd, POLLIN, deadline_ms, &why);
}

/* ---- wait_fd ---- */

static void wait_fd_ends_when_the_descriptor_is_ready(void **state)
{
	int fd = ready_fd(1);
	(void)state;

	assert_int_equal(wait_for(&never, fd, MONO_NEVER), FAIL_NONE);
	assert_int_equal(wait_for(&never, fd, mono_now_ms() + 10000), FAIL_NONE);
	assert_string_equal(why.text, "");
	close(fd);
}

static void wait_fd_waits_for_the_events_it_is_given(void **state)
{
	int fd = ready_fd(0); /* writable, not readable */
	(void)state;

	assert_int_equal(wait_fd(&never, fd, POLLOUT, MONO_NEVER, &why), FAIL_NONE);
	assert_int_equal(wait_for(&never, fd, mono_now_ms() + 20), FAIL_TIMEOUT);
	assert_string_equal(why.text, "timed out");
	close(fd);
}

static void wait_fd_does_not_end_before_its_deadline(void **state)
{
	int64_t deadline_ms = mono_now_ms() + 20;
	int fd = ready_fd(0);
	(void)state;

	assert_int_equal(wait_for(&never, fd, deadline_ms), FAIL_TIMEOUT);
	assert_true(mono_now_ms() >= deadline_ms);
	close(fd);
}

/* Otherwise a peer that never pauses would outlast the deadline. */
static void wait_fd_ends_at_its_deadline_though_the_descriptor_is_ready(void **state)
{
	int fd = ready_fd(1);
	(void)state;

	assert_int_equal(wait_for(&never, fd, 0), FAIL_TIMEOUT);
	assert_int_equal(wait_for(&never, fd, mono_now_ms()), FAIL_TIMEOUT);
	close(fd);
}

static void wait_fd_puts_a_stop_before_all_else(void **state)
{
	struct stop stop = { .fd = ready_fd(1) };
	int quiet = ready_fd(0), ready = ready_fd(1);
	(void)state;

	assert_int_equal(wait_for(&stop, quiet, MONO_NEVER), FAIL_STOPPED);
	assert_string_equal(why.text, "stopped");
	assert_int_equal(wait_for(&stop, ready, MONO_NEVER), FAIL_STOPPED);
	assert_int_equal(wait_for(&stop, ready, 0), FAIL_STOPPED);
	assert_int_equal(wait_for(&stop, -1, 0), FAIL_STOPPED);
	/* The stop lasts: no wait consumes it. */
	assert_int_equal(wait_for(&stop, quiet, MONO_NEVER), FAIL_STOPPED);
	close(quiet);
	close(ready);
	close(stop.fd);
}

static void *ask_for_stop(void *stop)
{
	(void)eventfd_write(((struct stop *)stop)->fd, 1);
	return NULL;
}

static void wait_fd_ends_when_a_stop_comes_meanwhile(void **state)
{
	struct stop stop = { .fd = ready_fd(0) };
	int quiet = ready_fd(0);
	pthread_t thread;
	(void)state;

	assert_int_equal(pthread_create(&thread, NULL, ask_for_stop, &stop), 0);
	assert_int_equal(wait_for(&stop, quiet, MONO_NEVER), FAIL_STOPPED);
	pthread_join(thread, NULL);
	close(quiet);
	close(stop.fd);
}

static int interruptions;

static void interrupted(int number)
{
	(void)number;
	interruptions++;
}

/* A signal with a handler interrupts the wait, as under a debugger. */
static void wait_fd_goes_on_after_an_interruption(void **state)
{
	const struct sigaction action = { .sa_handler = interrupted };
	const struct itimerval often = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
	const struct itimerval off = { .it_value.tv_sec = 0 };
	int64_t deadline_ms = mono_now_ms() + 100;
	struct sigaction before;
	int quiet = ready_fd(0);
	(void)state;

	interruptions = 0;
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(wait_for(&never, quiet, deadline_ms), FAIL_TIMEOUT);
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_true(mono_now_ms() >= deadline_ms);
	assert_true(interruptions > 0);
	close(quiet);
}

/* ---- wait_any ---- */

static void wait_any_tells_which_are_ready(void **state)
{
	int quiet = ready_fd(0), ready = ready_fd(1);
	struct pollfd fds[] = {
		{ .fd = ready, .events = POLLIN }, /* overwritten by the stop's */
		{ .fd = quiet, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
		{ .fd = ready, .events = POLLIN },
	};
	(void)state;

	assert_int_equal(wait_any(&never, fds, 4, MONO_NEVER, &why), FAIL_NONE);
	assert_int_equal(fds[1].revents, 0);
	assert_int_equal(fds[2].revents, 0);
	assert_int_equal(fds[3].revents, POLLIN);
	fds[3].fd = -1;
	fds[0].fd = ready;
	assert_int_equal(wait_any(&never, fds, 4, mono_now_ms() + 20, &why), FAIL_TIMEOUT);
	close(quiet);
	close(ready);
}

static void wait_any_tells_what_poll_says(void **state)
{
	struct rlimit limit, none;
	struct pollfd fds[2] = { [1] = { .fd = -1 } };
	(void)state;

	/* poll(2) refuses more descriptors than the limit. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(wait_any(&never, fds, 2, 0, &why), FAIL_IO);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(strncmp(why.text, "poll: ", 6), 0);
}

/* ---- wait_put_off, wait_catch_up ---- */

static void count(void *context)
{
	++*(int *)context;
}

static void wait_catch_up_does_the_work_once(void **state)
{
	int done = 0, other = 0;
	(void)state;

	wait_catch_up();
	wait_put_off(count, &done);
	assert_int_equal(done, 0);
	wait_catch_up();
	wait_catch_up();
	assert_int_equal(done, 1);
	wait_put_off(count, &done);
	wait_put_off(count, &other);
	wait_catch_up();
	assert_int_equal(done, 1);
	assert_int_equal(other, 1);
}

static void put_off_again(void *context)
{
	count(context);
	wait_put_off(count, context);
}

static void wait_catch_up_leaves_what_the_work_puts_off(void **state)
{
	int done = 0;
	(void)state;

	wait_put_off(put_off_again, &done);
	wait_catch_up();
	assert_int_equal(done, 1);
	wait_catch_up();
	assert_int_equal(done, 2);
}

/* Makes the descriptor ready for which the wait would wait in vain. */
static void make_ready(void *fd)
{
	assert_int_equal(eventfd_write(*(int *)fd, 1), 0);
}

static void every_wait_does_first_what_was_put_off(void **state)
{
	int fd = ready_fd(0), done = 0;
	(void)state;

	wait_put_off(make_ready, &fd);
	assert_int_equal(wait_for(&never, fd, MONO_NEVER), FAIL_NONE);
	close(fd);
	wait_put_off(count, &done);
	assert_int_equal(wait_until(&never, 0, &why), FAIL_NONE);
	assert_int_equal(done, 1);
}

/* ---- wait_until ---- */

static void wait_until_ends_when_it_is_due(void **state)
{
	int64_t due_ms = mono_now_ms() + 20;
	(void)state;

	assert_int_equal(wait_until(&never, due_ms, &why), FAIL_NONE);
	assert_true(mono_now_ms() >= due_ms);
	assert_int_equal(wait_until(&never, 0, &why), FAIL_NONE); /* long ago */
}

static void stop_ends_a_sleep(void **state)
{
	struct stop stop = { .fd = ready_fd(1) };
	(void)state;

	assert_int_equal(wait_until(&stop, MONO_NEVER, &why), FAIL_STOPPED);
	assert_int_equal(wait_until(&stop, 0, &why), FAIL_STOPPED);
	close(stop.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait_fd_ends_when_the_descriptor_is_ready),
		cmocka_unit_test(wait_fd_waits_for_the_events_it_is_given),
		cmocka_unit_test(wait_fd_does_not_end_before_its_deadline),
		cmocka_unit_test(wait_fd_ends_at_its_deadline_though_the_descriptor_is_ready),
		cmocka_unit_test(wait_fd_puts_a_stop_before_all_else),
		cmocka_unit_test(wait_fd_ends_when_a_stop_comes_meanwhile),
		cmocka_unit_test(wait_fd_goes_on_after_an_interruption),
		cmocka_unit_test(wait_any_tells_which_are_ready),
		cmocka_unit_test(wait_any_tells_what_poll_says),
		cmocka_unit_test(wait_catch_up_does_the_work_once),
		cmocka_unit_test(wait_catch_up_leaves_what_the_work_puts_off),
		cmocka_unit_test(every_wait_does_first_what_was_put_off),
		cmocka_unit_test(wait_until_ends_when_it_is_due),
		cmocka_unit_test(stop_ends_a_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
