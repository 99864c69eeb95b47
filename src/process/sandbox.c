#include "process/sandbox.h"

#include <asm/unistd.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "process/sandbox_calls.h"
#include "process/sandbox_files.h"

/* The sanitizers make system calls of their own. At the end they look for leaks by ptrace(2), from a
 * clone that reads /proc. So that build has no seccomp, allows ptrace and reads any file. All else is
 * as in the release. (Valgrind needs QSTICKY_SANDBOX=false.) */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* Drops all capabilities. Also empties the bounding set if allowed, although qsticky executes no
 * program that could regain some. The ambient ones go with the others. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;
	     capability++) {
	}
	/* systemd may forbid capset(2); if all sets are empty, it is not needed. */
	return (syscall(__NR_capget, &header, sets) == 0 && memcmp(sets, none, sizeof sets) == 0) ||
	       syscall(__NR_capset, &header, none) == 0;
}

/* Free descriptors below the limit: more than qsticky ever opens. */
#define DESCRIPTORS_ROOM 32
#define DESCRIPTORS_LEAST 64

/* The limit of descriptors: at least DESCRIPTORS_LEAST, with DESCRIPTORS_ROOM free ones below it.
 * Inherited descriptors stay open: one may hold a lock for the parent. */
static rlim_t descriptors_limit(void)
{
	struct pollfd fds[16]; /* poll(2) refuses more than the present limit, which may be low */
	const int count = sizeof fds / sizeof fds[0];
	unsigned room = 0;
	int fd = 0;

	for (; room < DESCRIPTORS_ROOM || fd < DESCRIPTORS_LEAST; fd++) {
		if (fd % count == 0) {
			for (int i = 0; i < count; i++)
				fds[i] = (struct pollfd){ .fd = fd + i, .revents = POLLNVAL };
			/* If it fails, all count as free. */
			(void)poll(fds, (nfds_t)count, 0);
		}
		room += fds[fd % count].revents == POLLNVAL;
	}
	return (rlim_t)fd;
}

static void log_missing(const char *what)
{
	struct failure why;

	fail_errno(&why, "sandbox: no %s", what);
	log_line(LEVEL_DEBUG, "%s", why.text);
}

struct sandbox sandbox_enter(const struct config *config, enum sandbox_phase phase)
{
	struct sandbox on = { .off = !config->sandbox };
	rlim_t descriptors;

	if (on.off)
		return on;
	/* Seccomp and Landlock ask for it. */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	on.no_capabilities = drop_capabilities();
	if (!on.no_capabilities)
		log_missing("drop of capabilities");
	/* Fails if the hard limit is lower already, since we have no capabilities to raise it. */
	(void)prlimit(0, RLIMIT_CORE, &(const struct rlimit){ 0, 0 }, NULL);
	descriptors = descriptors_limit();
	(void)prlimit(0, RLIMIT_NOFILE, &(const struct rlimit){ descriptors, descriptors }, NULL);
	if (!sanitized)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	on.landlock = sandbox_files_limit(config, phase, sanitized);
	if (!on.landlock)
		log_missing("Landlock");
	on.seccomp = !sanitized && sandbox_calls_limit(phase);
	if (!on.seccomp)
		log_missing("seccomp");
	return on;
}

bool sandbox_append(struct text *text, const struct sandbox *sandbox)
{
	text_append(text, sandbox->seccomp ? "seccomp, " : "no seccomp, ");
	if (sandbox->landlock)
		text_printf(text, "Landlock ABI %d", sandbox->landlock);
	else
		text_append(text, "no Landlock");
	text_append(text, sandbox->no_capabilities ? ", no capabilities" : ", capabilities");
	return sandbox->seccomp && sandbox->landlock && sandbox->no_capabilities;
}
