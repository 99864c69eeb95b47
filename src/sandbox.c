#include "sandbox.h"

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "replace.h"

/* The sanitizers' runtime makes calls of its own and, at the end, looks for leaks by ptrace(2), from a
 * clone that reads /proc. So that build has no seccomp, may be looked into, and reads any file; all
 * else is as in the one that users get. (Valgrind needs QSTICKY_SANDBOX=false.) */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* gcov writes what it has counted when the process ends: that build stays outside (make coverage). */
#ifdef QSTICKY_COUNTS
static const bool stays_outside = true;
#else
static const bool stays_outside = false;
#endif

/* ---- system calls ---- */

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __i386__
#define ARCH AUDIT_ARCH_I386
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __arm__
#define ARCH AUDIT_ARCH_ARM
#endif

/* What the C library makes of what is called here, on each of the architectures; on 32 bits it tries
 * the newer call first, so both are there. Not among them is whatever makes a process, a mapping
 * or a listening socket, sends a signal, or returns from a handler (there is none). */
static const uint16_t judge_calls[] = {
	__NR_read,
	__NR_write,
	__NR_close,
	__NR_fstat,
#ifdef __NR_fstat64
	__NR_fstat64,
	__NR_statx,
#endif
#ifdef __NR_open
	__NR_open,
#else
	__NR_openat,
#endif
	__NR_clock_gettime, /* a call where there is no vDSO */
#ifdef __NR_clock_gettime64
	__NR_clock_gettime64,
#endif
	__NR_exit_group,
};

static const uint16_t more_calls[] = {
#ifdef __NR_poll
	__NR_poll,
#else
	__NR_ppoll,
#endif
	__NR_restart_syscall, /* a poll that SIGSTOP and SIGCONT have interrupted */
	__NR_madvise,
	__NR_connect,
	__NR_sendto,
	__NR_recvfrom,
	__NR_setsockopt,
	__NR_getsockopt,
	__NR_getsockname,
	__NR_inotify_init1,
	__NR_inotify_add_watch,
	__NR_inotify_rm_watch,
#ifdef __NR_stat
	__NR_stat,
	__NR_access,
	__NR_mkdir,
	__NR_unlink,
	__NR_rename,
#else
	__NR_newfstatat,
	__NR_faccessat,
	__NR_mkdirat,
	__NR_unlinkat,
	__NR_renameat,
#endif
#ifdef __NR_stat64
	__NR_stat64,
#endif
	__NR_geteuid,
#ifdef __NR_geteuid32
	__NR_geteuid32,
#endif
	__NR_getrandom,
	__NR_epoll_create1, /* src/webhook.c */
	__NR_epoll_ctl,
	__NR_wait4,
};

/* Calls that are allowed with one value of an argument. */
static const struct checked {
	uint16_t call;
	uint16_t argument;
	uint16_t value;
} checked[] = {
#ifdef __NR_fcntl64
	{ __NR_fcntl64, 1, F_SETFD }, /* musl's open(2) with O_CLOEXEC */
#else
	{ __NR_fcntl, 1, F_SETFD },
#endif
	{ __NR_socket, 0, AF_INET },
	{ __NR_socket, 0, AF_INET6 },
	{ __NR_socket, 0, AF_NETLINK },
	{ __NR_ioctl, 1, SIOCGIFINDEX }, /* src/resolve.c: the zone of an address */
#ifdef __NR_socketcall
	/* Linux before 4.3: the rest lies where a filter cannot look. */
	{ __NR_socketcall, 0, 1 },  /* socket(2) */
	{ __NR_socketcall, 0, 3 },  /* connect(2) */
	{ __NR_socketcall, 0, 6 },  /* getsockname(2) */
	{ __NR_socketcall, 0, 11 }, /* sendto(2) */
	{ __NR_socketcall, 0, 12 }, /* recvfrom(2) */
	{ __NR_socketcall, 0, 14 }, /* setsockopt(2) */
	{ __NR_socketcall, 0, 15 }, /* getsockopt(2) */
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

_Static_assert(COUNT(judge_calls) + COUNT(more_calls) + 4 * COUNT(checked) + 6 <=
                       SANDBOX_FILTER_MAX,
               "a filter has more instructions than there is room for");

struct program {
	struct sock_filter *at;
};

static void put(struct program *program, unsigned code, size_t operand)
{
	*program->at++ = (struct sock_filter){ .code = (uint16_t)code, .k = (uint32_t)operand };
}

static void load(struct program *program, size_t offset)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* To the end of the filter, where all is allowed that gets there; known when it is whole. */
#define TO_END UINT8_MAX

/* Skips so many instructions where what was loaded is `value`, or else so many others. */
static void compare(struct program *program, unsigned value, unsigned if_so, unsigned if_not)
{
	put(program, BPF_JMP | BPF_JEQ | BPF_K, value);
	program->at[-1].jt = (uint8_t)if_so;
	program->at[-1].jf = (uint8_t)if_not;
}

static void allow_calls(struct program *program, const uint16_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		compare(program, list[i], TO_END, 0);
}

size_t sandbox_filter(struct sock_filter filter[static SANDBOX_FILTER_MAX],
                      enum sandbox_phase phase)
{
	const size_t number = offsetof(struct seccomp_data, nr);
	bool judges = phase == SANDBOX_JUDGE;
	struct program program = { filter };

	load(&program, offsetof(struct seccomp_data, arch));
	compare(&program, ARCH, 1, 0);
	/* Linux before 4.14 knows only to kill the thread, and takes this for it: there is one. */
	put(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	load(&program, number);
	/* The calls of x32 have the architecture of x86_64 and numbers that are in no list. */
	allow_calls(&program, judge_calls, COUNT(judge_calls));
	if (!judges)
		allow_calls(&program, more_calls, COUNT(more_calls));
	/* The first of these is for all. */
	for (size_t i = 0; i < (judges ? 1 : COUNT(checked)); i++) {
		compare(&program, checked[i].call, 0, 3);
		/* The lower half of it: all of an int, where the lowest byte comes first. */
		load(&program,
		     offsetof(struct seccomp_data, args) + checked[i].argument * sizeof(uint64_t));
		compare(&program, checked[i].value, TO_END, 0);
		load(&program, number);
	}
	put(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	for (struct sock_filter *step = filter; step < program.at; step++)
		if (step->jt == TO_END)
			step->jt = (uint8_t)(program.at - step - 1);
	put(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return (size_t)(program.at - filter);
}

static bool filter_calls(enum sandbox_phase phase)
{
	struct sock_filter filter[SANDBOX_FILTER_MAX];
	struct sock_fprog program = { .filter = filter };

	if (sanitized)
		return false;
	program.len = (uint16_t)sandbox_filter(filter, phase);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---- files ---- */

/* The same on every architecture; the headers may be older than the kernel. */
#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446

/* Rights, of linux/landlock.h. */
#define WRITE_FILE (1u << 1)
#define READ_FILE (1u << 2)
#define READ_DIR (1u << 3)
#define REMOVE_FILE (1u << 5)
#define MAKE_DIR (1u << 7)
#define MAKE_REG (1u << 8)
#define TRUNCATE (1u << 14)

/* In a directory, where one that has the place of a file is to be told apart. */
#define READ (READ_FILE | READ_DIR)
#define WRITE (WRITE_FILE | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE)

struct rules {
	int fd;
	uint64_t handled;
};

/* A rule could not be made: with the others alone, what has to be allowed would not be. */
static bool incomplete;

/* Allows it for what is open at `fd`, which it closes, and for what is below that. */
static void allow_fd(const struct rules *rules, int fd, uint64_t rights)
{
	const struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights & rules->handled, fd };

	/* What is not there, or cannot be entered, needs no rule. */
	if (fd < 0)
		return;
	if (syscall(LANDLOCK_ADD_RULE, rules->fd, 1 /* beneath a path */, &rule, 0) < 0)
		incomplete = true;
	close(fd);
}

static void allow(const struct rules *rules, const char *path, uint64_t rights)
{
	allow_fd(rules, open(path, O_PATH | O_CLOEXEC), rights);
}

/* Allows it so many levels above `file`, or further up where there is nothing. All that there is only
 * where `any`. */
static void allow_above(const struct rules *rules, const char *file, unsigned levels, bool any,
                        uint64_t rights)
{
	char path[CONFIG_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_puts(&copy, file);
	while (levels-- > 0)
		(void)text_cut_name(path);
	while ((fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 && text_cut_name(path)) {
	}
	if (any || path[1])
		allow_fd(rules, fd, rights);
	else if (fd >= 0)
		close(fd);
}

/* A file, and where a symbolic link to it leads, since others are renamed to that place; not where that
 * is /etc itself, which holds more than is anybody's business. */
static void allow_target(const struct rules *rules, const char *file)
{
	int fd = open(file, O_PATH | O_CLOEXEC);
	char link[32], target[CONFIG_PATH_MAX];
	struct text name = text_on(link, sizeof link);
	ssize_t len;

	text_printf(&name, "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, target, sizeof target - 1);
	allow_fd(rules, fd, READ_FILE);
	if (len <= 0)
		return;
	target[len] = '\0';
	if (strncmp(target, "/etc/", 5) != 0 || strchr(target + 5, '/'))
		allow_above(rules, target, 1, false, READ);
}

/* What may be replaced by a rename in its directory. That of a symbolic link, as Kubernetes makes them,
 * is where they are turned; what it leads to may be elsewhere. */
static void allow_read(const struct rules *rules, const char *file)
{
	allow_target(rules, file);
	allow_above(rules, file, 1, false, READ);
}

/* The directory may not be there yet, be replaced, or have another mounted over it, which hides it:
 * hence the one above, unless that is all there is. */
static void allow_port_file(const struct rules *rules, const char *file)
{
	allow_target(rules, file);
	allow_above(rules, file, 1, true, READ);
	allow_above(rules, file, 2, false, READ);
}

/* Exactly its directory, made now where it is missing. */
static void allow_write(const struct rules *rules, const char *file)
{
	replace_make_parents(file);
	allow_above(rules, file, 1, true, WRITE);
}

static void allow_reconciling(const struct rules *rules, const struct config *config)
{
	/* The resolver's; where the CAs mostly are; and where secrets are looked for that no variable
	 * names. */
	static const char files[][sizeof "/etc/resolv.conf"] = { "/etc/hosts", "/etc/resolv.conf" };
	static const char directories[][sizeof "/etc/ssl/certs"] = { "/etc/ssl/certs",
		                                                     CONFIG_SECRETS };
	const struct secret *secret;
	size_t cursor = 0;

	for (size_t i = 0; i < COUNT(files); i++)
		allow_target(rules, files[i]);
	for (size_t i = 0; i < COUNT(directories); i++)
		allow(rules, directories[i], READ_FILE);
	while ((secret = config_secret(config, &cursor)))
		if (secret->file)
			allow_read(rules, secret->file);
	allow_target(rules, config->tls_ca_file);
	/* The usual one need not be there, and what is above it would be all of /etc. */
	if (strcmp(config->tls_ca_file, CONFIG_TLS_CA_FILE) != 0)
		allow_above(rules, config->tls_ca_file, 1, false, READ);
	if (config->port_source != CONFIG_SOURCE_GLUETUN)
		allow_port_file(rules, config->port_file_path);
}

/* Returns the ABI, or 0: there is no Landlock, and errno says why. */
static int confine_files(const struct config *config, enum sandbox_phase phase)
{
	/* The ABI is asked for by a flag. */
	long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	struct {
		uint64_t files, net, scopes;
	} handled = { 0 };
	struct rules rules;

	if (abi < 1)
		return 0;
	/* Each ABI has the rights of the one before, and some more. */
	handled.files = (1u << (abi < 3 ? 12 + abi : abi < 5 ? 15 : 16)) - 1;
	handled.net = abi >= 4 ? 1 : 0;    /* to bind TCP, to any port */
	handled.scopes = abi >= 6 ? 3 : 0; /* abstract UNIX sockets of others, signals to them */
	rules.handled = handled.files;
	rules.fd = (int)syscall(LANDLOCK_CREATE_RULESET, &handled, sizeof handled, 0);
	if (rules.fd < 0)
		return 0;
	if (sanitized)
		allow(&rules, "/", READ);
	if (phase != SANDBOX_JUDGE)
		allow_reconciling(&rules, config);
	if (phase == SANDBOX_RUN)
		allow_write(&rules, config->health_path);
	if (phase == SANDBOX_RUN && config->metrics_path)
		allow_write(&rules, config->metrics_path);
	if (phase >= SANDBOX_CHECK)
		allow_above(&rules, config->health_path, 1, true, READ);
	if (incomplete || syscall(LANDLOCK_RESTRICT_SELF, rules.fd, 0) < 0)
		abi = 0;
	close(rules.fd);
	return (int)abi;
}

/* ---- the rest ---- */

/* The bounding set, too, where we may: without it what is executed could get some back, but nothing
 * is. Ambient ones go with the others. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;
	     capability++) {
	}
	/* systemd may not allow to drop what is not there. */
	return (syscall(__NR_capget, &header, sets) == 0 && memcmp(sets, none, sizeof sets) == 0) ||
	       syscall(__NR_capset, &header, none) == 0;
}

/* More than are ever open, some that were inherited among them. */
#define DESCRIPTORS_MAX 64

static void say_lacking(const char *what)
{
	struct failure why;

	fail_errno(&why, "sandbox: no %s", what);
	log_line(LEVEL_DEBUG, "%s", why.text);
}

struct sandbox sandbox_enter(const struct config *config, enum sandbox_phase phase)
{
	struct sandbox on = { .off = !config->sandbox };

	if (on.off)
		return on;
	if (stays_outside)
		return (struct sandbox){ .no_capabilities = true, .seccomp = true, .landlock = 1 };
	/* Seccomp and Landlock ask for it. */
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	on.no_capabilities = drop_capabilities();
	if (!on.no_capabilities)
		say_lacking("drop of capabilities");
	/* Where less is allowed already: without capabilities nobody raises that. */
	(void)prlimit(0, RLIMIT_CORE, &(const struct rlimit){ 0, 0 }, NULL);
	(void)prlimit(0, RLIMIT_NOFILE, &(const struct rlimit){ DESCRIPTORS_MAX, DESCRIPTORS_MAX },
	              NULL);
	if (!sanitized)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	on.landlock = confine_files(config, phase);
	if (!on.landlock)
		say_lacking("Landlock");
	on.seccomp = filter_calls(phase);
	if (!on.seccomp)
		say_lacking("seccomp");
	return on;
}

bool sandbox_put(struct text *text, const struct sandbox *sandbox)
{
	text_puts(text, sandbox->seccomp ? "seccomp, " : "no seccomp, ");
	if (sandbox->landlock)
		text_printf(text, "Landlock ABI %d", sandbox->landlock);
	else
		text_puts(text, "no Landlock");
	text_puts(text, sandbox->no_capabilities ? ", no capabilities" : ", capabilities");
	return sandbox->seccomp && sandbox->landlock && sandbox->no_capabilities;
}
