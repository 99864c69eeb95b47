#include "process/reload.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* It has about 1,500 bytes. */
#define STATUS_MAX 4096

bool reload_fits(const char *status, const char *own)
{
	/* The first line is the name, in which the kernel escapes line ends. */
	size_t name_len = strcspn(own, "\n") + 1;
	const char *mask = text_find(status, strlen(status), "\nSigBlk:\t");
	char lowest;

	if (!mask || strncmp(status, own, name_len) != 0)
		return false;
	/* In hex; SIGHUP is its lowest bit. As bytes, '1' and 'a' are odd. */
	mask += strcspn(mask + 1, "\n");
	lowest = *mask;
	return lowest >= 'a' ? lowest % 2 == 0 : lowest % 2 == 1;
}

static enum fail read_status(struct text *status, const char *path, struct failure *why)
{
	int fd = file_open(path, FILE_LINKS_ALL);
	enum fail f = fd < 0 ? fail_errno(why, "open %s", path)
	                     : file_read(status, fd, path, "a process's", why);

	if (fd >= 0)
		close(fd);
	return f;
}

enum fail reload_send(struct failure *why)
{
	char first[STATUS_MAX], own[STATUS_MAX];
	struct text first_text = text_on(first, sizeof first);
	struct text own_text = text_on(own, sizeof own);
	enum fail f = read_status(&first_text, "/proc/1/status", why);

	if (!f)
		f = read_status(&own_text, "/proc/self/status", why);
	if (f)
		return f;
	if (!reload_fits(first, own))
		return fail_set(why, FAIL_IO,
		                "process 1 is no qsticky that runs: use this in its container, or "
		                "send SIGHUP from outside");
	if (kill(1, SIGHUP) < 0)
		return fail_errno(why, "signal process 1, which another user has started");
	return FAIL_NONE;
}
