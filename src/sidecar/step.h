/* step: what one step of a cycle has found. The cycle acts on it, and `qsticky check` shows it: so that both
 * say the same. */
#ifndef QSTICKY_SIDECAR_STEP_H
#define QSTICKY_SIDECAR_STEP_H

#include "base/fail.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL, VERDICT_SKIP };

struct step {
	enum verdict verdict;
	struct failure seen;
	const char *fix; /* what to do about it; NULL: nothing */
};

/* Sets all of it. Returns FAIL_NONE. */
enum fail step_found(struct step *step, enum verdict verdict, const char *fix, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

/* The failure `f` has set what is seen: sets the rest. Returns `f`. */
enum fail step_failed(struct step *step, enum fail f, const char *fix);

/* The same of a failure in reaching qBittorrent: what to do depends on `f`. */
enum fail step_unanswered(struct step *step, enum fail f);

#endif
