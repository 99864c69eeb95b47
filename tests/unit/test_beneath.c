#include "base/beneath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "temp_dir.h"

/* Each test runs between make_tree and temp_dir_remove. Each file holds its own name. */

static void make_file(void *const *state, const char *name)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, name);
	assert_true(temp_dir_write(path, name, strlen(name)));
}

static void make_dir(void *const *state, const char *name)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* A link in the directory "dir". */
static void make_link(void *const *state, const char *name, const char *target)
{
	char path[PATH_MAX], below[512];

	snprintf(below, sizeof below, "dir/%s", name);
	temp_dir_path(path, state, below);
	(void)unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static int make_tree(void **state)
{
	if (temp_dir_make(state))
		return -1;
	make_dir(state, "dir");
	make_dir(state, "dir/sub");
	make_dir(state, "dir/sub/deep");
	make_dir(state, "dir2");
	make_file(state, "outside");
	make_file(state, "dir2/port");
	make_file(state, "dir/port");
	make_file(state, "dir/sub/port");
	make_file(state, "dir/sub/deep/port");
	return 0;
}

static int open_in(void *const *state, const char *name)
{
	char path[PATH_MAX], below[512];

	snprintf(below, sizeof below, "dir/%s", name);
	temp_dir_path(path, state, below);
	return beneath_open(path);
}

static void assert_opens(void *const *state, const char *name, const char *wanted)
{
	char content[64] = "";
	int fd = open_in(state, name);

	if (fd < 0)
		fail_msg("%s: errno %d", name, errno);
	assert_true(read(fd, content, sizeof content - 1) >= 0);
	assert_string_equal(content, wanted);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void assert_refused(void *const *state, const char *name, int wanted)
{
	int fd = open_in(state, name);
	int error = errno;

	if (fd >= 0)
		fail_msg("%s is opened", name);
	if (error != wanted)
		fail_msg("%s: errno %d, not %d", name, error, wanted);
}

static void beneath_opens_a_file(void **state)
{
	assert_opens(state, "port", "dir/port");
	assert_opens(state, "sub/port", "dir/sub/port");
}

static void beneath_follows_links_to_the_directory_itself(void **state)
{
	char link[PATH_MAX], real[PATH_MAX];

	temp_dir_path(link, state, "dir");
	temp_dir_path(real, state, "real");
	assert_int_equal(rename(link, real), 0);
	assert_int_equal(symlink("real", link), 0);
	assert_opens(state, "port", "dir/port");
	make_link(state, "link", "sub/../sub/deep/port");
	assert_opens(state, "link", "dir/sub/deep/port");
}

static void beneath_follows_links_that_stay(void **state)
{
	static const char *const targets[] = {
		"sub/port",         "./sub/port",      "sub//port",   "sub/./port",
		"sub/deep/../port", "sub/../sub/port", "to-sub/port", "deeper/../port",
	};
	char absolute[PATH_MAX];

	make_link(state, "to-sub", "sub/");
	make_link(state, "deeper", "sub/deep");
	make_link(state, "sub/up", "..");
	for (size_t i = 0; i + 1 < sizeof targets / sizeof targets[0]; i++) {
		make_link(state, "link", targets[i]);
		assert_opens(state, "link", "dir/sub/port");
	}
	make_link(state, "link", "sub/up/port");
	assert_opens(state, "link", "dir/port");
	make_link(state, "sub/deep/back", "../../sub/up/port");
	make_link(state, "link", "sub/deep/back");
	assert_opens(state, "link", "dir/port");
	temp_dir_path(absolute, state, "dir/sub/port");
	make_link(state, "link", absolute);
	assert_opens(state, "link", "dir/sub/port");
}

/* Kubernetes' atomic writer: one rename of "..data" replaces all files. */
static void beneath_reads_what_kubernetes_mounts(void **state)
{
	char from[PATH_MAX], to[PATH_MAX];

	make_dir(state, "dir/..2026_11_29");
	make_file(state, "dir/..2026_11_29/forwarded_port");
	make_link(state, "..data", "..2026_11_29");
	make_link(state, "forwarded_port", "..data/forwarded_port");
	assert_opens(state, "forwarded_port", "dir/..2026_11_29/forwarded_port");

	make_dir(state, "dir/..2026_11_30");
	make_file(state, "dir/..2026_11_30/forwarded_port");
	make_link(state, "..data_tmp", "..2026_11_30");
	temp_dir_path(from, state, "dir/..data_tmp");
	temp_dir_path(to, state, "dir/..data");
	assert_int_equal(rename(from, to), 0);
	assert_opens(state, "forwarded_port", "dir/..2026_11_30/forwarded_port");
}

static void beneath_follows_no_link_that_leaves(void **state)
{
	static const char *const targets[] = {
		"../outside",
		"../dir2/port",
		"sub/../../outside",
		"../dir/port",
		"/proc/self/cwd",
		"/proc/self/fd/0",
		"/etc/passwd",
		"/",
		"..",
		"to-above/outside",
		"sub/out/outside",
		"sub/deep/../../../outside",
		"to-root/etc/passwd",
	};
	char absolute[PATH_MAX];

	make_link(state, "to-above", "..");
	make_link(state, "to-root", "/");
	make_link(state, "sub/out", "../..");
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		make_link(state, "link", targets[i]);
		assert_refused(state, "link", EXDEV);
	}
	/* The directory's name plus a suffix is another directory. */
	temp_dir_path(absolute, state, "dir2/port");
	make_link(state, "link", absolute);
	assert_refused(state, "link", EXDEV);
	temp_dir_path(absolute, state, "dir/../outside");
	make_link(state, "link", absolute);
	assert_refused(state, "link", EXDEV);
	assert_refused(state, "..", EXDEV);
}

/* Links in /proc do not lead where their text says. */
static void beneath_follows_no_magic_link(void **state)
{
	char path[64];
	int fd = open_in(state, "port");

	assert_true(fd >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(beneath_open(path), -1);
	assert_int_equal(errno, EXDEV);
	close(fd);
}

static void beneath_says_what_is_missing_or_none(void **state)
{
	char path[PATH_MAX];

	make_link(state, "dangling", "nothing");
	make_link(state, "circle", "circle");
	make_link(state, "self", ".");
	make_link(state, "in-file", "port/x");
	assert_refused(state, "nothing", ENOENT);
	assert_refused(state, "dangling", ENOENT);
	assert_refused(state, "in-file", ENOTDIR);
	assert_refused(state, "port/x", ENOTDIR);
	assert_refused(state, "circle", ELOOP);
	assert_refused(state, "self", EISDIR);
	temp_dir_path(path, state, "none/port");
	assert_int_equal(beneath_open(path), -1);
	assert_int_equal(errno, ENOENT);
}

static void beneath_ends_at_links_that_are_too_many_or_too_long(void **state)
{
	char target[PATH_MAX], name[32];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "l%d", i);
		snprintf(target, sizeof target, "l%d", i + 1);
		make_link(state, name, target);
	}
	make_link(state, "l20", "port");
	assert_refused(state, "l0", ELOOP);
	assert_opens(state, "l10", "dir/port");
	memset(target, 'x', sizeof target);
	target[1023] = '\0';
	make_link(state, "long", target);
	assert_refused(state, "long", ENAMETOOLONG);
	/* Twice a target of the longest length that is allowed. */
	for (size_t i = 0; i < 1000; i += 4)
		memcpy(target + i, "sub/", 4);
	memcpy(target + 1000, "..", sizeof "..");
	make_link(state, "long", target);
	make_link(state, "twice", "long/long");
	assert_refused(state, "twice", ENOENT);
}

/* A child swaps links all the time. Every file that is opened was in the directory. */
static void beneath_never_opens_what_is_outside_however_links_are_swapped(void **state)
{
	static const char *const targets[] = { "../outside", "sub/port", "sub/out/outside" };
	pid_t child;
	size_t opened = 0;
	int status;

	make_link(state, "sub/out", "../..");
	make_link(state, "link", "sub/port");
	child = fork();
	if (child == 0) {
		char path[PATH_MAX], other[PATH_MAX];

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);

		temp_dir_path(path, state, "dir/link");
		temp_dir_path(other, state, "dir/other");
		for (size_t i = 0;; i++)
			if (symlink(targets[i % 3], other) || rename(other, path))
				_exit(1);
	}
	assert_true(child > 0);
	for (int i = 0; i < 20000 || (opened == 0 && i < 2000000); i++) {
		char content[64] = "";
		int fd = open_in(state, "link");

		if (fd < 0)
			continue;
		assert_true(read(fd, content, sizeof content - 1) >= 0);
		close(fd);
		assert_string_equal(content, "dir/sub/port");
		opened++;
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && opened > 0);
}

static void beneath_leaves_no_descriptor_open(void **state)
{
	int before = dup(0);

	make_link(state, "link", "sub/deep/port");
	make_link(state, "out", "sub/../../outside");
	for (int i = 0; i < 10; i++) {
		assert_opens(state, "link", "dir/sub/deep/port");
		assert_refused(state, "out", EXDEV);
		assert_refused(state, "sub/deep/none", ENOENT);
	}
	close(before);
	assert_int_equal(dup(0), before);
	close(before);
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, temp_dir_remove)
	const struct CMUnitTest tests[] = {
		IN_TREE(beneath_opens_a_file),
		IN_TREE(beneath_follows_links_to_the_directory_itself),
		IN_TREE(beneath_follows_links_that_stay),
		IN_TREE(beneath_reads_what_kubernetes_mounts),
		IN_TREE(beneath_follows_no_link_that_leaves),
		IN_TREE(beneath_follows_no_magic_link),
		IN_TREE(beneath_says_what_is_missing_or_none),
		IN_TREE(beneath_ends_at_links_that_are_too_many_or_too_long),
		IN_TREE(beneath_never_opens_what_is_outside_however_links_are_swapped),
		IN_TREE(beneath_leaves_no_descriptor_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
