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

/* Calls that are allowed only with this value of this argument. */
static const struct checked {
	uint16_t call;
	uint16_t argument;
	uint16_t value;
} checked[] = {
	{ __NR_socket, 0, AF_INET },
	{ __NR_socket, 0, AF_INET6 },
	{ __NR_socket, 0, AF_NETLINK },
	{ __NR_ioctl, 1, SIOCGIFINDEX }, /* src/net/resolve_address.c: a zone */
#ifdef __NR_socketcall
	/* For Linux before 4.3. A filter cannot read the other arguments, which lie in memory. */
	{ __NR_socketcall, 0, 1 },  /* socket(2) */
	{ __NR_socketcall, 0, 3 },  /* connect(2) */
	{ __NR_socketcall, 0, 6 },  /* getsockname(2) */
	{ __NR_socketcall, 0, 11 }, /* sendto(2) */
	{ __NR_socketcall, 0, 12 }, /* recvfrom(2) */
	{ __NR_socketcall, 0, 14 }, /* setsockopt(2) */
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

_Static_assert(COUNT(judge_calls) + COUNT(more_calls) + 4 * COUNT(checked) + 6 <=
                       SANDBOX_FILTER_MAX,
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

/* A jump to the end of the filter, which allows the call. Resolved when the filter is complete. */
#define TO_END UINT8_MAX

/* Skips `if_so` instructions if the loaded word is `value`, else `if_not`. */
static void compare(struct program *program, unsigned value, unsigned if_so, unsigned if_not)
{
	append(program, BPF_JMP | BPF_JEQ | BPF_K, value);
	program->at[-1].jt = (uint8_t)if_so;
	program->at[-1].jf = (uint8_t)if_not;
}

static void allow_calls(struct program *program, const uint16_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		compare(program, list[i], TO_END, 0);
}

size_t sandbox_calls_filter(struct sock_filter filter[static SANDBOX_FILTER_MAX],
                            enum sandbox_phase phase)
{
	const size_t number = offsetof(struct seccomp_data, nr);
	bool judges = phase == SANDBOX_JUDGE;
	struct program program = { filter };

	load(&program, offsetof(struct seccomp_data, arch));
	compare(&program, ARCH, 1, 0);
	/* Linux before 4.14 takes this for "kill the thread": we have just one. */
	append(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	load(&program, number);
	/* x32 has the architecture of x86_64, but its call numbers are in no list. */
	allow_calls(&program, judge_calls, COUNT(judge_calls));
	if (!judges)
		allow_calls(&program, more_calls, COUNT(more_calls));
	for (size_t i = 0; !judges && i < COUNT(checked); i++) {
		compare(&program, checked[i].call, 0, 3);
		/* The lower half of the argument, which holds an int (little-endian). */
		load(&program,
		     offsetof(struct seccomp_data, args) + checked[i].argument * sizeof(uint64_t));
		compare(&program, checked[i].value, TO_END, 0);
		load(&program, number);
	}
	append(&program, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	for (struct sock_filter *step = filter; step < program.at; step++)
		if (step->jt == TO_END)
			step->jt = (uint8_t)(program.at - step - 1);
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
