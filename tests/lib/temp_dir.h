/* temp_dir: a directory of its own for a test, removed with all that is in it. */
#ifndef QSTICKY_TESTS_TEMP_DIR_H
#define QSTICKY_TESTS_TEMP_DIR_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int temp_dir_make(void **state)
{
	const char *parent = getenv("TMPDIR");
	char *dir = malloc(PATH_MAX);

	if (!dir)
		return -1;
	snprintf(dir, PATH_MAX, "%s/qsticky-test-XXXXXX", parent && *parent ? parent : "/tmp");
	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int temp_dir_remove_entry(const char *path, const struct stat *status, int type,
                                        struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int temp_dir_remove(void **state)
{
	int error = nftw(*state, temp_dir_remove_entry, 8, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return error;
}

/* The one of a program that is no test, which has it for as long as it runs. */
static inline void **temp_dir_of_program(void)
{
	static void *dir;

	return &dir;
}

static inline void temp_dir_end(void)
{
	(void)temp_dir_remove(temp_dir_of_program());
}

/* Makes it the first time, and returns its path; to be removed at the end. NULL: it cannot. */
static inline const char *temp_dir(void)
{
	void **dir = temp_dir_of_program();

	if (!*dir && (temp_dir_make(dir) || atexit(temp_dir_end)))
		return NULL;
	return *dir;
}

/* Puts "<dir>/<name>" into `path`. */
static inline void temp_dir_path(char path[static PATH_MAX], void *const *state, const char *name)
{
	const char *dir = *state;

	snprintf(path, PATH_MAX, "%.2000s/%.2000s", dir, name);
}

/* Truncates and writes, as Gluetun does. Returns whether it went well. */
static inline int temp_dir_write(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t count = fd < 0 ? -1 : write(fd, bytes, len);

	if (fd >= 0)
		close(fd);
	return count == (ssize_t)len;
}

/* Reads at most `cap` - 1 bytes into `buf`, with a NUL. Returns how many, or -1. */
static inline ssize_t temp_dir_read(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, cap - 1);

	if (fd >= 0)
		close(fd);
	buf[len < 0 ? 0 : len] = '\0';
	return len;
}

#endif
