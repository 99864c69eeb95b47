#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "temp_dir.h"

/* Each test runs between temp_dir_make and temp_dir_remove. */

static struct failure why;

static void write_file(char path[static PATH_MAX], void *const *state, const char *content)
{
	temp_dir_path(path, state, "file");
	assert_true(temp_dir_write(path, content, strlen(content)));
}

/* Reads the file `fd` into 8 bytes of room. */
static enum fail read_eight(int fd, char buf[static 9], size_t *len)
{
	struct text content = text_on(buf, 9);
	enum fail f = file_read(&content, fd, "/a/file", "a test's", &why);

	*len = content.len;
	return f;
}

static void file_is_read_up_to_its_limit_and_no_further(void **state)
{
	char path[PATH_MAX], buf[9];
	size_t len;
	int fd;

	write_file(path, state, "12345678");
	fd = file_open(path, FILE_LINKS_ALL);
	assert_int_equal(read_eight(fd, buf, &len), FAIL_NONE);
	assert_string_equal(buf, "12345678");
	write_file(path, state, "123456789");
	assert_int_equal(read_eight(fd, buf, &len), FAIL_TOO_BIG);
	assert_string_equal(why.text, "/a/file is over 8 bytes: not a test's");
	/* The caller needs the length to wipe a secret. */
	assert_int_equal(len, 9);
	close(fd);
}

static void file_that_stays_open_is_read_from_its_start_each_time(void **state)
{
	char path[PATH_MAX], buf[9];
	size_t len;
	int fd;

	write_file(path, state, "first");
	fd = file_open(path, FILE_LINKS_ALL);
	assert_int_equal(read_eight(fd, buf, &len), FAIL_NONE);
	write_file(path, state, "next");
	assert_int_equal(read_eight(fd, buf, &len), FAIL_NONE);
	assert_string_equal(buf, "next");
	close(fd);
}

static void file_that_is_a_pipe_is_read_to_its_end(void **state)
{
	char buf[9];
	int ends[2];
	size_t len;
	(void)state;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "two", 3), 3);
	assert_int_equal(write(ends[1], " parts", 6), 6);
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(read_eight(ends[0], buf, &len), FAIL_TOO_BIG);
	assert_int_equal(len, 9);
	assert_int_equal(read_eight(ends[0], buf, &len), FAIL_NONE);
	assert_int_equal(len, 0);
	close(ends[0]);
}

static void file_that_cannot_be_read_is_named(void **state)
{
	char buf[9];
	size_t len;
	int fd = file_open(*state, FILE_LINKS_ALL);

	assert_int_equal(read_eight(fd, buf, &len), FAIL_IO);
	assert_string_equal(why.text,
	                    "/a/file is a directory: Docker makes one where the file to "
	                    "mount is missing; make that file, and re-create the container");
	assert_int_equal(len, 0);
	close(fd);
}

/* As Landlock does, which knows the rule of the file that was expected. */
static void file_that_is_refused_is_called_a_directory_if_it_is_one(void **state)
{
	char path[PATH_MAX];

	temp_dir_path(path, state, "folder");
	assert_int_equal(mkdir(path, 0755), 0);
	errno = EACCES;
	assert_int_equal(file_refused(&why, path, false), FAIL_FORMAT);
	assert_non_null(strstr(why.text, "folder is a directory: Docker makes one"));
	errno = EACCES;
	assert_int_equal(file_refused(&why, path, true), FAIL_IO);
	assert_non_null(strstr(why.text, "no permission for uid"));
	assert_int_equal(rmdir(path), 0);
}

static void file_that_is_a_fifo_is_opened_without_waiting_and_is_not_regular(void **state)
{
	struct stat status;
	char path[PATH_MAX];
	int fd;

	temp_dir_path(path, state, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	for (enum file_links links = FILE_LINKS_ALL; links <= FILE_LINKS_NONE; links++) {
		fd = file_open(path, links);
		assert_true(fd >= 0);
		assert_int_equal(file_check(&status, fd, path, &why), FAIL_FORMAT);
		assert_non_null(strstr(why.text, "is not a regular file"));
		assert_true(S_ISFIFO(status.st_mode));
		close(fd);
	}
}

static bool opens(const char *path, enum file_links links)
{
	int fd = file_open(path, links);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void file_links_are_followed_as_far_as_was_asked(void **state)
{
	char path[PATH_MAX], inside[PATH_MAX], outside[PATH_MAX];

	write_file(path, state, "");
	temp_dir_path(inside, state, "inside");
	assert_int_equal(symlink("file", inside), 0);
	temp_dir_path(outside, state, "outside");
	assert_int_equal(symlink("/dev/null", outside), 0);
	assert_true(opens(path, FILE_LINKS_NONE));
	assert_false(opens(inside, FILE_LINKS_NONE));
	assert_int_equal(errno, ELOOP);
	assert_true(opens(inside, FILE_LINKS_BENEATH));
	assert_false(opens(outside, FILE_LINKS_BENEATH));
	assert_int_equal(errno, EXDEV);
	assert_true(opens(outside, FILE_LINKS_ALL));
}

static void file_version_is_another_after_each_change(void **state)
{
	struct file_version first, now;
	struct stat status;
	char path[PATH_MAX];
	int fd;

	write_file(path, state, "one");
	first = file_version_now(path);
	fd = file_open(path, FILE_LINKS_ALL);
	assert_int_equal(file_check(&status, fd, path, &why), FAIL_NONE);
	now = file_version(&status);
	assert_true(file_version_same(&first, &now));
	write_file(path, state, "longer");
	now = file_version_now(path);
	assert_false(file_version_same(&first, &now));
	assert_int_equal(unlink(path), 0);
	write_file(path, state, "longer"); /* with another inode: the old file is still open */
	first = file_version_now(path);
	assert_false(file_version_same(&first, &now));
	assert_int_equal(unlink(path), 0);
	now = file_version_now(path);
	assert_int_equal(now.inode, 0);
	close(fd);
}

static void file_is_written_whole_with_the_directories_above(void **state)
{
	char path[PATH_MAX], buf[32];
	struct text content = text_on(buf, sizeof buf);

	text_append(&content, "content");
	temp_dir_path(path, state, "new/and/deep/file");
	assert_int_equal(file_write_atomically("test", path, &content, &why), FAIL_NONE);
	assert_int_equal(temp_dir_read(path, buf, sizeof buf), 7);
	assert_string_equal(buf, "content");
	temp_dir_path(path, state, "new/and/deep/file.new");
	assert_int_equal(access(path, F_OK), -1);
}

static void file_that_cannot_be_written_does_not_keep_what_is_no_longer_true(void **state)
{
	char path[PATH_MAX], buf[8];
	struct text content = text_on(buf, sizeof buf);

	write_file(path, state, "old");
	text_append(&content, "too long for it");
	assert_true(content.full);
	assert_int_equal(file_write_atomically("test", path, &content, &why), FAIL_TOO_BIG);
	assert_string_equal(why.text, "test: content or path is too long");
	assert_int_equal(access(path, F_OK), -1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, temp_dir_make, temp_dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(file_is_read_up_to_its_limit_and_no_further),
		EACH(file_that_stays_open_is_read_from_its_start_each_time),
		EACH(file_that_is_a_pipe_is_read_to_its_end),
		EACH(file_that_cannot_be_read_is_named),
		EACH(file_that_is_refused_is_called_a_directory_if_it_is_one),
		EACH(file_that_is_a_fifo_is_opened_without_waiting_and_is_not_regular),
		EACH(file_links_are_followed_as_far_as_was_asked),
		EACH(file_version_is_another_after_each_change),
		EACH(file_is_written_whole_with_the_directories_above),
		EACH(file_that_cannot_be_written_does_not_keep_what_is_no_longer_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
