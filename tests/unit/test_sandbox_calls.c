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

/* Runs the filter as the kernel does. Each instruction must exist and be of a kind that the kernel
 * accepts. */
static uint32_t judge(const struct seccomp_data *data)
{
	uint32_t loaded = 0;

	for (size_t at = 0; at < filter_len; at++) {
		const struct sock_filter *step = &filter[at];

		switch (step->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(step->k % 4 == 0 && step->k < sizeof *data);
			memcpy(&loaded, (const char *)data + step->k, sizeof loaded);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += loaded == step->k ? step->jt : step->jf;
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

static void each_phase_has_what_it_needs(void **state)
{
	static const long judging[] = { SYS_read,  SYS_write,         SYS_close,
		                        SYS_fstat, SYS_clock_gettime, SYS_exit_group };
	static const long reconciling[] = { SYS_connect,    SYS_sendto,        SYS_recvfrom,
		                            SYS_madvise,    SYS_wait4,         SYS_restart_syscall,
		                            SYS_setsockopt, SYS_inotify_init1, SYS_getrandom };
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		build(phase);
		for (size_t i = 0; i < sizeof judging / sizeof judging[0]; i++)
			assert_true(allows(judging[i]));
		for (size_t i = 0; i < sizeof reconciling / sizeof reconciling[0]; i++)
			assert_int_equal(allows(reconciling[i]), phase != SANDBOX_JUDGE);
	}
}

static void no_phase_has_more_than_a_few(void **state)
{
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		size_t allowed = 0;

		build(phase);
		for (long call = -1; call < 2048; call++)
			allowed += allows(call);
		assert_true(allowed < (phase == SANDBOX_JUDGE ? 10 : 40));
		for (long call = 2048; call <= INT32_MAX; call = call * 2)
			assert_false(allows(call));
	}
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
		cmocka_unit_test(each_phase_has_what_it_needs),
		cmocka_unit_test(no_phase_has_more_than_a_few),
		cmocka_unit_test(nothing_that_makes_or_changes_a_process_is_allowed),
		cmocka_unit_test(another_architecture_is_none),
		cmocka_unit_test(sockets_are_of_three_families),
		cmocka_unit_test(descriptors_are_not_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
