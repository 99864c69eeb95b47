#include "config/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

/* What was read is in the store even when it fails: secret_forget() finds it. */
static enum fail read_open(int fd, const char *path, struct secret_store *store, const char **value,
                           struct failure *why)
{
	size_t room = sizeof store->bytes - store->used;
	struct text content = { .len = 0 };
	enum fail f = FAIL_TOO_BIG;

	/* With its newline, and a NUL at the end. */
	if (room > SECRET_MAX + 2)
		room = SECRET_MAX + 2;
	if (room > 0) {
		content = text_on(store->bytes + store->used, room);
		f = file_read(&content, fd, path, "a secret", why);
	}
	store->used += content.len;
	if (!f && content.len > 0 && content.buf[content.len - 1] == '\n')
		content.len--;
	if (f == FAIL_TOO_BIG || content.len > SECRET_MAX)
		return fail_set(why, FAIL_TOO_BIG, "%s: over %d bytes", path, SECRET_MAX);
	if (f)
		return f;
	if (content.len == 0)
		return fail_set(why, FAIL_FORMAT, "%s: is empty", path);
	if (memchr(content.buf, '\0', content.len))
		return fail_set(why, FAIL_FORMAT, "%s: holds a NUL byte", path);
	content.buf[content.len] = '\0';
	store->used = (size_t)(content.buf - store->bytes) + content.len + 1;
	*value = content.buf;
	return FAIL_NONE;
}

/* After a file_open() of the usual file that has failed, by errno: whether that is as if there were none. A
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
	fd = file_open(path, FILE_LINKS_ALL);
	if (fd < 0 && !secret->file && is_absent(secret, path)) {
		*value = secret->value;
		return FAIL_NONE;
	}
	if (fd < 0 && errno == EACCES)
		return fail_set(why, FAIL_IO, "%s: no permission for uid %u", path,
		                (unsigned)geteuid());
	if (fd < 0)
		return fail_errno(why, "open %s", path);
	f = read_open(fd, path, store, value, why);
	close(fd);
	return f;
}

void secret_forget(struct secret_store *store)
{
	explicit_bzero(store->bytes, store->used);
	store->used = 0;
}
