/* refusal: why a server's certificate is refused: the sentences.
 *
 * They name no variable: the caller knows the reason, and whose server it is. */
#ifndef QSTICKY_TLS_REFUSAL_H
#define QSTICKY_TLS_REFUSAL_H

#include <stdbool.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"
#include "tls/chain.h"
#include "tls/path.h"
#include "tls/trust.h"

/* By what a server was judged; everything is borrowed. */
struct refusal {
	const struct trust *trust;
	const char *name; /* the name that was asked for */
	time_t now;
};

/* Appends the certificate that was presented, for a person: "subject CN=nas; issuer ...". */
void refusal_append_presented(struct text *text, const struct chain *chain);

/* Explain; all return FAIL_UNTRUSTED. In turn: the clock is wrong; it is for
 * another name; its key is of a kind that is not supported, or what else is in the way. */
enum fail refusal_by_clock(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_name(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_path(const struct refusal *refusal, const struct path_obstacle *obstacle,
                          struct failure *why);

/* Whether `now` is before this program was written: then no date can be judged by it. */
bool refusal_clock_is_wrong(time_t now);

#endif
