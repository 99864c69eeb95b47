#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static enum fail read_all(int fd, const char *path, char *room, size_t size, size_t *len,
                          struct failure *why)
{
	*len = 0;
	while (*len < size) {
		ssize_t got = read(fd, room + *len, size - *len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(why, "read %s", path);
		if (got == 0)
			return FAIL_NONE;
		*len += (size_t)got;
	}
	return fail_set(why, FAIL_TOO_BIG, "%s: over %d bytes", path, SECRET_MAX);
}

/* What was read is in the store even when it fails: secret_forget() finds it. */
static enum fail take(int fd, const char *path, struct secret_store *store, const char **value,
                      struct failure *why)
{
	char *start = store->bytes + store->used;
	size_t room = sizeof store->bytes - store->used;
	size_t len;
	enum fail f;

	/* With its newline, and one more byte that tells whether it is over. */
	if (room > SECRET_MAX + 2)
		room = SECRET_MAX + 2;
	f = read_all(fd, path, start, room, &len, why);
	store->used += len;
	if (f)
		return f;
	if (len > 0 && start[len - 1] == '\n')
		len--;
	if (len > SECRET_MAX)
		return fail_set(why, FAIL_TOO_BIG, "%s: over %d bytes", path, SECRET_MAX);
	if (len == 0)
		return fail_set(why, FAIL_FORMAT, "%s: is empty", path);
	if (memchr(start, '\0', len))
		return fail_set(why, FAIL_FORMAT, "%s: holds a NUL byte", path);
	start[len] = '\0';
	store->used = (size_t)(start - store->bytes) + len + 1;
	*value = start;
	return FAIL_NONE;
}

/* After an open(2) of the usual file that has failed, by errno: whether that is as if there were none. A
 * directory that is closed to us was not made for us. But a file that can be seen there was: then no
 * default is to be sent in its place. */
static bool is_absent(const struct secret *secret, const char *path)
{
	static bool said;
	int error = errno;

	if (error == ENOENT || error == ENOTDIR)
		return true;
	if (error != EACCES && error != ELOOP)
		return false;
	if (error == EACCES && secret->value[0] && access(path, F_OK) == 0) {
		errno = error;
		return false;
	}
	if (!said)
		log_line(LEVEL_DEBUG, "%s: %s, taken as not there", path,
		         error == EACCES ? "no permission" : "links that lead nowhere");
	said = true;
	return true;
}

enum fail secret_read(const struct secret *secret, struct secret_store *store, const char **value,
                      struct failure *why)
{
	const char *path = secret->file ? secret->file : secret->usual_file;
	enum fail f;
	int fd;

	if (!path) {
		*value = secret->value;
		return FAIL_NONE;
	}
	/* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && !secret->file && is_absent(secret, path)) {
		*value = secret->value;
		return FAIL_NONE;
	}
	if (fd < 0 && errno == EACCES)
		return fail_set(why, FAIL_IO, "%s: no permission for uid %u", path,
		                (unsigned)geteuid());
	if (fd < 0)
		return fail_errno(why, "open %s", path);
	f = take(fd, path, store, value, why);
	close(fd);
	return f;
}

void secret_forget(struct secret_store *store)
{
	explicit_bzero(store->bytes, store->used);
	store->used = 0;
}
