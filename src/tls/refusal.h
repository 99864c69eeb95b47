/* refusal: why a server's certificate is refused, and what to do: the sentences. */
#ifndef QSTICKY_TLS_REFUSAL_H
#define QSTICKY_TLS_REFUSAL_H

#include <stdbool.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"
#include "config/config.h"
#include "tls/chain.h"
#include "tls/path.h"

/* Bytes of a SHA-256. */
#define REFUSAL_SHA256_LEN 32

/* What a server presented, and to whom; everything is borrowed. */
struct refusal {
	const struct config *config;
	const char *name; /* the name that was asked for */
	const struct chain *chain;
	const unsigned char *sha256; /* of the server's own certificate */
	time_t now;
};

/* Appends the certificate that was presented, for a person: "subject CN=nas; issuer ...". */
void refusal_put_presented(struct text *text, const struct chain *chain);

/* Appends the line that pins a certificate, by its SHA-256. */
void refusal_put_pin(struct text *text, const unsigned char sha256[static REFUSAL_SHA256_LEN]);

/* Explain; all return FAIL_UNTRUSTED. Each tells the way out: the pin of what was presented. In turn:
 * it is not the pinned one; there is neither a pin nor a CA file; the clock is wrong; it is for
 * another name; its key is of a kind that is not supported, or what else is in the way. */
enum fail refusal_of_pin(const struct refusal *refusal, struct failure *why);
enum fail refusal_without_file(const struct refusal *refusal, struct failure *why);
enum fail refusal_by_clock(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_name(const struct refusal *refusal, struct failure *why);
enum fail refusal_of_path(const struct refusal *refusal, const struct path_obstacle *obstacle,
                          struct failure *why);

/* Whether `now` is before this program was written: then no date can be judged by it. */
bool refusal_clock_is_wrong(time_t now);

#endif
