#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "text.h"

/* What the system calls here can give, in the C library's words: all of its table would be a kilobyte
 * more. */
static const unsigned char numbers[] = {
	EPERM,        ENOENT,       EIO,    ENOMEM,  EACCES,       EEXIST,        ENODEV,
	ENOTDIR,      EISDIR,       EINVAL, ENFILE,  EMFILE,       ENOSPC,        EROFS,
	ENAMETOOLONG, ENOSYS,       ELOOP,  ENOBUFS, EAFNOSUPPORT, EADDRNOTAVAIL, ENETDOWN,
	ENETUNREACH,  EHOSTUNREACH, ESTALE, EDQUOT,
};

static const char texts[] = "Operation not permitted\0"
			    "No such file or directory\0"
			    "Input/output error\0"
			    "Cannot allocate memory\0"
			    "Permission denied\0"
			    "File exists\0"
			    "No such device\0"
			    "Not a directory\0"
			    "Is a directory\0"
			    "Invalid argument\0"
			    "Too many open files in system\0"
			    "Too many open files\0"
			    "No space left on device\0"
			    "Read-only file system\0"
			    "File name too long\0"
			    "Function not implemented\0"
			    "Too many levels of symbolic links\0"
			    "No buffer space available\0"
			    "Address family not supported by protocol\0"
			    "Cannot assign requested address\0"
			    "Network is down\0"
			    "Network is unreachable\0"
			    "No route to host\0"
			    "Stale file handle\0"
			    "Disk quota exceeded";

static void put_error(struct text *text, int error)
{
	const char *at = texts;

	for (size_t i = 0; i < sizeof numbers; i++, at += strlen(at) + 1) {
		if (numbers[i] == error) {
			text_puts(text, at);
			return;
		}
	}
	text_printf(text, "error %d", error);
}

static void end_visibly(struct text *text)
{
	static const char dots[] = "...";

	if (text->full && text->cap > sizeof dots)
		memcpy(text->buf + text->cap - sizeof dots, dots, sizeof dots);
}

enum fail fail_set(struct failure *why, enum fail kind, const char *format, ...)
{
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	end_visibly(&text);
	return kind;
}

enum fail fail_errno(struct failure *why, const char *format, ...)
{
	int error = errno;
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	text_puts(&text, ": ");
	put_error(&text, error);
	end_visibly(&text);
	return FAIL_IO;
}

void fail_in(struct failure *why, const char *format, ...)
{
	struct failure inner = *why;
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	text_printf(&text, ": %s", inner.text);
	end_visibly(&text);
}
