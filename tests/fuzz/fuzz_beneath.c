/* fuzz_beneath: the lines of the input as targets of links in a directory, and as a name in it.
 *
 * Whatever they hold, what is opened is a file of that directory. "%" stands for its path. */
#include "base/beneath.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_dir.h"

#define LINKS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const inside[] = { "in/port", "in/sub/port", "in/sub/deep/port" };
static const char *const outside[] = { "port", "in2/port", "sub/port" };
static const char *place;

static void make_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", place, name);
	assert(temp_dir_write(path, name, strlen(name)));
}

static void make_tree(void)
{
	static const char *const dirs[] = { "in", "in/sub", "in/sub/deep", "in2", "sub" };
	char path[512];

	place = temp_dir();
	assert(place);
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", place, dirs[i]);
		assert(mkdir(path, 0755) == 0);
	}
	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
		make_file(inside[i]);
		make_file(outside[i]);
	}
}

/* The links are a and b in the directory, c and d in one below. */
static void name_link(char path[static 512], size_t i)
{
	snprintf(path, 512, "%s/in/%s%c", place, i < 2 ? "" : "sub/", (char)('a' + i));
}

static void expand(char out[static 1024], const uint8_t *line, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < len && at + 400 < 1024; i++) {
		if (line[i] == '%')
			at += (size_t)snprintf(out + at, 1024 - at, "%s/in", place);
		else if (line[i])
			out[at++] = (char)line[i];
	}
	out[at] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[2048], link[512], target[1024], content[32] = "";
	size_t start = 0, lines = 0;
	bool known = false;
	int fd;

	if (!place)
		make_tree();
	snprintf(path, sizeof path, "%s/in/a", place);
	for (size_t i = 0; i <= size && lines < LINKS; i++) {
		if (i < size && data[i] != '\n')
			continue;
		name_link(link, lines++);
		expand(target, data + start, i - start);
		if (target[0])
			(void)symlink(target, link);
		start = i + 1;
	}
	fd = beneath_open(path);
	assert(fd >= 0 || (errno != 0 && errno != EBADF));
	if (fd >= 0) {
		ssize_t len = read(fd, content, sizeof content - 1);

		/* A directory may be opened, and read by nobody. */
		for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
			known |= strcmp(content, inside[i]) == 0;
		assert(known || (len < 0 && errno == EISDIR));
		close(fd);
	}
	for (size_t i = 0; i < LINKS; i++) {
		name_link(link, i);
		(void)unlink(link);
	}
	return 0;
}
