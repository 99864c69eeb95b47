#include "process/sandbox_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define HERE AUDIT_ARCH_X86_64
#else
#define HERE AUDIT_ARCH_AARCH64
#endif

static struct sock_filter filter[SANDBOX_FILTER_MAX];
static size_t filter_len;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static size_t steps; /* that judge() took since a test set it to 0 */

/* Runs the filter as the kernel does. Each instruction must exist and be of a kind that the kernel
 * accepts. */
static uint32_t judge(const struct seccomp_data *data)
{
	uint32_t loaded = 0;

	for (size_t at = 0; at < filter_len; at++) {
		const struct sock_filter *step = &filter[at];

		steps++;
		switch (step->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(step->k % 4 == 0 && step->k < sizeof *data);
			memcpy(&loaded, (const char *)data + step->k, sizeof loaded);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += loaded == step->k ? step->jt : step->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += loaded >= step->k ? step->jt : step->jf;
			break;
		case BPF_JMP | BPF_JA:
			at += step->k;
			break;
		case BPF_RET | BPF_K:
			return step->k;
		default:
			fail_msg("instruction %zu: %#x", at, (unsigned)step->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static bool allows_from(uint32_t arch, long call, unsigned argument, uint64_t value)
{
	struct seccomp_data data = { .nr = (int)call, .arch = arch };
	uint32_t action;

	data.args[argument] = value;
	action = judge(&data);
	assert_true(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_KILL_PROCESS);
	return action == SECCOMP_RET_ALLOW;
}

static bool allows(long call)
{
	return allows_from(HERE, call, 0, 0);
}

static bool allows_with(long call, unsigned argument, uint64_t value)
{
	return allows_from(HERE, call, argument, value);
}

static void build(enum sandbox_phase phase)
{
	memset(filter, 0, sizeof filter);
	filter_len = sandbox_calls_filter(filter, phase);
	assert_true(filter_len > 10 && filter_len <= SANDBOX_FILTER_MAX);
}

/* All of them, without those whose arguments are checked too. */
static const long judging[] = {
	SYS_read,          SYS_pread64,    SYS_write, SYS_close, SYS_fstat,
#ifdef SYS_open
	SYS_open,
#else
	SYS_openat,
#endif
	SYS_clock_gettime, SYS_exit_group,
};
static const long reconciling[] = {
#ifdef SYS_poll
	SYS_poll,
	SYS_openat,
	SYS_stat,
	SYS_access,
	SYS_mkdir,
	SYS_unlink,
	SYS_rename,
#else
	SYS_ppoll,
	SYS_newfstatat,
	SYS_faccessat,
	SYS_mkdirat,
	SYS_unlinkat,
	SYS_renameat,
#endif
	SYS_restart_syscall,
	SYS_madvise,
	SYS_connect,
	SYS_sendto,
	SYS_recvfrom,
	SYS_setsockopt,
	SYS_getsockname,
	SYS_inotify_init1,
	SYS_inotify_add_watch,
	SYS_inotify_rm_watch,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_geteuid,
	SYS_getrandom,
	SYS_flock,
	SYS_pwrite64,
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_wait4,
};

static bool lists(const long *list, size_t count, long call)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == call)
			return true;
	return false;
}

static void just_the_calls_of_the_list_are_allowed(void **state)
{
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		build(phase);
		for (long call = -1; call <= 1000; call++)
			assert_int_equal(allows(call),
			                 lists(judging, COUNT(judging), call) ||
			                         (phase != SANDBOX_JUDGE &&
			                          lists(reconciling, COUNT(reconciling), call)));
		for (long call = 1001; call <= INT32_MAX; call = call * 2)
			assert_false(allows(call));
	}
}

/* The kernel runs the filter for each number when it takes it (seccomp_cache_prepare()). */
static void a_number_takes_few_steps(void **state)
{
	(void)state;

	build(SANDBOX_RUN);
	steps = 0;
	for (long call = 0; call < 470; call++)
		(void)allows(call);
	assert_true(steps < 470 * 20);
}

static void nothing_that_makes_or_changes_a_process_is_allowed(void **state)
{
	static const long calls[] = {
		SYS_execve,
		SYS_execveat,
		SYS_clone,
		SYS_ptrace,
		SYS_kill,
		SYS_tgkill,
		SYS_mmap,
		SYS_mprotect,
		SYS_brk,
		SYS_bind,
		SYS_listen,
		SYS_accept4,
		SYS_prctl,
		SYS_setuid,
		SYS_mount,
		SYS_unshare,
		SYS_setns,
		SYS_rt_sigaction,
		SYS_keyctl,
		SYS_rt_sigreturn,
		SYS_bpf,
		SYS_memfd_create,
		SYS_process_vm_writev,
		SYS_pidfd_getfd,
	};
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		build(phase);
		for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
			assert_false(allows(calls[i]));
	}
}

static void another_architecture_is_none(void **state)
{
	(void)state;

	build(SANDBOX_RUN);
	assert_true(allows_from(HERE, SYS_read, 0, 0));
	assert_false(allows_from(AUDIT_ARCH_I386, SYS_read, 0, 0));
	assert_false(allows_from(AUDIT_ARCH_ARM, SYS_read, 0, 0));
	assert_false(allows_from(0, SYS_read, 0, 0));
	/* x32 has the architecture of x86_64. */
	for (long call = 0; call < 2048; call++)
		assert_false(allows_from(HERE, 0x40000000 | call, 0, 0));
}

static void sockets_are_of_three_families(void **state)
{
	(void)state;

	build(SANDBOX_RUN);
	for (unsigned family = 0; family < 64; family++)
		assert_int_equal(allows_with(SYS_socket, 0, family),
		                 family == AF_INET || family == AF_INET6 || family == AF_NETLINK);
	/* The kernel uses an int and ignores the upper half of the register. */
	assert_true(allows_with(SYS_socket, 0, 0x100000000 | AF_INET));
	assert_false(allows_with(SYS_socket, 1, AF_INET));
	build(SANDBOX_JUDGE);
	assert_false(allows_with(SYS_socket, 0, AF_INET));
}

static void descriptors_are_not_changed(void **state)
{
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		build(phase);
		for (unsigned command = 0; command < 2048; command++)
			assert_false(allows_with(SYS_fcntl, 1, command));
		for (unsigned request = 0; request < UINT16_MAX; request++)
			if (request != 0x8933) /* SIOCGIFINDEX */
				assert_false(allows_with(SYS_ioctl, 1, request));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(just_the_calls_of_the_list_are_allowed),
		cmocka_unit_test(a_number_takes_few_steps),
		cmocka_unit_test(nothing_that_makes_or_changes_a_process_is_allowed),
		cmocka_unit_test(another_architecture_is_none),
		cmocka_unit_test(sockets_are_of_three_families),
		cmocka_unit_test(descriptors_are_not_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
