/* step: what one step of a cycle found. The cycle acts on it and `qsticky check` shows it, so both
 * say the same. */
#ifndef QSTICKY_SIDECAR_STEP_H
#define QSTICKY_SIDECAR_STEP_H

#include "base/fail.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL, VERDICT_SKIP };

struct step {
	enum verdict verdict;
	const char *fix;     /* what to do about it; NULL: nothing */
	struct failure seen; /* what was found, also without a failure */
};

/* Sets all members of `step`; `format` makes the text of `seen`. `verdict`: an enum verdict, or
 * FAIL_AS() with one. Returns FAIL_NONE. */
enum fail step_found(struct step *step, unsigned verdict, const char *fix, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Appends to the text of `seen`. */
void step_append(struct step *step, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets VERDICT_FAIL and `fix`, after the failure `f` has set `step->seen`. Returns `f`. */
enum fail step_failed(struct step *step, enum fail f, const char *fix);

/* The same after a failure to reach qBittorrent. Chooses the fix by `f`. Returns `f`. */
enum fail step_unanswered(struct step *step, enum fail f);

#endif
