#include "process/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "process/sandbox_files.h"
#include "temp_dir.h"

/* ---- entering, each time in a child ---- */

/* Each test runs between temp_dir_make and temp_dir_remove. */

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

	/* It has not made any directory either. */
	return access(place->health, F_OK) < 0 &&
	       mkdir(place->other, 0755) == (on.landlock ? -1 : 0);
}

static void once_writes_nothing(void **state)
{
	check_promise(state, writes_nothing);
}

/* ---- only the configured files ---- */

/* With sanitizers the sandbox allows reading every file, so these tests set the rules directly. */
static int limit(const struct place *place, enum sandbox_phase phase)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return sandbox_files_limit(&place->config, phase, false);
}

static bool can_read(const char *path)
{
	char byte[2];

	return temp_dir_read(path, byte, sizeof byte) >= 0;
}

/* Also with files outside the configured directories. */
static bool reads_nothing_else(const struct place *place)
{
	return limit(place, SANDBOX_RUN) == 0 ||
	       (!can_read(place->other) && errno == EACCES && !can_read("/etc/passwd") &&
	        !temp_dir_write(place->other, "x", 1) && errno == EACCES);
}

static bool opens_nothing_above_a_port_file_that_is_missing(struct place *place)
{
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	return reads_nothing_else(place);
}

static bool opens_nothing_above_a_port_file_in_tmp(struct place *place)
{
	place->config.port_file_path = "/tmp/nowhere/forwarded_port";
	return reads_nothing_else(place);
}

static bool opens_nothing_above_a_port_file_in_the_root(struct place *place)
{
	place->config.port_file_path = "/forwarded_port";
	return reads_nothing_else(place);
}

static bool opens_nothing_above_a_health_file_in_the_root(struct place *place)
{
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.health_path = "/status.json";
	place->config.metrics_path = "/metrics.prom";
	return reads_nothing_else(place);
}

/* Making a directory fails if a file has its name, or if the user may not. */
static bool opens_nothing_above_a_health_file_that_cannot_be(struct place *place)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%.2000s/deeper/status.json", place->other);
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.health_path = path;
	return reads_nothing_else(place);
}

static bool opens_nothing_around_secrets_and_cas_that_are_missing(struct place *place)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%.2000s/nowhere/secret", place->dir);
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.pass.file = path;
	place->config.tls_ca_file = path;
	return reads_nothing_else(place);
}

static bool opens_nothing_in_a_directory_in_place_of_a_file(struct place *place)
{
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.pass.file = "/";
	place->config.tls_ca_file = "/";
	return reads_nothing_else(place);
}

/* Each names a directory that others use too, in another way. */
static bool opens_nothing_that_a_path_leads_to(struct place *place)
{
	static char path[PATH_MAX], link[PATH_MAX];
	static const char *const paths[] = { "/etc/../etc/file", "/etc//file", "/etc/./file",
		                             "//etc/file", link };

	snprintf(path, sizeof path, "%.2000s-link", place->other);
	snprintf(link, sizeof link, "%.2000s-link/file", place->other);
	if (symlink("/etc", path) < 0)
		return false;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		pid_t child = fork();
		int status;

		place->config.port_file_path = place->config.health_path = paths[i];
		place->config.tls_ca_file = place->config.pass.file = paths[i];
		if (child == 0)
			_exit(limit(place, SANDBOX_RUN) == 0 ||
			                      (!can_read("/etc/passwd") && errno == EACCES)
			              ? 0
			              : 1);
		if (waitpid(child, &status, 0) != child || status != 0)
			return false;
	}
	return unlink(path) == 0;
}

static void no_rule_is_on_what_holds_more_than_it_is_told_of(void **state)
{
	static promise *const promises[] = {
		opens_nothing_above_a_port_file_that_is_missing,
		opens_nothing_above_a_port_file_in_tmp,
		opens_nothing_above_a_port_file_in_the_root,
		opens_nothing_above_a_health_file_in_the_root,
		opens_nothing_above_a_health_file_that_cannot_be,
		opens_nothing_around_secrets_and_cas_that_are_missing,
		opens_nothing_in_a_directory_in_place_of_a_file,
		opens_nothing_that_a_path_leads_to,
	};
	char path[PATH_MAX];

	temp_dir_path(path, state, "other");
	assert_true(temp_dir_write(path, "x", 1));
	for (size_t i = 0; i < sizeof promises / sizeof promises[0]; i++)
		check_promise(state, promises[i]);
}

static bool reads_what_is_named(struct place *place)
{
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.webhook_url.file = place->other;
	return limit(place, SANDBOX_RUN) == 0 || can_read(place->other);
}

static void a_webhook_url_may_come_from_any_file(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "other");
	assert_true(temp_dir_write(path, "x", 1));
	check_promise(state, reads_what_is_named);
}

static bool reads_cas(struct place *place)
{
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	place->config.tls_ca_file = place->other;
	return limit(place, SANDBOX_RUN) == 0 || can_read(place->other);
}

static bool reads_no_cas_without_tls(struct place *place)
{
	struct stat status;

	place->config.webhook_url.is_default = true;
	return !reads_cas(place) || limit(place, SANDBOX_RUN) == 0 ||
	       stat(CONFIG_SECRETS, &status) == 0; /* it may come to hold a webhook's URL */
}

static bool reads_cas_for_qbittorrent(struct place *place)
{
	place->config.webhook_url.is_default = place->config.use_https = true;
	return reads_cas(place);
}

static bool reads_cas_for_the_control_server(struct place *place)
{
	place->config.webhook_url.is_default = place->config.gluetun_use_https = true;
	return reads_cas(place);
}

static bool reads_cas_for_a_webhook(struct place *place)
{
	place->config.webhook_url.value = "https://example.org/";
	return reads_cas(place);
}

static void cas_may_be_read_only_where_there_is_tls(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "other");
	assert_true(temp_dir_write(path, "x", 1));
	check_promise(state, reads_no_cas_without_tls);
	check_promise(state, reads_cas_for_qbittorrent);
	check_promise(state, reads_cas_for_the_control_server);
	check_promise(state, reads_cas_for_a_webhook);
}

/* ---- files that need a restart ---- */

static bool make(const char *dir, const char *file)
{
	return mkdir(dir, 0755) == 0 && temp_dir_write(file, "x", 1);
}

/* A process outside the sandbox. */
struct other {
	int ask, answer; /* pipes */
	char dir[PATH_MAX], moved[PATH_MAX], file[PATH_MAX], link[PATH_MAX];
};

/* Lets that process make another directory of that name. */
static bool replace(const struct other *other)
{
	char byte = 0;

	return write(other->ask, &byte, 1) == 1 && read(other->answer, &byte, 1) == 1 && byte == 1;
}

static bool start_other(struct other *other)
{
	int ask[2], answer[2];
	char byte;

	if (pipe(ask) < 0 || pipe(answer) < 0)
		return false;
	other->ask = ask[1];
	other->answer = answer[0];
	if (fork() > 0)
		return true;
	close(ask[1]);
	if (read(ask[0], &byte, 1) == 1) {
		byte = rename(other->dir, other->moved) == 0 && make(other->dir, other->file) ? 1
		                                                                              : 0;
		(void)!write(answer[1], &byte, 1);
	}
	_exit(0);
}

static bool hides_what_came_later(struct place *place)
{
	static struct other other;
	const char *file = other.file, *link = other.link;

	snprintf(other.dir, PATH_MAX, "%.2000s/secrets", place->dir);
	snprintf(other.moved, PATH_MAX, "%.2000s/old", place->dir);
	snprintf(other.file, PATH_MAX, "%.2000s/secrets/pass", place->dir);
	snprintf(other.link, PATH_MAX, "%.2000s/secrets/link", place->dir);
	place->config.pass.file = file;
	place->config.port_file_path = "/nowhere/gluetun/forwarded_port";
	if (!make(other.dir, file) || symlink(place->other, link) < 0 || !start_other(&other) ||
	    limit(place, SANDBOX_RUN) == 0)
		return !sandbox_files_hide(file);
	/* A file in the same directory may come and go. A link out of it, or a missing file, needs no
	 * restart. */
	if (sandbox_files_hide(file) || !can_read(file) || sandbox_files_hide(link) ||
	    can_read(link) || sandbox_files_hide("/nowhere"))
		return false;
	return replace(&other) && !can_read(file) && errno == EACCES && sandbox_files_hide(file) &&
	       /* Its mode forbids reading anyway. */
	       (geteuid() == 0 || (chmod(file, 0) == 0 && !sandbox_files_hide(file)));
}

static void what_the_sandbox_alone_keeps_closed_is_told_from_all_else(void **state)
{
	check_promise(state, hides_what_came_later);
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

static bool can_open_more(struct place *place)
{
	int inherited = 0, opened = 0;

	while (inherited < 70 && open("/dev/null", O_RDONLY) >= 0)
		inherited++;
	sandbox_enter(&place->config, SANDBOX_CHECK);
	while (opened < 32 && socket(AF_INET, SOCK_DGRAM, 0) >= 0)
		opened++;
	return inherited == 70 && opened == 32 && socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

static void there_is_room_for_descriptors_whatever_was_inherited(void **state)
{
	check_promise(state, can_open_more);
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

/* ---- sandbox_append ---- */

static void says_what_is_on(void **state)
{
	char buf[128];
	struct text text = text_on(buf, sizeof buf);
	struct sandbox on = { .no_capabilities = true, .seccomp = true, .landlock = 7 };
	(void)state;

	assert_true(sandbox_append(&text, &on));
	assert_string_equal(buf, "seccomp, Landlock ABI 7, no capabilities");
	on = (struct sandbox){ .no_capabilities = true, .seccomp = true };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_append(&text, &on));
	assert_string_equal(buf, "seccomp, no Landlock, no capabilities");
	on = (struct sandbox){ .landlock = 1 };
	text = text_on(buf, sizeof buf);
	assert_false(sandbox_append(&text, &on));
	assert_string_equal(buf, "no seccomp, Landlock ABI 1, capabilities");
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(run_writes_health_and_metrics_and_nothing_else),
		WITH_DIR(once_writes_nothing),
		WITH_DIR(no_rule_is_on_what_holds_more_than_it_is_told_of),
		WITH_DIR(a_webhook_url_may_come_from_any_file),
		WITH_DIR(cas_may_be_read_only_where_there_is_tls),
		WITH_DIR(what_the_sandbox_alone_keeps_closed_is_told_from_all_else),
		WITH_DIR(no_privilege_is_left),
		WITH_DIR(there_is_room_for_descriptors_whatever_was_inherited),
		WITH_DIR(limits_that_are_lower_stay),
		WITH_DIR(off_changes_nothing),
		cmocka_unit_test(says_what_is_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
