#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

void file_make_parents(const char *path)
{
	char parent[LIMITS_PATH_MAX];

	for (size_t i = 1; i < sizeof parent && path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(parent, path, i);
		parent[i] = '\0';
		/* EEXIST, EROFS, EACCES: what matters is whether the file can be made in the end. */
		(void)mkdir(parent, 0755);
	}
}

/* Opens a new file in the place of what a killed process, or somebody else, may have left there. */
static int create(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, flags, 0644);

	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, flags, 0644);
	return fd;
}

static enum fail write_beside(const char *beside, const char *path, const struct text *content,
                              struct failure *why)
{
	enum fail f = FAIL_NONE;
	ssize_t written;
	int fd = create(beside);

	if (fd < 0 && errno == ENOENT) {
		file_make_parents(path);
		fd = create(beside);
	}
	if (fd < 0)
		return fail_errno(why, "create %s", beside);
	written = write(fd, content->buf, content->len);
	if (written < 0)
		f = fail_errno(why, "write %s", beside);
	else if ((size_t)written < content->len)
		f = fail_set(why, FAIL_IO, "write %s: no space left", beside);
	if (close(fd) < 0 && !f)
		f = fail_errno(why, "write %s", beside);
	if (!f && rename(beside, path) < 0)
		f = fail_errno(why, "rename to %s", path);
	if (f)
		(void)unlink(beside);
	return f;
}

enum fail file_write_atomically(const char *what, const char *path, const struct text *content,
                                struct failure *why)
{
	char beside[LIMITS_PATH_MAX + 4];
	struct text name = text_on(beside, sizeof beside);
	enum fail f;

	text_printf(&name, "%s.new", path);
	if (content->full || name.full)
		f = fail_set(why, FAIL_TOO_BIG, "content or path is too long");
	else
		f = write_beside(beside, path, content, why);
	if (!f)
		return FAIL_NONE;
	/* What stands there is no longer true. Once it is gone there may be room for the new one. */
	if (unlink(path) == 0) {
		if (f == FAIL_IO)
			f = write_beside(beside, path, content, why);
	} else if (errno != ENOENT) {
		/* Where the directory refuses, the file may not. */
		int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (fd >= 0)
			close(fd);
	}
	if (f)
		fail_in(why, "%s", what);
	return f;
}
