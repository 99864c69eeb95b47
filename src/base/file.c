#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/limits.h"
#include "base/wait.h"

/* ---- reading ---- */

int file_open(const char *path, enum file_links links)
{
	/* Without O_NONBLOCK, opening a FIFO would wait for a writer. Without O_CLOEXEC, musl's open(2)
	 * makes one system call, not two; qsticky executes nothing. */
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

	wait_catch_up();
	if (links == FILE_LINKS_BENEATH)
		return beneath_open(path);
	return open(path, links == FILE_LINKS_NONE ? flags | O_NOFOLLOW : flags);
}

/* Whether the mode allows it to this user: of the file, or of the nearest directory above it that can
 * be seen. It is for the owner, or for everybody else: the user's groups are not asked for. */
static bool mode_allows(const char *path, bool write)
{
	char at[LIMITS_PATH_MAX];
	struct text copy = text_on(at, sizeof at);
	unsigned wanted = write ? W_OK : R_OK, bits;
	struct stat status;
	char target;

	text_append(&copy, path);
	while (stat(at, &status) < 0) {
		wanted = errno == EACCES ? X_OK : W_OK | X_OK;
		/* A link: what it leads to cannot be judged. readlink(2) is not in the sandbox. */
		if (readlinkat(AT_FDCWD, at, &target, 1) >= 0 || !text_cut_name(at))
			return false;
	}
	bits = status.st_mode;
	bits = status.st_uid == geteuid() ? bits >> 6 : bits >> 3 & bits;
	return (bits & wanted) == wanted;
}

static enum fail is_directory(struct failure *why, enum fail kind, const char *path)
{
	return fail_set(why, FAIL_AS(kind, WORD_DIRECTORY),
	                "%s is a directory: Docker makes one where the file to mount is missing; "
	                "make that file, and re-create the container",
	                path);
}

enum fail file_refused(struct failure *why, const char *path, bool write)
{
	struct stat status;
	bool allowed;

	if (errno != EACCES)
		return fail_errno(why, "%s %s", write ? "create" : "open", path);
	/* The sandbox is for files: it refuses a directory before file_check() sees it. */
	if (!write && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return is_directory(why, FAIL_FORMAT, path);
	allowed = mode_allows(path, write);
	return fail_set(why, FAIL_AS(FAIL_IO, allowed ? WORD_SELINUX : WORD_DENIED),
	                "%s: no permission for uid %u%s", path, (unsigned)geteuid(),
	                allowed ? ", although its mode allows it: SELinux? mount it with :z"
	                        : "; open it and its directory to that user");
}

enum fail file_check(struct stat *status, int fd, const char *path, struct failure *why)
{
	if (fstat(fd, status) < 0)
		return fail_errno(why, "%s", path);
	if (S_ISDIR(status->st_mode))
		return is_directory(why, FAIL_FORMAT, path);
	if (!S_ISREG(status->st_mode))
		return fail_set(why, FAIL_FORMAT, "%s is not a regular file", path);
	return FAIL_NONE;
}

struct file_version file_version(const struct stat *status)
{
	return (struct file_version){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = status->st_size,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};
}

struct file_version file_version_now(const char *path)
{
	struct stat status;

	wait_catch_up();
	return stat(path, &status) == 0 ? file_version(&status) : (struct file_version){ 0 };
}

static bool is_same_moment(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_version_same(const struct file_version *a, const struct file_version *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       is_same_moment(a->modified, b->modified) && is_same_moment(a->changed, b->changed);
}

/* Reads a pipe, which has no positions and gives its content in pieces. Returns 0 at its end or -1. */
static ssize_t read_pipe(struct text *content, int fd)
{
	ssize_t got;

	while ((got = read(fd, content->buf + content->len, content->cap - content->len)) > 0)
		content->len += (size_t)got;
	return got;
}

enum fail file_read(struct text *content, int fd, const char *path, const char *wanted,
                    struct failure *why)
{
	ssize_t got;

	/* One call only: a writer between two calls could mix old and new content. The byte reserved
	 * for the NUL shows whether there is more. */
	do {
		got = pread(fd, content->buf, content->cap, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ESPIPE)
		got = read_pipe(content, fd);
	if (got < 0 && errno == EISDIR)
		return is_directory(why, FAIL_IO, path);
	if (got < 0)
		return fail_errno(why, "read %s", path);
	content->len += (size_t)got;
	if (content->len == content->cap)
		return fail_set(why, FAIL_TOO_BIG, "%s is over %zu bytes: not %s", path,
		                content->cap - 1, wanted);
	content->buf[content->len] = '\0';
	return FAIL_NONE;
}

/* ---- writing ---- */

void file_make_parents(const char *path)
{
	char parent[LIMITS_PATH_MAX];

	for (size_t i = 1; i < sizeof parent && path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(parent, path, i);
		parent[i] = '\0';
		/* Ignore errors: creating the file shows whether the directories are there. */
		(void)mkdir(parent, 0755);
	}
}

/* Creates a new file. Removes a leftover of the same name first. */
static int create(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
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
		return file_refused(why, beside, true);
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
	/* The old file is no longer true: remove it. That may also make room for the new one. */
	if (unlink(path) == 0) {
		if (f == FAIL_IO)
			f = write_beside(beside, path, content, why);
	} else if (errno != ENOENT) {
		/* The directory refuses the removal, but the file may still be writable: empty it. */
		int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);

		if (fd >= 0)
			close(fd);
	}
	if (f)
		fail_in(why, "%s", what);
	return f;
}
