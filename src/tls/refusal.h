/* refusal: the sentences that say why a server's certificate is refused.
 *
 * They name no variable: the caller knows the reason, and which server it is. */
#ifndef QSTICKY_TLS_REFUSAL_H
#define QSTICKY_TLS_REFUSAL_H

#include <stdbool.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"
#include "tls/chain.h"
#include "tls/path.h"
#include "tls/trust.h"

/* What a server was verified against; everything is borrowed. */
struct refusal {
	const struct trust *trust;
	const char *name; /* the name that the certificate must have */
	time_t now;
};

/* Appends the server's certificate, for a person: "subject CN=nas; issuer ...". */
void refusal_append_presented(struct text *text, const struct chain *chain);

/* Each sets `why` and returns FAIL_UNTRUSTED: the clock is wrong; the name differs; the path is
 * blocked. */
enum fail refusal_by_clock(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_name(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_path(const struct refusal *refusal, const struct path_obstacle *obstacle,
                          struct failure *why);

/* Whether `now` is earlier than this program: then no date can be checked. */
bool refusal_clock_is_wrong(time_t now);

#endif
