#include "check/walk.h"

#include <stdarg.h>

#include "base/text.h"

enum check_verdict check_see(struct check_walk *walk, enum check_verdict verdict, const char *fix,
                             const char *format, ...)
{
	struct text text = text_on(walk->found.seen.text, sizeof walk->found.seen.text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	walk->found.fix = fix;
	return verdict;
}

enum check_verdict check_failed(struct check_walk *walk, enum fail f, const char *fix)
{
	walk->stopped |= f == FAIL_STOPPED;
	walk->found.fix = fix;
	return CHECK_FAILS;
}
