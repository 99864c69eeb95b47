/* fuzz_port_file: any bytes as the content of the port file, beside a second reading of what the
 * specification says; and as what may happen to the file and its directories, under the watch. */
#include "gluetun/port_file.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/redact.h"
#include "closed_file.h"
#include "temp_dir.h"

/* Most things that happen in a row. */
#define STEPS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line: the number, 0 where it is blank, -1 where it is neither. By strtol(), which is lenient,
 * so the bytes are looked at first. */
static long line_value(const char *line, size_t len)
{
	char digits[PORT_FILE_MAX + 1];
	size_t start = 0;
	long value;

	while (len > 0 && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	while (start < len && strchr(" \t\r", line[start]) && line[start])
		start++;
	memcpy(digits, line + start, len - start);
	digits[len - start] = '\0';
	if (len == start)
		return 0;
	if (strspn(digits, "0123456789") != len - start)
		return -1;
	value = strtol(digits, NULL, 10); /* LONG_MAX where it is over */
	return value >= 1 && value <= 65535 ? value : -1;
}

/* ---- the file itself ---- */

/* The file is place/outer/inner/port. */
static const char *place;
static char outer[272], inner[288], path[304], other[304], away[272];
static struct port_file_watch watch;

static void remove_all(void)
{
	(void)remove(path);
	(void)remove(other);
	rmdir(inner);
	rmdir(outer);
	/* What was moved away. */
	snprintf(other, sizeof other, "%s/port", away);
	(void)remove(other);
	snprintf(other, sizeof other, "%s/other", away);
	(void)remove(other);
	rmdir(away);
	snprintf(other, sizeof other, "%s/other", inner);
}

static void name_files(void)
{
	place = temp_dir();
	assert(place && strlen(place) < sizeof outer - sizeof "/outer");
	snprintf(outer, sizeof outer, "%s/outer", place);
	snprintf(away, sizeof away, "%s/away", place);
	snprintf(inner, sizeof inner, "%s/inner", outer);
	snprintf(path, sizeof path, "%s/port", inner);
	snprintf(other, sizeof other, "%s/other", inner);
	watch = port_file_watch_on(path);
}

static void write_file(const char *to, const uint8_t *bytes, size_t len, int flags)
{
	int fd = open(to, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		return;
	assert(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

/* One thing that somebody does; what is impossible now does not happen. */
static void happen(uint8_t what, const uint8_t *bytes, size_t len)
{
	(void)mkdir(place, 0755);
	switch (what % 12) {
	case 0:
		write_file(path, bytes, len, O_CREAT | O_TRUNC);
		break;
	case 1:
		write_file(path, bytes, len, 0);
		break;
	case 2:
		write_file(other, bytes, len, O_CREAT | O_TRUNC);
		break;
	case 3:
		(void)rename(other, path);
		break;
	case 4:
		(void)rename(path, other);
		break;
	case 5:
		(void)unlink(path);
		break;
	case 6:
		(void)(truncate(path, 0) == 0);
		break;
	case 7:
		/* What becomes of directories above its own is seen by polling only. */
		(void)rename(inner, away);
		break;
	case 8:
		(void)rename(away, inner);
		break;
	case 9:
		(void)unlink(path);
		(void)unlink(other);
		(void)rmdir(inner);
		break;
	case 10:
		(void)mkdir(path, 0755);
		break;
	default:
		(void)rmdir(path);
		(void)mkdir(outer, 0755);
		(void)mkdir(inner, 0755);
	}
}

/* ---- what is no such file ---- */

static void check_no_file(enum fail wanted, const char *words)
{
	struct port_file_ports ports = { 0 };
	struct failure why = { .text = "" };

	assert(port_file_read(path, &ports, &why) == wanted);
	assert(strstr(why.text, words) && strstr(why.text, path));
	assert(ports.count == 0 && !ports.missing && unlink(path) == 0);
}

/* Nothing of it is in an input: once is enough. */
static void check_others(void)
{
	static uint8_t bytes[PORT_FILE_MAX + 1];
	struct port_file_ports ports = { 0 };
	struct port_file_watch closed;
	struct failure why;

	name_files();
	memset(bytes, '1', sizeof bytes);
	assert(mkdir(outer, 0755) == 0 && mkdir(inner, 0755) == 0);
	assert(symlink("port", path) == 0);
	check_no_file(FAIL_IO, "open ");
	write_file(other, bytes, 1, O_CREAT);
	assert(symlink("../inner/../../outer/inner/other", path) == 0);
	check_no_file(FAIL_FORMAT, " leads out of its directory");
	write_file(path, bytes, sizeof bytes, O_CREAT);
	check_no_file(FAIL_TOO_BIG, " is over 256 bytes");
	assert(mkfifo(path, 0644) == 0);
	check_no_file(FAIL_IO, " is not a regular file");
	write_file(path, bytes, 1, O_CREAT);
	assert(closed_file_begin(path) && port_file_read(path, &ports, &why) == FAIL_IO);
	closed_file_end();
	assert(strstr(why.text, ": no permission for uid "));
	closed = port_file_watch_on(path);
	assert(!port_file_watch_renew(&closed, &why) && closed.inotify_fd >= 0);
	port_file_watch_close(&closed);
	assert(closed.inotify_fd < 0);
}

/* ---- the watch ---- */

struct seen {
	enum fail f;
	struct port_file_ports ports;
};

/* Of what the file holds, its kind and size are told, and not a byte of it. */
static void check_told(const char *text)
{
	char wanted[512];
	bool known = false;

	for (size_t kind = 0; kind < REDACT_KINDS; kind++) {
		for (size_t len = 0; len <= 6; len++) {
			snprintf(wanted, sizeof wanted,
			         "%s holds %s (%zu byte%s), which is not a port (1 to 65535) on "
			         "each line",
			         path, redact_kinds[kind], len, len == 1 ? "" : "s");
			known |= strcmp(text, wanted) == 0;
		}
	}
	assert(known);
}

static struct seen look(void)
{
	struct seen seen = { .f = FAIL_NONE };
	struct failure why = { .text = "" };

	assert(!port_file_watch_renew(&watch, &why));
	seen.f = port_file_read(path, &seen.ports, &why);
	assert(!seen.f == !why.text[0]);
	assert(!seen.f || (seen.ports.count == 0 && !seen.ports.missing));
	if (seen.f == FAIL_FORMAT)
		check_told(why.text);
	return seen;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return a->f == b->f && a->ports.missing == b->ports.missing &&
	       a->ports.count == b->ports.count &&
	       memcmp(a->ports.port, b->ports.port, a->ports.count * sizeof a->ports.port[0]) == 0;
}

/* Where the watch has said nothing since the last look, another look sees the same. The first byte
 * of each step says what happens, and whether there is a look at once. */
static void check_watch(const uint8_t *data, size_t size)
{
	struct seen last, now;
	enum port_file_event event;
	bool told = false;

	if (!place)
		check_others();
	remove_all();
	last = look();
	(void)port_file_watch_drain(&watch);
	for (size_t i = 0; i < size && i < STEPS_MAX; i++) {
		size_t left = size - i - 1;
		struct pollfd fd = { .fd = watch.inotify_fd, .events = POLLIN };

		happen(data[i] & 0x7f, data + i + 1, left < 6 ? left : 6);
		assert(poll(&fd, 1, 0) >= 0);
		event = fd.revents ? port_file_watch_drain(&watch) : PORT_FILE_QUIET;
		told = told || event != PORT_FILE_QUIET;
		if ((data[i] & 0x80) || !told) {
			/* Without a word from it the caller would not look, so neither renew it. */
			struct failure why;

			if (told) {
				now = look();
			} else {
				now = (struct seen){ .f = FAIL_NONE };
				now.f = port_file_read(path, &now.ports, &why);
			}
			assert(told || is_same(&now, &last));
			last = now;
			told = false;
		}
	}
	if (size % 16 == 0)
		port_file_watch_release(&watch);
}

/* ---- its content ---- */

static void check_content(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct port_file_ports wanted = { 0 }, ports = { .count = SIZE_MAX };
	bool sound = true;
	size_t start = 0;

	if (size > PORT_FILE_MAX)
		return;
	for (size_t i = 0; i <= size; i++) {
		long value;

		if (i < size && text[i] != '\n')
			continue;
		value = line_value(text + start, i - start);
		sound = sound && value >= 0;
		if (value > 0)
			wanted.port[wanted.count++] = (uint16_t)value;
		start = i + 1;
	}
	assert(port_file_parse(text, size, &ports) == sound);
	assert(ports.count == (sound ? wanted.count : SIZE_MAX));
	for (size_t i = 0; sound && i < ports.count; i++)
		assert(ports.port[i] == wanted.port[i]);
}

/* Of a file that is empty, and of none in a directory that is not there, is empty, or holds another. */
static void check_reason(void)
{
	static bool checked;
	enum fail_word word;
	char sibling[304];

	if (checked)
		return;
	checked = true;
	remove_all();
	(void)port_file_reason(path, &word);
	assert(word == WORD_NO_DIR);
	assert(mkdir(outer, 0700) == 0 && mkdir(inner, 0700) == 0);
	(void)port_file_reason(path, &word);
	assert(word == WORD_EMPTY_DIR);
	snprintf(sibling, sizeof sibling, "%s/servers.json", inner);
	assert(temp_dir_write(sibling, "{}", 2));
	(void)port_file_reason(path, &word);
	assert(word == WORD_WRONG_DIR);
	(void)remove(sibling);
	snprintf(sibling, sizeof sibling, "%s/auth", inner);
	assert(temp_dir_write(sibling, "", 0));
	(void)port_file_reason(path, &word);
	assert(word == WORD_MISSING);
	(void)remove(sibling);
	assert(temp_dir_write(path, "", 0));
	(void)port_file_reason(path, &word);
	assert(word == WORD_EMPTY);
	remove_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_content(data, size);
	check_watch(data, size);
	check_reason();
	return 0;
}
