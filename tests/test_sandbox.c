#include "sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "temp_dir.h"

/* ---- the filter, on a machine like the kernel's ---- */

#ifdef __x86_64__
#define HERE AUDIT_ARCH_X86_64
#else
#define HERE AUDIT_ARCH_AARCH64
#endif

static struct sock_filter filter[SANDBOX_FILTER_MAX];
static size_t filter_len;

/* Runs the filter; every instruction must be there, and of a kind that the kernel takes. */
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
	filter_len = sandbox_filter(filter, phase);
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
	/* The kernel takes an int, whatever stands in the other half of the register. */
	assert_true(allows_with(SYS_socket, 0, 0x100000000 | AF_INET));
	assert_false(allows_with(SYS_socket, 1, AF_INET));
	build(SANDBOX_JUDGE);
	assert_false(allows_with(SYS_socket, 0, AF_INET));
}

static void descriptors_are_marked_and_no_more(void **state)
{
	(void)state;

	for (enum sandbox_phase phase = SANDBOX_RUN; phase <= SANDBOX_JUDGE; phase++) {
		build(phase);
		for (unsigned command = 0; command < 2048; command++)
			assert_int_equal(allows_with(SYS_fcntl, 1, command), command == F_SETFD);
		for (unsigned request = 0; request < UINT16_MAX; request++)
			if (request != 0x8933) /* SIOCGIFINDEX */
				assert_false(allows_with(SYS_ioctl, 1, request));
	}
}

/* ---- what is entered, each time in a child ---- */

/* each: temp_dir_make, temp_dir_remove */

struct place {
	char dir[PATH_MAX], health[PATH_MAX], metrics[PATH_MAX], port[PATH_MAX], other[PATH_MAX];
	struct config config;
};

static void set_up(struct place *place, void *const *state)
{
	*place = (struct place){ .config = { .sandbox = true } };
	temp_dir_path(place->dir, state, "");
	temp_dir_path(place->health, state, "health/deeper/status.json");
	temp_dir_path(place->metrics, state, "metrics/qsticky.prom");
	temp_dir_path(place->port, state, "gluetun/forwarded_port");
	temp_dir_path(place->other, state, "other");
	place->config.health_path = place->health;
	place->config.metrics_path = place->metrics;
	place->config.port_file_path = place->port;
	place->config.tls_ca_file = "/nowhere/ca.pem";
}

typedef bool promise(struct place *place);

static void check_promise(void *const *state, promise *kept)
{
	struct place place;
	pid_t child;
	int status;

	set_up(&place, state);
	child = fork();
	if (child == 0)
		_exit(kept(&place) ? 0 : 1);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a child has printed in the place of a name. */
static bool writes_only_its_own(struct place *place)
{
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_RUN);

	if (!temp_dir_write(place->health, "x", 1) || !temp_dir_write(place->metrics, "x", 1))
		return false;
	return on.landlock == 0 || (!temp_dir_write(place->other, "x", 1) && errno == EACCES &&
	                            !temp_dir_write(place->port, "x", 1));
}

static void run_writes_health_and_metrics_and_nothing_else(void **state)
{
	check_promise(state, writes_only_its_own);
}

static bool writes_nothing(struct place *place)
{
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_ONCE);

	/* Nor has it made any directory. */
	return access(place->health, F_OK) < 0 &&
	       mkdir(place->other, 0755) == (on.landlock ? -1 : 0);
}

static void once_writes_nothing(void **state)
{
	check_promise(state, writes_nothing);
}

static bool has_no_privilege(struct place *place)
{
	struct rlimit core, files;
	struct sandbox on = sandbox_enter(&place->config, SANDBOX_CHECK);

	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	return on.no_capabilities && !on.off && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	       prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == (geteuid() == 0 ? 0 : 1) &&
	       core.rlim_max == 0 && files.rlim_max <= 64 && files.rlim_cur <= 64;
}

static void no_privilege_is_left(void **state)
{
	check_promise(state, has_no_privilege);
}

static bool keeps_lower_limits(struct place *place)
{
	struct rlimit files = { .rlim_cur = 20, .rlim_max = 30 };

	setrlimit(RLIMIT_NOFILE, &files);
	sandbox_enter(&place->config, SANDBOX_RUN);
	getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur == 20 && files.rlim_max == 30;
}

static void limits_that_are_lower_stay(void **state)
{
	check_promise(state, keeps_lower_limits);
}

static bool leaves_all_as_it_is(struct place *place)
{
	struct sandbox on;

	place->config.sandbox = false;
	on = sandbox_enter(&place->config, SANDBOX_RUN);
	return on.off && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 &&
	       temp_dir_write(place->other, "x", 1) && access(place->health, F_OK) < 0;
}

static void off_changes_nothing(void **state)
{
	check_promise(state, leaves_all_as_it_is);
}

/* ---- in words ---- */

static void says_what_is_on(void **state)
{
	char buf[128];
	struct text text = text_on(buf, sizeof buf);
	struct sandbox on = { .no_capabilities = true, .seccomp = true, .landlock = 7 };
	(void)state;

	assert_true(sandbox_put(&text, &on));
	assert_string_equal(buf, "seccomp, Landlock ABI 7, no capabilities");
	on = (struct sandbox){ .no_capabilities = true, .seccomp = true };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_put(&text, &on));
	assert_string_equal(buf, "seccomp, no Landlock, no capabilities");
	on = (struct sandbox){ .landlock = 1 };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_put(&text, &on));
	assert_string_equal(buf, "no seccomp, Landlock ABI 1, capabilities");
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_phase_has_what_it_needs),
		cmocka_unit_test(no_phase_has_more_than_a_few),
		cmocka_unit_test(nothing_that_makes_or_changes_a_process_is_allowed),
		cmocka_unit_test(another_architecture_is_none),
		cmocka_unit_test(sockets_are_of_three_families),
		cmocka_unit_test(descriptors_are_marked_and_no_more),
		WITH_DIR(run_writes_health_and_metrics_and_nothing_else),
		WITH_DIR(once_writes_nothing),
		WITH_DIR(no_privilege_is_left),
		WITH_DIR(limits_that_are_lower_stay),
		WITH_DIR(off_changes_nothing),
		cmocka_unit_test(says_what_is_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
