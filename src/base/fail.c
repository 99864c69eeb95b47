#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

const char fail_words[WORDS][11] = {
	[FAIL_NONE] = "hint",
	[FAIL_IO] = "io",
	[FAIL_RESOLVE] = "unresolved",
	[FAIL_REFUSED] = "refused",
	[FAIL_TIMEOUT] = "timeout",
	[FAIL_CLOSED] = "ended",
	[FAIL_TOO_BIG] = "too-big",
	[FAIL_FORMAT] = "format",
	[FAIL_ANSWER] = "answer",
	[FAIL_REJECTED] = "rejected",
	[FAIL_BANNED] = "banned",
	[FAIL_HELD_BACK] = "held-back",
	[FAIL_UNPROVEN] = "differs",
	[FAIL_PORT_CLOSED] = "closed",
	[FAIL_CUT_OFF] = "cut-off",
	[FAIL_OWN_PORT] = "web-ui",
	[FAIL_ORPHANED] = "orphaned",
	[FAIL_TLS] = "failed",
	[FAIL_UNTRUSTED] = "untrusted",
	[FAIL_SECRET] = "secret",
	/* These are no kinds. */
	[WORD_DENIED] = "denied",
	[WORD_SELINUX] = "selinux",
	[WORD_DIRECTORY] = "directory",
	[WORD_LINK] = "link",
	[WORD_REPLACED] = "replaced",
	[WORD_EMPTY] = "empty",
	[WORD_MISSING] = "missing",
	[WORD_NO_DIR] = "no-dir",
	[WORD_EMPTY_DIR] = "empty-dir",
	[WORD_WRONG_DIR] = "wrong-dir",
	[WORD_TOO_FEW] = "too-few",
	[WORD_OLD] = "old",
	[WORD_NEVER] = "never-here",
	[WORD_GONE] = "gone",
	[WORD_DOWN] = "down",
	[WORD_ADDRESS] = "address",
	[WORD_ONE_WAY] = "one-way",
	[WORD_SEVERAL] = "several",
	[WORD_PROXY] = "proxy",
	[WORD_INTERFACE] = "interface",
	[WORD_TAKEN] = "taken",
	[WORD_UNHEALTHY] = "unhealthy",
	[WORD_CLOCK] = "clock",
	[WORD_INVALID] = "invalid",
	[WORD_IGNORED] = "ignored",
	[WORD_OFF] = "off",
};

static void end_visibly(struct text *text)
{
	static const char dots[] = "...";

	if (text->full && text->cap > sizeof dots)
		memcpy(text->buf + text->cap - sizeof dots, dots, sizeof dots);
}

enum fail fail_set(struct failure *why, unsigned kind, const char *format, ...)
{
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	end_visibly(&text);
	why->word = (unsigned char)(kind >> 8 ? kind >> 8 : kind);
	return (enum fail)(kind & UINT8_MAX);
}

enum fail fail_errno(struct failure *why, const char *format, ...)
{
	int error = errno;
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	text_printf(&text, ": %s", strerror(error));
	end_visibly(&text);
	why->word = error == EACCES ? WORD_DENIED : FAIL_IO;
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
