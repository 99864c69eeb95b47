#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

static const char *const level_names[] = {
	[LEVEL_DEBUG] = "DEBUG",
	[LEVEL_INFO] = "INFO",
	[LEVEL_WARN] = "WARN",
	[LEVEL_ERROR] = "ERROR",
};

/* Zeros mean what holds before log_start(): what begins as anything else is read-only (process/relro.h). */
static bool is_started;
static enum log_level least_level;
static enum log_format line_format;
static unsigned lost_lines;
static int own_fd; /* stderr, opened again; 0: not opened */

/* The present minute. */
static struct {
	int64_t until_ms; /* its end; 0: the next line begins one */
	unsigned lines;
	unsigned left_out;
} minute;

void log_start(enum log_level least, enum log_format format)
{
	struct stat status;

	is_started = true;
	least_level = least;
	line_format = format;
	/* A terminal reports POLLOUT as soon as one byte fits; write() then blocks for the rest. So open
	 * it a second time, non-blocking. Other processes that share stderr are not affected. */
	if (own_fd <= 0 && fstat(STDERR_FILENO, &status) == 0 && S_ISCHR(status.st_mode))
		own_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY);
}

/* For a pipe, POLLOUT promises room for PIPE_BUF bytes (pipe(7)). A closed descriptor reports
 * POLLNVAL, and the line is lost. */
static bool write_line(const struct text *line)
{
	struct pollfd fd = { .fd = own_fd > 0 ? own_fd : STDERR_FILENO, .events = POLLOUT };

	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT))
		return false;
	return write(fd.fd, line->buf, line->len) == (ssize_t)line->len;
}

static bool emit(enum log_level level, const char *message, size_t len)
{
	static const char tail[] = "...\"}\n"; /* the longest end of a line */
	char buf[LOG_LINE_MAX + 1];
	char now[UTC_MAX];
	struct text line = text_on(buf, sizeof buf - sizeof tail);
	bool json = line_format == FORMAT_JSON;

	utc_format(now, now_s());
	if (json) {
		text_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"", now,
		            level_names[level]);
		text_append_json(&line, message, len);
	} else {
		text_printf(&line, "%s %-5s ", now, level_names[level]);
		text_append_printable(&line, message, len);
	}
	line.cap = sizeof buf;
	if (line.full)
		text_append(&line, "...");
	text_append(&line, json ? "\"}\n" : "\n");
	return write_line(&line);
}

static bool warn(unsigned number, const char *sentence)
{
	char warning[128];
	struct text text = text_on(warning, sizeof warning);

	text_printf(&text, "%u %s", number, sentence);
	return emit(LEVEL_WARN, text.buf, text.len);
}

/* Whether this minute has room for a line. If not, counts the line; warns at the first one. */
static bool has_room(void)
{
	int64_t now_ms = mono_now_ms();

	if (least_level == LEVEL_DEBUG)
		return true; /* somebody is debugging and wants every line */
	if (now_ms >= minute.until_ms) {
		if (minute.left_out > 0)
			(void)warn(minute.left_out, "log lines were left out");
		minute.until_ms = now_ms + 60000;
		minute.lines = minute.left_out = 0;
	}
	if (minute.lines++ < LOG_MINUTE_MAX)
		return true;
	if (minute.left_out++ == 0)
		(void)warn(LOG_MINUTE_MAX,
		           "log lines within a minute: leaving out the rest of this minute; the "
		           "health file is still updated");
	return false;
}

void log_last(void)
{
	minute.until_ms = 0;
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char message[LOG_LINE_MAX];
	struct text text = text_on(message, sizeof message);
	va_list args;

	if (level < (is_started ? least_level : LEVEL_INFO) || !has_room()) {
		errno = saved;
		return;
	}
	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	if (lost_lines > 0 &&
	    warn(lost_lines, "log lines were lost: nothing read the log fast enough"))
		lost_lines = 0;
	if (!emit(level, text.buf, text.len))
		lost_lines++;
	errno = saved;
}
