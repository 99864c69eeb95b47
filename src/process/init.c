#include "process/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Opens closed standard descriptors. Otherwise a socket could get the number of stderr, and the log. */
static void fill_standard_fds(void)
{
	struct pollfd fds[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };
	int fd;

	/* Most often all are there. To open a file, and be it this one, takes ten times as long. */
	if (poll(fds, sizeof fds / sizeof fds[0], 0) == 0)
		return;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static enum fail block_signals(sigset_t *stop, sigset_t *events, struct failure *why)
{
	sigemptyset(stop);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
	sigemptyset(events);
	sigaddset(events, SIGHUP);
	sigaddset(events, SIGCHLD);
	/* The kernel drops default-action signals to PID 1 but queues blocked ones. Block them before
	 * anything slow, or an early `docker stop` is lost. */
	if (sigprocmask(SIG_BLOCK, stop, NULL) < 0 || sigprocmask(SIG_BLOCK, events, NULL) < 0)
		return fail_errno(why, "block signals");
	return FAIL_NONE;
}

enum fail init_start(struct init *init, struct failure *why)
{
	sigset_t stop, events;
	enum fail f;

	fill_standard_fds();
	f = block_signals(&stop, &events, why);
	if (f)
		return f;
	init->stop.fd = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
	init->event_fd = signalfd(-1, &events, SFD_NONBLOCK | SFD_CLOEXEC);
	if (init->stop.fd < 0 || init->event_fd < 0)
		return fail_errno(why, "signalfd");
	return FAIL_NONE;
}

bool init_events(const struct init *init)
{
	struct signalfd_siginfo info;
	bool reload = false;

	while (read(init->event_fd, &info, sizeof info) == (ssize_t)sizeof info)
		reload = reload || info.ssi_signo == SIGHUP;
	/* One SIGCHLD may stand for many children. */
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
	return reload;
}
