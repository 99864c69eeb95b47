#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

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
	text_printf(&text, ": %s", strerror(error));
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
