#include "gluetun/port_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "temp_dir.h"

/* each: temp_dir_make, temp_dir_remove */

/* ---- content ---- */

static void assert_port(const char *text, unsigned wanted, size_t wanted_count)
{
	struct port_file_ports ports = { .count = 7 };

	if (!port_file_parse(text, strlen(text), &ports))
		fail_msg("%s is refused", text);
	assert_int_equal(ports.count, wanted_count);
	if (wanted_count > 0)
		assert_int_equal(ports.port[0], wanted);
}

static void assert_no_port(const char *text, size_t len)
{
	struct port_file_ports ports = { .count = 7 };

	if (port_file_parse(text, len, &ports))
		fail_msg("%s: %zu ports", text, ports.count);
	assert_int_equal(ports.count, 7);
}

static void port_file_takes_what_gluetun_writes(void **state)
{
	(void)state;

	assert_port("41000\n", 41000, 1);
	assert_port("41000", 41000, 1);
}

static void port_file_takes_the_whole_range_and_no_more(void **state)
{
	(void)state;

	assert_port("1", 1, 1);
	assert_port("65535", 65535, 1);
	assert_no_port("0", 1);
	assert_no_port("65536", 5);
	assert_no_port("70000", 5);
	assert_no_port("4294967297", 10);
	assert_no_port("18446744073709592616", 20);
}

static void port_file_drops_blanks_and_carriage_returns(void **state)
{
	(void)state;

	assert_port("41000\r\n", 41000, 1);
	assert_port(" \t41000 \t\r\n", 41000, 1);
	assert_port("\r\n\r\n41000\r\n", 41000, 1);
}

static void port_file_takes_the_first_of_several(void **state)
{
	(void)state;

	assert_port("41000\n42000\n43000\n", 41000, 3);
	assert_port("\n  \n41000\n\n42000", 41000, 2);
}

static void port_file_checks_the_others_too(void **state)
{
	(void)state;

	assert_no_port("41000\nx\n", 8);
	assert_no_port("41000\n0\n", 8);
	assert_no_port("41000\n70000", 11);
}

static void port_file_takes_emptiness_for_no_port(void **state)
{
	(void)state;

	assert_port("", 0, 0);
	assert_port("\n", 0, 0);
	assert_port(" \r\n\t\n\n", 0, 0);
}

static void port_file_refuses_what_is_not_a_number(void **state)
{
	(void)state;

	assert_no_port("-1", 2);
	assert_no_port("+41000", 6);
	assert_no_port("51413abc", 8);
	assert_no_port("0x1000", 6);
	assert_no_port("4 1000", 6);
	assert_no_port("41000,42000", 11);
	assert_no_port("41000.0", 7);
	assert_no_port("41000\0", 6);
	assert_no_port("\0", 1);
	assert_no_port("\xef\xbb\xbf"
	               "41000",
	               8);
	assert_no_port("\v41000", 6);
}

static void port_file_keeps_all_ports_in_their_order(void **state)
{
	struct port_file_ports ports;
	(void)state;

	assert_true(port_file_parse("41000\n42000\n1\n", 14, &ports));
	assert_int_equal(ports.count, 3);
	assert_int_equal(ports.port[0], 41000);
	assert_int_equal(ports.port[1], 42000);
	assert_int_equal(ports.port[2], 1);
}

static void port_file_has_room_for_all_that_a_file_can_list(void **state)
{
	char text[PORT_FILE_MAX];
	struct port_file_ports ports;
	(void)state;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = i % 2 ? '\n' : '1';
	assert_true(port_file_parse(text, sizeof text, &ports));
	assert_int_equal(ports.count, PORT_FILE_MAX / 2);
}

/* ---- reading ---- */

/* The first port, 0 for none. */
static enum fail read_port(const char *path, uint16_t *port, struct failure *why)
{
	struct port_file_ports ports = { .count = 1, .port = { 7 } };
	enum fail f = port_file_read(path, &ports, why);

	*port = ports.count > 0 ? ports.port[0] : 0;
	return f;
}

static void assert_reads(void *const *state, const void *bytes, size_t len, enum fail wanted,
                         unsigned wanted_port)
{
	char path[PATH_MAX];
	struct failure why;
	uint16_t port;

	temp_dir_path(path, state, "port");
	assert_true(temp_dir_write(path, bytes, len));
	assert_int_equal(read_port(path, &port, &why), wanted);
	assert_int_equal(port, wanted_port);
	if (wanted)
		assert_non_null(strstr(why.text, path));
}

static void port_file_reads_the_port(void **state)
{
	assert_reads(state, "41000\n", 6, FAIL_NONE, 41000);
}

static void port_file_reads_an_empty_file_as_none(void **state)
{
	assert_reads(state, "", 0, FAIL_NONE, 0);
}

static void port_file_names_the_path_of_a_bad_file(void **state)
{
	assert_reads(state, "51413abc", 8, FAIL_FORMAT, 7);
}

static void port_file_reads_up_to_256_bytes(void **state)
{
	static const char port[] = { '4', '1', '0', '0', '0' };
	char bytes[PORT_FILE_MAX + 1];

	memset(bytes, '\n', sizeof bytes);
	memcpy(bytes, port, sizeof port);
	assert_reads(state, bytes, PORT_FILE_MAX, FAIL_NONE, 41000);
	assert_reads(state, bytes, PORT_FILE_MAX + 1, FAIL_TOO_BIG, 7);
}

static void port_file_says_kind_and_size_of_a_bad_file_and_nothing_in_it(void **state)
{
	static const struct {
		const char *text, *kind;
	} files[] = {
		{ "s3cret\n", "text (6 bytes)" },
		{ "hunter2 s3cret\n", "text with blanks (14 bytes)" },
		{ "\x1b[31ms3cret", "binary data (11 bytes)" },
		{ "70000\n", "a number (5 bytes)" },
		{ "0", "a number (1 byte)" },
		{ "-1", "a number with a sign (2 bytes)" },
		{ "41000s3cret", "a number followed by other characters (11 bytes)" },
		{ "me:s3cret@host", "text with an @ (14 bytes)" },
	};
	char path[PATH_MAX], wanted[PATH_MAX + 128];
	struct failure why;
	uint16_t port;

	temp_dir_path(path, state, "port");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		temp_dir_write(path, files[i].text, strlen(files[i].text));
		assert_int_equal(read_port(path, &port, &why), FAIL_FORMAT);
		snprintf(wanted, sizeof wanted,
		         "%s holds %s, which is not a port (1 to 65535) on each line", path,
		         files[i].kind);
		assert_string_equal(why.text, wanted);
	}
}

static void port_file_reads_a_missing_file_or_directory_as_none(void **state)
{
	static const char *const names[] = { "none", "none/port", "file/port" };
	char path[PATH_MAX];
	struct failure why;
	uint16_t port;

	temp_dir_path(path, state, "file");
	temp_dir_write(path, "1", 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		temp_dir_path(path, state, names[i]);
		assert_int_equal(read_port(path, &port, &why), FAIL_NONE);
		assert_int_equal(port, 0);
	}
}

static void port_file_tells_a_missing_file_from_an_empty_one(void **state)
{
	struct port_file_ports ports;
	char path[PATH_MAX];
	struct failure why;

	temp_dir_path(path, state, "none/port");
	assert_int_equal(port_file_read(path, &ports, &why), FAIL_NONE);
	assert_true(ports.missing);
	temp_dir_path(path, state, "port");
	assert_int_equal(port_file_read(path, &ports, &why), FAIL_NONE);
	assert_true(ports.missing);
	temp_dir_write(path, "", 0);
	assert_int_equal(port_file_read(path, &ports, &why), FAIL_NONE);
	assert_false(ports.missing);
	assert_int_equal(ports.count, 0);
}

static void port_file_refuses_a_directory(void **state)
{
	struct failure why;
	uint16_t port;

	assert_int_equal(read_port(*state, &port, &why), FAIL_IO);
	assert_non_null(strstr(why.text, "directory"));
}

static void port_file_does_not_wait_for_a_fifo(void **state)
{
	char path[PATH_MAX];
	struct failure why;
	uint16_t port;

	temp_dir_path(path, state, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_port(path, &port, &why), FAIL_IO);
}

static void port_file_follows_a_link_and_says_when_it_leads_in_circles(void **state)
{
	char path[PATH_MAX], link[PATH_MAX];
	struct failure why;
	uint16_t port;

	temp_dir_path(path, state, "port");
	temp_dir_path(link, state, "link");
	temp_dir_write(path, "41000", 5);
	assert_int_equal(symlink("port", link), 0);
	assert_int_equal(read_port(link, &port, &why), FAIL_NONE);
	assert_int_equal(port, 41000);
	unlink(link);
	assert_int_equal(symlink("link", link), 0);
	assert_int_equal(read_port(link, &port, &why), FAIL_IO);
}

static void port_file_names_a_link_that_leads_out_and_not_where_it_leads(void **state)
{
	char link[PATH_MAX], target[PATH_MAX], wanted[PATH_MAX + 64];
	struct failure why;
	uint16_t port;

	temp_dir_path(link, state, "dir");
	assert_int_equal(mkdir(link, 0755), 0);
	temp_dir_path(link, state, "dir/port");
	temp_dir_path(target, state, "s3cret");
	temp_dir_write(target, "41000", 5);
	assert_int_equal(symlink("../s3cret", link), 0);
	assert_int_equal(read_port(link, &port, &why), FAIL_FORMAT);
	assert_null(strstr(why.text, "s3cret"));
	snprintf(wanted, sizeof wanted, "%s is a symbolic link that leads out", link);
	assert_non_null(strstr(why.text, wanted));
}

/* A file that is replaced between two system calls of ours has no link left either. */
static void port_file_reads_a_port_however_often_the_file_is_replaced(void **state)
{
	char path[PATH_MAX], other[PATH_MAX];
	struct failure why;
	pid_t child;

	temp_dir_path(path, state, "port");
	temp_dir_path(other, state, "other");
	temp_dir_write(path, "41000", 5);
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			if (!temp_dir_write(other, "41000", 5) || rename(other, path))
				_exit(1);
	}
	assert_true(child > 0);
	for (int i = 0; i < 30000; i++) {
		struct port_file_ports ports = { 0 };

		/* In the instant of a rename it may say so; whoever sees that looks again. */
		if (port_file_read(path, &ports, &why) == FAIL_NONE) {
			assert_int_equal(ports.count, 1);
			assert_int_equal(ports.port[0], 41000);
		} else if (!ports.replaced) {
			fail_msg("%s", why.text);
		}
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void port_file_says_when_it_has_no_permission(void **state)
{
	char path[PATH_MAX];
	pid_t child;
	int status;

	temp_dir_path(path, state, "port");
	temp_dir_write(path, "41000", 5);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(chmod(*state, 0755), 0);
	child = fork();
	if (child == 0) {
		struct failure why;
		uint16_t port;
		/* Root may read anything. */
		bool right = (geteuid() != 0 || setuid(65534) == 0) &&
		             read_port(path, &port, &why) == FAIL_IO && strstr(why.text, path) &&
		             strstr(why.text, "permission");

		_exit(right ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- watching ---- */

/* The directory and the file of a test, and a watch on the latter. */
struct scene {
	char dir[PATH_MAX];
	char file[PATH_MAX];
	struct port_file_watch watch;
};

static void renew(struct scene *scene)
{
	struct failure why;

	if (port_file_watch_renew(&scene->watch, &why))
		fail_msg("%s", why.text);
}

/* The file is "<temp>/<dir>/port"; nothing is there yet. */
static void set_scene(struct scene *scene, void *const *state, const char *dir)
{
	char file[512];

	temp_dir_path(scene->dir, state, dir);
	snprintf(file, sizeof file, "%s/port", dir);
	temp_dir_path(scene->file, state, file);
	scene->watch = port_file_watch_on(scene->file);
}

/* With the directory there, and watched. */
static void set_watched_scene(struct scene *scene, void *const *state)
{
	set_scene(scene, state, "dir");
	assert_int_equal(mkdir(scene->dir, 0755), 0);
	renew(scene);
	assert_int_equal(port_file_watch_drain(&scene->watch), PORT_FILE_QUIET);
}

/* As the loop does: what was seen, and then the watch renewed before the file is read. */
static enum port_file_event seen(struct scene *scene)
{
	enum port_file_event event = port_file_watch_drain(&scene->watch);

	renew(scene);
	return event;
}

static void strike(struct scene *scene)
{
	port_file_watch_close(&scene->watch);
}

static void port_file_watch_is_closed_before_it_begins(void **state)
{
	struct port_file_watch watch = port_file_watch_on("/x/port");
	(void)state;

	assert_int_equal(watch.inotify_fd, -1);
	port_file_watch_close(&watch);
}

static void port_file_watch_sees_the_file_written(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	assert_int_equal(seen(&scene), PORT_FILE_QUIET);
	strike(&scene);
}

static void port_file_watch_sees_the_file_renamed_into_place(void **state)
{
	char other[PATH_MAX];
	struct scene scene;

	set_watched_scene(&scene, state);
	temp_dir_path(other, state, "dir/other");
	temp_dir_write(other, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_QUIET);
	assert_int_equal(rename(other, scene.file), 0);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

static void port_file_watch_sees_the_file_deleted_and_moved_away(void **state)
{
	char other[PATH_MAX];
	struct scene scene;

	set_watched_scene(&scene, state);
	temp_dir_path(other, state, "dir/other");
	temp_dir_write(scene.file, "1", 1);
	seen(&scene);
	assert_int_equal(unlink(scene.file), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_write(scene.file, "1", 1);
	seen(&scene);
	assert_int_equal(rename(scene.file, other), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	strike(&scene);
}

static void port_file_watch_sees_the_mode_mended(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	temp_dir_write(scene.file, "1", 1);
	seen(&scene);
	assert_int_equal(chmod(scene.file, 0600), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	strike(&scene);
}

static void port_file_watch_is_quiet_about_other_files(void **state)
{
	static const char *const names[] = { "dir/por", "dir/port2", "dir/.port", "dir/ip" };
	char path[PATH_MAX];
	struct scene scene;

	set_watched_scene(&scene, state);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		temp_dir_path(path, state, names[i]);
		temp_dir_write(path, "1", 1);
		assert_int_equal(seen(&scene), PORT_FILE_QUIET);
	}
	strike(&scene);
}

static void port_file_watch_sees_a_directory_made_later(void **state)
{
	struct scene scene;

	set_scene(&scene, state, "later");
	renew(&scene);
	assert_int_equal(mkdir(scene.dir, 0755), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

static void port_file_watch_goes_down_directory_by_directory(void **state)
{
	char path[PATH_MAX];
	struct scene scene;

	set_scene(&scene, state, "a/b/c");
	renew(&scene);
	temp_dir_path(path, state, "a");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_path(path, state, "a/b");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mkdir(scene.dir, 0755), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

static void port_file_watch_sees_the_directory_deleted_and_made_again(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(scene.dir), 0);
		assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
		assert_int_equal(mkdir(scene.dir, 0755), 0);
		assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
		temp_dir_write(scene.file, "41000", 5);
		assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
		assert_int_equal(unlink(scene.file), 0);
		assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	}
	strike(&scene);
}

/* Between two looks, so that the new one may even have the inode of the old one. */
static void port_file_watch_follows_a_directory_made_again_unseen(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	assert_int_equal(rmdir(scene.dir), 0);
	assert_int_equal(mkdir(scene.dir, 0755), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

static void port_file_watch_follows_a_directory_replaced_by_rename(void **state)
{
	char other[PATH_MAX], away[PATH_MAX], stray[PATH_MAX];
	struct scene scene;

	set_watched_scene(&scene, state);
	temp_dir_path(other, state, "other");
	temp_dir_path(away, state, "away");
	temp_dir_path(stray, state, "away/port");
	assert_int_equal(mkdir(other, 0755), 0);
	assert_int_equal(rename(scene.dir, away), 0);
	assert_int_equal(rename(other, scene.dir), 0);
	assert_int_equal(seen(&scene), PORT_FILE_TOUCHED);
	temp_dir_write(stray, "1", 1);
	assert_int_equal(seen(&scene), PORT_FILE_QUIET);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

/* A mount over the directory tells inotify nothing; renewing must find it. */
static void port_file_watch_follows_a_link_that_is_turned(void **state)
{
	char one[PATH_MAX], two[PATH_MAX], in_two[PATH_MAX];
	struct scene scene;

	set_scene(&scene, state, "link");
	temp_dir_path(one, state, "one");
	temp_dir_path(two, state, "two");
	temp_dir_path(in_two, state, "two/port");
	assert_int_equal(mkdir(one, 0755), 0);
	assert_int_equal(mkdir(two, 0755), 0);
	assert_int_equal(symlink("one", scene.dir), 0);
	renew(&scene);
	assert_int_equal(unlink(scene.dir), 0);
	assert_int_equal(symlink("two", scene.dir), 0);
	renew(&scene);
	temp_dir_write(in_two, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

/* All that truncate(2) shows; whether more is to come nobody knows. */
static void port_file_watch_tells_a_file_that_is_being_written(void **state)
{
	struct scene scene;
	int fd;

	set_watched_scene(&scene, state);
	temp_dir_write(scene.file, "41000", 5);
	seen(&scene);
	fd = open(scene.file, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(seen(&scene), PORT_FILE_MODIFIED);
	assert_int_equal(write(fd, "42000", 5), 5);
	assert_int_equal(seen(&scene), PORT_FILE_MODIFIED);
	close(fd);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

static void port_file_watch_is_quiet_once_released(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	port_file_watch_release(&scene.watch);
	port_file_watch_drain(&scene.watch);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(port_file_watch_drain(&scene.watch), PORT_FILE_QUIET);
	strike(&scene);
}

/* Or each move would use up one more of the user's watches. */
static void port_file_watch_lets_go_of_a_directory_moved_away(void **state)
{
	char away[PATH_MAX], info[64], text[1024];
	struct scene scene;
	const char *first;

	set_watched_scene(&scene, state);
	temp_dir_path(away, state, "away");
	assert_int_equal(rename(scene.dir, away), 0);
	assert_int_equal(mkdir(scene.dir, 0755), 0);
	seen(&scene);
	seen(&scene);
	snprintf(info, sizeof info, "/proc/self/fdinfo/%d", scene.watch.inotify_fd);
	assert_true(temp_dir_read(info, text, sizeof text) > 0);
	first = strstr(text, "inotify wd:");
	assert_non_null(first);
	assert_null(strstr(first + 1, "inotify wd:"));
	strike(&scene);
}

static void port_file_watch_takes_all_of_very_many_events(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	for (int i = 0; i < 1000; i++)
		temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	for (int i = 0; i < 100; i++)
		seen(&scene);
	assert_int_equal(seen(&scene), PORT_FILE_QUIET);
	strike(&scene);
}

static void port_file_watch_begins_again_after_it_was_closed(void **state)
{
	struct scene scene;

	set_watched_scene(&scene, state);
	strike(&scene);
	assert_int_equal(scene.watch.inotify_fd, -1);
	renew(&scene);
	temp_dir_write(scene.file, "41000", 5);
	assert_int_equal(seen(&scene), PORT_FILE_WRITTEN);
	strike(&scene);
}

/* A write through a mapping is what only polling sees: the content must be read afresh. */
static void port_file_reads_what_was_written_through_a_mapping(void **state)
{
	char path[PATH_MAX];
	struct failure why;
	uint16_t port;
	char *map;
	int fd;

	temp_dir_path(path, state, "port");
	temp_dir_write(path, "41000", 5);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(map, MAP_FAILED);
	map[1] = '2';
	assert_int_equal(read_port(path, &port, &why), FAIL_NONE);
	assert_int_equal(port, 42000);
	munmap(map, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(port_file_takes_what_gluetun_writes, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_takes_the_whole_range_and_no_more,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_drops_blanks_and_carriage_returns,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_takes_the_first_of_several, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_checks_the_others_too, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_takes_emptiness_for_no_port,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_refuses_what_is_not_a_number,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_keeps_all_ports_in_their_order,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_has_room_for_all_that_a_file_can_list,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_reads_the_port, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_reads_an_empty_file_as_none,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_names_the_path_of_a_bad_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_reads_up_to_256_bytes, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_says_kind_and_size_of_a_bad_file_and_nothing_in_it, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_tells_a_missing_file_from_an_empty_one,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_reads_a_missing_file_or_directory_as_none,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_refuses_a_directory, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_does_not_wait_for_a_fifo, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_follows_a_link_and_says_when_it_leads_in_circles, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_names_a_link_that_leads_out_and_not_where_it_leads, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_reads_a_port_however_often_the_file_is_replaced, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_says_when_it_has_no_permission,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_is_closed_before_it_begins,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_sees_the_file_written,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_sees_the_file_renamed_into_place,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_watch_sees_the_file_deleted_and_moved_away, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_sees_the_mode_mended, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_is_quiet_about_other_files,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_sees_a_directory_made_later,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_goes_down_directory_by_directory,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_watch_sees_the_directory_deleted_and_made_again, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_watch_follows_a_directory_made_again_unseen, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			port_file_watch_follows_a_directory_replaced_by_rename, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_follows_a_link_that_is_turned,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_tells_a_file_that_is_being_written,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_is_quiet_once_released,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_lets_go_of_a_directory_moved_away,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_takes_all_of_very_many_events,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_watch_begins_again_after_it_was_closed,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(port_file_reads_what_was_written_through_a_mapping,
		                                temp_dir_make, temp_dir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
