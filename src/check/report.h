/* check_report: tells on stdout what a check has found: a hop a line, or all as one JSON object. */
#ifndef QSTICKY_CHECK_REPORT_H
#define QSTICKY_CHECK_REPORT_H

#include <stdbool.h>

#include "base/fail.h"

enum check_verdict {
	CHECK_OK,
	CHECK_WARN,
	CHECK_FAILS,
	CHECK_SKIPPED,
};

/* What was found at one hop. */
struct check_finding {
	const char *fix; /* what to do about it; NULL: nothing */
	struct failure seen;
};

/* Once a process, before the others. Lines are in colour on a terminal, unless `environment`
 * ("NAME=value", ended by NULL) is against it. */
void check_report_start(bool json, char *const environment[]);

/* Tells what was found at the hop of that name. */
void check_report_hop(const char *name, enum check_verdict verdict,
                      const struct check_finding *found);

/* There are no more. `ok`: all holds. */
void check_report_end(bool ok);

#endif
