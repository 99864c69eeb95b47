#include "gluetun/port_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/redact.h"
#include "base/text.h"

/* ---- content ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Parses one line, without its newline. A blank line gives port 0. */
static bool parse_line(const char *line, size_t len, uint16_t *port)
{
	unsigned value = 0;

	while (len > 0 && is_blank(*line)) {
		line++;
		len--;
	}
	while (len > 0 && is_blank(line[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		value = value * 10 + (unsigned)(line[i] - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return len == 0 || value > 0;
}

bool port_file_parse(const char *text, size_t len, struct port_file_ports *ports)
{
	struct port_file_ports found = { 0 };

	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;
		uint16_t port = 0;

		if (!parse_line(text, line, &port) || found.count == PORT_FILE_PORTS_MAX)
			return false;
		if (port)
			found.port[found.count++] = port;
		line += newline ? 1 : 0;
		text += line;
		len -= line;
	}
	*ports = found;
	return true;
}

/* The message says only what kind of content this is: it may be a secret, put there by mistake. */
static enum fail not_a_port(const char *path, const char *text, size_t len, struct failure *why)
{
	char shown[64];
	struct text kind = text_on(shown, sizeof shown);

	/* A final newline is allowed, so do not report it. */
	redact_append_kind(&kind, text, len > 1 && text[len - 1] == '\n' ? len - 1 : len);
	return fail_set(why, FAIL_FORMAT,
	                "%s holds %s, which is not a port (1 to 65535) on each line", path, shown);
}

static enum fail read_fd(int fd, const char *path, struct port_file_ports *ports,
                         struct failure *why)
{
	char text[PORT_FILE_MAX + 1];
	struct text content = text_on(text, sizeof text);
	enum fail f = file_read(&content, fd, path, "what Gluetun writes", why);

	if (!f && !port_file_parse(text, content.len, ports))
		f = not_a_port(path, text, content.len, why);
	return f;
}

/* Explains by errno why file_open() failed. A missing file is no failure. */
static enum fail cannot_open(const char *path, struct port_file_ports *ports, struct failure *why)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		ports->missing = true;
		ports->count = 0;
		return FAIL_NONE;
	case EXDEV:
		/* Do not name the target: anybody who can write the link chooses it. */
		return fail_set(why, FAIL_AS(FAIL_FORMAT, WORD_LINK),
		                "%s is a symbolic link that leads out of its directory; set "
		                "QSTICKY_PORT_FILE_PATH to the file itself",
		                path);
	default:
		return file_refused(why, path, false);
	}
}

/* Checks the file at `fd` as file_check() does. FAIL_IO also if `fd` is -1. */
static enum fail look_at(int fd, struct stat *status, const char *path, struct failure *why)
{
	return fd < 0 ? FAIL_IO : file_check(status, fd, path, why);
}

enum fail port_file_read(const char *path, struct port_file_ports *ports, struct failure *why)
{
	struct stat status, first;
	int fd = file_open(path, FILE_LINKS_BENEATH), old = -1;
	enum fail f = look_at(fd, &status, path, why);

	ports->replaced = false;
	/* This file has no link left. Either it was replaced just now, and a second open() finds
	 * the new one; or it was mounted alone and replaced on the host, so this container keeps
	 * the old one. A rename drops the old file's last link a moment before the new file can be
	 * opened. Hence one open() cannot tell the two cases apart. */
	if (f != FAIL_IO && status.st_nlink == 0) {
		first = status;
		old = fd; /* stays open, or the new file could get the same inode */
		fd = file_open(path, FILE_LINKS_BENEATH);
		f = look_at(fd, &status, path, why);
		ports->replaced = f != FAIL_IO && status.st_nlink == 0 &&
		                  status.st_dev == first.st_dev && status.st_ino == first.st_ino;
	}
	if (fd < 0)
		f = cannot_open(path, ports, why);
	else if (ports->replaced)
		f = fail_set(why, FAIL_AS(FAIL_IO, WORD_REPLACED),
		             "%s was mounted alone, and has been replaced since: this is the old "
		             "file, and its port an old one; mount its directory, not the file",
		             path);
	else if (f == FAIL_FORMAT && S_ISDIR(status.st_mode))
		f = fail_set(why, FAIL_AS(FAIL_IO, WORD_DIRECTORY),
		             "%s is a directory; mount the directory that holds the file", path);
	else if (f)
		f = FAIL_IO;
	else
		f = read_fd(fd, path, ports, why);
	if (old >= 0)
		close(old);
	if (fd >= 0)
		close(fd);
	return f;
}

/* Whether the directory has no entry but "." and "..", which take 48 bytes. */
static bool is_empty(const char *directory)
{
	char entries[512];
	int fd = open(directory, O_RDONLY | O_DIRECTORY);
	long len = syscall(SYS_getdents64, fd, entries, sizeof entries);

	if (fd >= 0)
		close(fd);
	return len >= 0 && len <= 48;
}

const char *port_file_reason(const char *path, enum fail_word *word)
{
	char at[LIMITS_PATH_MAX];
	struct text text = text_on(at, sizeof at);

	*word = WORD_EMPTY;
	text_append(&text, path);
	if (access(at, F_OK) == 0)
		return "it is empty";
	*word = WORD_NO_DIR;
	(void)text_cut_name(at);
	if (access(at, F_OK) < 0)
		return "its directory is not there";
	*word = WORD_EMPTY_DIR;
	if (is_empty(at))
		return "its directory is empty";
	*word = WORD_WRONG_DIR;
	text.len = strlen(at);
	text_append(&text, "/servers.json");
	if (access(at, F_OK) == 0)
		return "its directory is Gluetun's /gluetun (servers.json is in it)";
	*word = WORD_MISSING;
	return "there is no such file";
}

/* ---- watch ---- */

/* Events of the directory itself: it was removed or moved, so a new watch is needed. */
#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF)
/* IN_MODIFY: the only event of truncate(2), and of a writer that keeps the file open. The file may
 * be half written at that moment. IN_ATTRIB: a person may have corrected the mode. */
#define NAME_EVENTS                                                                                \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |        \
	 IN_ATTRIB)
#define WRITE_EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO)

struct port_file_watch port_file_watch_on(const char *path)
{
	return (struct port_file_watch){ .path = path, .inotify_fd = -1, .watch = -1 };
}

/* Copies the first `len` bytes of the path, a directory, to `out`. `len` 0 gives "/". */
static void directory(char out[static LIMITS_PATH_MAX], const struct port_file_watch *watch,
                      size_t len)
{
	size_t fits = len < LIMITS_PATH_MAX ? len : 0;

	memcpy(out, watch->path, fits);
	out[fits] = '\0';
	if (fits == 0)
		memcpy(out, "/", sizeof "/");
}

static size_t parent_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 0 && path[len - 1] == '/')
		len--;
	return len;
}

/* Whether the file's own directory is watched, and was not replaced since. */
static bool is_in_place(const struct port_file_watch *watch)
{
	char path[LIMITS_PATH_MAX];
	struct stat status;

	if (watch->watch < 0 || watch->watched_len != parent_len(watch->path, strlen(watch->path)))
		return false;
	directory(path, watch, watch->watched_len);
	return stat(path, &status) == 0 && status.st_dev == watch->device &&
	       status.st_ino == watch->inode;
}

/* Watches the file's directory, or the nearest one above it that exists. */
static enum fail lay(struct port_file_watch *watch, struct failure *why)
{
	const size_t full = parent_len(watch->path, strlen(watch->path));
	char path[LIMITS_PATH_MAX];
	struct stat status;
	size_t len = full;
	int got;

	for (;; len = parent_len(watch->path, len)) {
		directory(path, watch, len);
		got = inotify_add_watch(watch->inotify_fd, path,
		                        NAME_EVENTS | SELF_EVENTS | IN_ONLYDIR);
		if (got >= 0 || len == 0 || (errno != ENOENT && errno != ENOTDIR))
			break;
	}
	if (got < 0)
		return fail_errno(why, "watch %s", path);
	if (watch->watch >= 0 && watch->watch != got)
		(void)inotify_rm_watch(watch->inotify_fd,
		                       watch->watch); /* it may be gone already */
	watch->watch = got;
	watch->watched_len = len;
	watch->device = 0;
	watch->inode = 0;
	if (stat(path, &status) == 0) {
		watch->device = status.st_dev;
		watch->inode = status.st_ino;
	}
	return FAIL_NONE;
}

enum fail port_file_watch_renew(struct port_file_watch *watch, struct failure *why)
{
	size_t before;
	enum fail f;

	if (watch->inotify_fd >= 0 && is_in_place(watch))
		return FAIL_NONE;
	if (watch->inotify_fd < 0) {
		watch->watch = -1;
		watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (watch->inotify_fd < 0)
			return fail_errno(why, "inotify");
	}
	/* A directory may be made after lay() found it missing, but before the watch above it is
	 * set. So repeat until two turns agree. Each turn gets one directory further down, or is
	 * the last. */
	do {
		before = watch->watch < 0 ? SIZE_MAX : watch->watched_len;
		f = lay(watch, why);
	} while (!f && watch->watched_len != before &&
	         watch->watched_len != parent_len(watch->path, strlen(watch->path)));
	if (f)
		port_file_watch_close(watch);
	return f;
}

/* Whether `name`, in the watched directory, is the file or a directory on its path. */
static bool leads_to_file(const struct port_file_watch *watch, const char *name)
{
	const char *next = watch->path + watch->watched_len;
	size_t len;

	while (*next == '/')
		next++;
	len = strcspn(next, "/");
	return strncmp(name, next, len) == 0 && name[len] == '\0';
}

static enum port_file_event judge(struct port_file_watch *watch, const struct inotify_event *event)
{
	/* The event is of an earlier watch. An overflow event belongs to no watch. */
	if (event->wd != watch->watch && !(event->mask & IN_Q_OVERFLOW))
		return PORT_FILE_QUIET;
	if (event->mask & (SELF_EVENTS | IN_IGNORED | IN_UNMOUNT)) {
		if (event->mask & IN_MOVE_SELF)
			(void)inotify_rm_watch(watch->inotify_fd,
			                       event->wd); /* the watch would follow the move */
		/* A new directory may get the old one's inode, and is_in_place() would take it for
		 * the old one. */
		watch->watch = -1;
		return PORT_FILE_TOUCHED;
	}
	/* An event without a name is of the directory itself; its mode, perhaps. */
	if ((event->mask & IN_Q_OVERFLOW) || event->len == 0)
		return PORT_FILE_TOUCHED;
	if (!leads_to_file(watch, event->name))
		return PORT_FILE_QUIET;
	if (event->mask & IN_MODIFY)
		return PORT_FILE_MODIFIED;
	return (event->mask & WRITE_EVENTS) ? PORT_FILE_WRITTEN : PORT_FILE_TOUCHED;
}

enum port_file_event port_file_watch_drain(struct port_file_watch *watch)
{
	_Alignas(struct inotify_event) char
		buf[1024]; /* one event takes up to 272 bytes: inotify(7) */
	enum port_file_event seen = PORT_FILE_QUIET;
	ssize_t len;

	while ((len = read(watch->inotify_fd, buf, sizeof buf)) > 0) {
		const struct inotify_event *event;

		for (const char *at = buf; at < buf + len; at += sizeof *event + event->len) {
			enum port_file_event one;

			event = (const struct inotify_event *)(const void *)at;
			one = judge(watch, event);
			if (one > seen)
				seen = one;
		}
		if ((size_t)len < sizeof buf / 2)
			break; /* the queue is empty: save a read() that gives EAGAIN */
	}
	return seen;
}

void port_file_watch_release(struct port_file_watch *watch)
{
	if (watch->watch >= 0)
		(void)inotify_rm_watch(watch->inotify_fd, watch->watch);
	watch->watch = -1;
}

void port_file_watch_close(struct port_file_watch *watch)
{
	if (watch->inotify_fd >= 0)
		close(watch->inotify_fd);
	watch->inotify_fd = watch->watch = -1;
}
