#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

/* Most links in a row. Kubernetes makes two. */
#define LINKS_MAX 16

/* The part of the path that is still to be walked: names separated by slashes. None is "." or "..",
 * so no step leads up. */
struct rest {
	char names[LIMITS_PATH_MAX];
	size_t len;
};

/* A symbolic link on the path. */
struct link {
	size_t at; /* offset of its name in `names` */
	char target[LIMITS_PATH_MAX];
};

/* Appends each name of `path`; ".." removes the last one. Returns 0 or an errno. */
static int append_names(struct rest *rest, const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			if (rest->len == 0)
				return EXDEV;
			while (rest->len > 0 && rest->names[--rest->len] != '/') {
			}
		} else if (len > 0 && !(len == 1 && *path == '.')) {
			if (rest->len + 1 + len >= sizeof rest->names)
				return ENAMETOOLONG;
			if (rest->len > 0)
				rest->names[rest->len++] = '/';
			memcpy(rest->names + rest->len, path, len);
			rest->len += len;
		}
		rest->names[rest->len] = '\0';
		path += len;
		path += *path == '/';
	}
	return 0;
}

/* Replaces the link by its target. An absolute target must begin with `directory`, which ends in a
 * slash. Returns 0 or an errno. */
static int follow_link(struct rest *rest, const struct link *link, const char *directory)
{
	const char *target = link->target;
	struct rest next = { .len = 0 };
	size_t len = strlen(directory);
	int error = 0;

	if (*target != '/') {
		/* The names before the link are real directories: none of them is a link. */
		memcpy(next.names, rest->names, link->at);
		next.len = link->at > 0 ? link->at - 1 : 0;
		next.names[next.len] = '\0';
	} else if (strncmp(target, directory, len) == 0) {
		target += len;
	} else {
		return EXDEV;
	}
	error = append_names(&next, target);
	if (!error)
		error = append_names(&next,
		                     rest->names + link->at + strcspn(rest->names + link->at, "/"));
	*rest = next;
	return error;
}

/* Opens one name below `from`. If it is a link: -1 and ELOOP, and `link` holds its target. */
static int open_name(int from, const char *name, bool last, struct link *link)
{
	/* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
	int flags = last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
	int fd = openat(from, name, flags | O_NOFOLLOW | O_CLOEXEC);
	int error = errno;
	ssize_t len;

	/* O_DIRECTORY turns a link's ELOOP into ENOTDIR. */
	if (fd >= 0 || (error != ELOOP && error != ENOTDIR))
		return fd;
	len = readlinkat(from, name, link->target, sizeof link->target);
	if (len == sizeof link->target) {
		errno = ENAMETOOLONG;
	} else if (len >= 0) {
		link->target[len] = '\0';
		errno = ELOOP;
	} else {
		/* Not a directory; or the link was removed a moment ago. */
		errno = error == ELOOP ? ENOENT : error;
	}
	return -1;
}

/* Opens the path name by name, up to its end or the first link: -1 and ELOOP. */
static int walk(int base, struct rest *rest, struct link *link)
{
	int from = base, fd = -1;
	bool last = false;

	for (link->at = 0; !last;) {
		char *name = rest->names + link->at;
		size_t len = strcspn(name, "/");

		last = !name[len];
		name[len] = '\0';
		fd = open_name(from, name, last, link);
		if (from != base)
			close(from);
		if (!last)
			name[len] = '/';
		if (fd < 0)
			return -1;
		from = fd;
		link->at += len + 1;
	}
	return fd;
}

int beneath_open(const char *path)
{
	struct rest rest = { .len = 0 };
	struct link link = { .at = 0 };
	char directory[LIMITS_PATH_MAX];
	size_t len = strlen(path);
	int base, error, fd = -1;

	while (len > 0 && path[len - 1] != '/')
		len--;
	if (len >= sizeof directory) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(directory, path, len);
	directory[len] = '\0';
	base = open(directory, O_PATH | O_DIRECTORY);
	if (base < 0)
		return -1;
	error = append_names(&rest, path + len);
	for (unsigned links = 0; !error; links++) {
		/* Nothing is left: a link led to the directory itself. */
		if (rest.len == 0) {
			error = EISDIR;
			break;
		}
		fd = walk(base, &rest, &link);
		if (fd >= 0)
			break;
		error = errno;
		if (error == ELOOP && links < LINKS_MAX)
			error = follow_link(&rest, &link, directory);
	}
	close(base);
	errno = error;
	return fd;
}
