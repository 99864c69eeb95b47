#include "process/sandbox_calls.h"

#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __i386__
#define ARCH AUDIT_ARCH_I386
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#elif defined __arm__
#define ARCH AUDIT_ARCH_ARM
#endif

/* The system calls behind the functions that we use, on each architecture. On 32 bits libc tries a newer
 * call first, so both are listed. No call makes a process, a mapping or a listening socket. None sends
 * a signal or returns from a handler (we have none). */
static const uint16_t judge_calls[] = {
	__NR_read,
	__NR_pread64,
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
	__NR_clock_gettime, /* needed without a vDSO */
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
	__NR_restart_syscall, /* for a poll interrupted by SIGSTOP and SIGCONT */
	__NR_madvise,
	__NR_connect,
	__NR_sendto,
	__NR_recvfrom,
	__NR_setsockopt,
	__NR_getsockname,
	__NR_inotify_init1,
	__NR_inotify_add_watch,
	__NR_inotify_rm_watch,
#ifdef __NR_open
	__NR_openat, /* src/base/beneath.c */
#endif
	__NR_readlinkat,
	__NR_getdents64, /* src/gluetun/port_file.c */
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
	__NR_flock, /* src/sidecar/login_store.c */
	__NR_pwrite64,
	__NR_epoll_create1, /* src/webhook/webhook.c */
	__NR_epoll_ctl,
	__NR_wait4,
};

/* Calls that are allowed only with these values of this argument. */
static const struct checked {
	uint16_t call;
	uint16_t argument;
	uint16_t values[6]; /* up to a 0, which is none */
} checked[] = {
	{ __NR_socket, 0, { AF_INET, AF_INET6, AF_NETLINK } },
	{ __NR_ioctl, 1, { SIOCGIFINDEX } }, /* src/net/resolve_address.c: a zone */
#ifdef __NR_socketcall
	/* For Linux before 4.3: socket(2), connect(2), getsockname(2), sendto(2), recvfrom(2) and
	 * setsockopt(2). A filter cannot read the other arguments, which lie in memory. */
	{ __NR_socketcall, 0, { 1, 3, 6, 11, 12, 14 } },
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define CALLS_MAX (COUNT(judge_calls) + COUNT(more_calls))

/* The filter compares at most the first numbers of all runs and all of one run. 6 is near the root
 * of their count, where the sum is least. */
#define RUN 6

_Static_assert(CALLS_MAX + CALLS_MAX / RUN + 8 * COUNT(checked) + 6 <= SANDBOX_FILTER_MAX,
               "a filter has more instructions than there is room for");

struct program {
	struct sock_filter *at;
};

static void append(struct program *program, unsigned code, size_t operand)
{
	*program->at++ = (struct sock_filter){ .code = (uint16_t)code, .k = (uint32_t)operand };
}

static void load(struct program *program, size_t offset)
{
	append(program, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* Jumps to the end of the filter, which allows the call or ends the process. Resolved when the filter
 * is complete. */
#define TO_ALLOW UINT8_MAX
#define TO_KILL (UINT8_MAX - 1)

/* Skips `if_so` instructions if the loaded word is `value` (BPF_JEQ), or at least that (BPF_JGE), else
 * `if_not`. */
static void compare(struct program *program, unsigned how, unsigned value, size_t if_so,
                    size_t if_not)
{
	append(program, BPF_JMP | how | BPF_K, value);
	program->at[-1].jt = (uint8_t)if_so;
	program->at[-1].jf = (uint8_t)if_not;
}

static size_t sort_in(uint16_t *sorted, size_t count, const uint16_t *list, size_t more)
{
	for (; more > 0; more--, list++) {
		size_t at = count++;

		for (; at > 0 && sorted[at - 1] > *list; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = *list;
	}
	return count;
}

/* Allows the sorted calls, and no other. At the start, the kernel runs the filter for each number that
 * there is; compared one by one, that took half of what seccomp takes. Half of the numbers are at least
 * those of the last runs, which hence come first. */
static void allow_calls(struct program *program, const uint16_t *sorted, size_t count)
{
	for (size_t end = count, start; end > 0; end = start) {
		start = (end - 1) / RUN * RUN;
		if (start > 0)
			compare(program, BPF_JGE, sorted[start], 0, end - start);
		for (size_t i = start; i < end; i++)
			compare(program, BPF_JEQ, sorted[i], TO_ALLOW, i + 1 < end ? 0 : TO_KILL);
	}
}

static void allow_checked(struct program *program, const struct checked *check)
{
	size_t count = 0;

	while (count < COUNT(check->values) && check->values[count])
		count++;
	compare(program, BPF_JEQ, check->call, 0, count + 1);
	/* The lower half of the argument, which holds an int (little-endian). */
	load(program, offsetof(struct seccomp_data, args) + check->argument * sizeof(uint64_t));
	for (size_t i = 0; i < count; i++)
		compare(program, BPF_JEQ, check->values[i], TO_ALLOW, i + 1 < count ? 0 : TO_KILL);
}

size_t sandbox_calls_filter(struct sock_filter filter[static SANDBOX_FILTER_MAX],
                            enum sandbox_phase phase)
{
	uint16_t sorted[CALLS_MAX] = { 0 };
	size_t count = sort_in(sorted, 0, judge_calls, COUNT(judge_calls));
	struct program program = { filter };

	load(&program, offsetof(struct seccomp_data, arch));
	compare(&program, BPF_JEQ, ARCH, 0, TO_KILL);
	/* x32 has the architecture of x86_64, but its call numbers are in no list. */
	load(&program, offsetof(struct seccomp_data, nr));
	if (phase != SANDBOX_JUDGE) {
		count = sort_in(sorted, count, more_calls, COUNT(more_calls));
		for (size_t i = 0; i < COUNT(checked); i++)
			allow_checked(&program, &checked[i]);
	}
	allow_calls(&program, sorted, count);
	for (struct sock_filter *step = filter; step < program.at; step++) {
		size_t left = (size_t)(program.at - step);

		if (step->jf == TO_KILL)
			step->jf = (uint8_t)(left - 1);
		if (step->jt == TO_ALLOW)
			step->jt = (uint8_t)left;
	}
	/* Linux before 4.14 takes this for "kill the thread": we have just one. */
	append(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	append(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return (size_t)(program.at - filter);
}

bool sandbox_calls_limit(enum sandbox_phase phase)
{
	struct sock_filter filter[SANDBOX_FILTER_MAX];
	const struct sock_fprog program = {
		.filter = filter,
		.len = (uint16_t)sandbox_calls_filter(filter, phase),
	};

	return !SANDBOX_RESTRICTS || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
