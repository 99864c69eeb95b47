/* closed_file: a file that may not be read, by root neither. */
#ifndef QSTICKY_TESTS_CLOSED_FILE_H
#define QSTICKY_TESTS_CLOSED_FILE_H

#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes all permissions from the file, whose directory may be entered then, and root's power over files
 * from this thread until closed_file_end(). Returns whether it went well. */
static inline bool closed_file_begin(const char *path)
{
	static const uid_t nobody = 65534;
	char dir[PATH_MAX];

	snprintf(dir, sizeof dir, "%s", path);
	if (chmod(path, 0) || chmod(dirname(dir), 0711))
		return false;
	if (geteuid() == 0)
		(void)setfsuid(nobody);
	return true;
}

static inline void closed_file_end(void)
{
	(void)setfsuid(geteuid());
}

#endif
