#include "config/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

/* Also after a failure the store holds the bytes read, so that secret_forget() wipes them. */
static enum fail read_open(int fd, const char *path, struct secret_store *store, const char **value,
                           struct failure *why)
{
	size_t room = sizeof store->bytes - store->used;
	struct text content = { .len = 0 };
	enum fail f = FAIL_TOO_BIG;

	/* Two more, for a newline and a NUL. */
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

/* Call after file_open() of the usual file has failed: by errno, whether to treat it as missing. A
 * directory that we may not enter is meant for others. A file that we can see is meant for us: if it
 * is unreadable, do not send the default in its place. */
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
		log_line(LEVEL_DEBUG, "%s: %s, treated as missing", path,
		         error == EACCES ? "no permission" : "too many symbolic links");
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
