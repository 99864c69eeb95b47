/* netns: a network namespace of its own for a test, set up with ip(8). It ends with the process, or
 * when the next test enters one of its own.
 *
 * To be included after cmocka.h. */
#ifndef QSTICKY_TESTS_NETNS_H
#define QSTICKY_TESTS_NETNS_H

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* By hand a test without its means is skipped; in CI that would be a gap nobody sees. */
static inline void netns_missing(const char *what)
{
	if (getenv("CI"))
		fail_msg("%s", what);
	print_message("%s\n", what);
	skip();
}

static inline void netns_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("cannot write %s", path);
	close(fd);
}

/* Enters a new namespace, in which there is nothing but loopback, down. Root may do so, and often
 * anybody who becomes root of a new user namespace. Threads started later are in it too. */
static inline void netns_enter(void)
{
	char map[32];

	snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
	if (unshare(CLONE_NEWNET) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		netns_missing("no network namespace may be made here");
	/* ip(8) has to be root, too. */
	netns_write("/proc/self/uid_map", map);
	/* LeakSanitizer looks into the process at its end. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* Runs ip(8) with the words of `command`. Returns whether it succeeded. */
static inline int netns_try(const char *command)
{
	char words[256], *at, *rest = words;
	char *argv[24] = { NULL };
	char *environment[] = { NULL };
	size_t count = 0;
	pid_t child;
	int status;

	snprintf(words, sizeof words, "ip %s", command);
	while (count < 23 && (at = strsep(&rest, " ")))
		argv[count++] = at;
	if (posix_spawnp(&child, "ip", NULL, NULL, argv, environment) != 0)
		netns_missing("ip (Debian: iproute2) is not installed");
	return waitpid(child, &status, 0) == child && status == 0;
}

static inline void netns_ip(const char *command)
{
	if (!netns_try(command))
		fail_msg("ip %s", command);
}

#endif
