#include "config/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/value.h"

/* Also after a failure the store holds the bytes read, so that secret_forget() wipes them. */
static enum fail read_open(const struct secret *secret, int fd, const char *path,
                           struct secret_store *store, const char **value, struct failure *why)
{
	size_t room = sizeof store->bytes - store->used;
	struct text content = { .len = 0 };
	enum fail f = FAIL_TOO_BIG;
	const char *rest;

	if (room > SECRET_ROOM)
		room = SECRET_ROOM;
	if (room > 0) {
		content = text_on(store->bytes + store->used, room);
		f = file_read(&content, fd, path, "a secret", why);
	}
	store->used += content.len;
	if (f && f != FAIL_TOO_BIG)
		return f;
	if (!f && memchr(content.buf, '\0', content.len))
		return fail_set(why, FAIL_AS(FAIL_FORMAT, FAIL_SECRET),
		                "%s: holds a NUL byte (UTF-16?): save it as UTF-8", path);
	rest = f ? "" : config_value_trim(content.buf, secret->is_plain);
	if (f || strlen(rest) > SECRET_MAX)
		return fail_set(why, FAIL_AS(FAIL_TOO_BIG, FAIL_SECRET), "%s: over %d bytes", path,
		                SECRET_MAX);
	if (!*rest)
		return fail_set(why, FAIL_AS(FAIL_FORMAT, FAIL_SECRET), "%s: is empty", path);
	if (strpbrk(rest, "\r\n"))
		return fail_set(why, FAIL_AS(FAIL_FORMAT, FAIL_SECRET),
		                "%s: has several lines: leave only the secret", path);
	store->used++; /* the NUL */
	*value = rest;
	return FAIL_NONE;
}

const char *secret_oddity(const char *value)
{
	static const char quotes[] = "\"'`", blanks[] = " \t";
	size_t len = strlen(value);

	if (len == 0)
		return NULL;
	if (strchr(quotes, *value))
		return len > 1 && value[len - 1] == *value ? "is in quotes" : "begins with a quote";
	if (strchr(blanks, *value))
		return "begins with a blank";
	if (strchr(quotes, value[len - 1]))
		return "ends with a quote";
	if (strchr(blanks, value[len - 1]))
		return "ends with a blank";
	return text_is_utf8(value, len) ? NULL : "is not UTF-8";
}

/* Call after access(2) or file_open() of the usual file has failed: by errno, whether to treat it as missing. A
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
	/* Most often no usual file is there. Its directory is the container's own, and never blocks. */
	fd = secret->file || access(path, F_OK) == 0 ? file_open(path, FILE_LINKS_ALL) : -1;
	if (fd < 0 && !secret->file && is_absent(secret, path)) {
		*value = secret->value;
		return FAIL_NONE;
	}
	if (fd < 0)
		return file_refused(why, path, false);
	f = read_open(secret, fd, path, store, value, why);
	close(fd);
	return f;
}

const char *secret_origin(const struct secret *secret, const char *value)
{
	if (value == secret->value)
		return secret->name;
	return secret->file ? secret->file : secret->usual_file;
}

void secret_forget(struct secret_store *store)
{
	if (store->used == 0)
		return; /* and leave its memory untouched */
	explicit_bzero(store->bytes, store->used);
	store->used = 0;
}
