/* trust: what in the CA file may vouch for a server; why a certificate is refused, and what to do.
 *
 * The signatures are tls_verify's to verify. */
#ifndef QSTICKY_TRUST_H
#define QSTICKY_TRUST_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "certificate.h"
#include "chain.h"
#include "config.h"
#include "fail.h"
#include "text.h"

/* Largest CA file, in bytes. Debian's whole bundle has a quarter of a MiB. */
#define TRUST_FILE_MAX (4 * 1024 * 1024)

/* Bytes of a SHA-256, and of its digits with their NUL. */
#define TRUST_SHA256_LEN 32
#define TRUST_SHA256_TEXT (2 * TRUST_SHA256_LEN + 1)

/* A version of the CA file: replaced or changed, it is another. All 0: there is none. */
struct trust_file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

/* What is wrong with a chain that was verified. */
enum trust_fault {
	TRUST_NO_ISSUER, /* no certificate of the CA file vouches for it */
	TRUST_DATES,
	TRUST_NAME,
	TRUST_ALGORITHM, /* a key or signature of a kind that cannot be verified here */
	TRUST_WEAK,
	TRUST_SIGNATURE,
	TRUST_USAGE, /* not a CA where one is needed, or not for a server */
	TRUST_EXTENSION,
	TRUST_MALFORMED,
};

/* A server's certificates while they are judged; everything is borrowed. */
struct trust {
	const struct config *config;
	const char *name; /* the name that was asked for */
	const struct chain *chain;
	const unsigned char *sha256; /* of the server's own certificate */
	time_t now;
	bool outdated; /* the last issuer was in the CA file, but its own time is over */
	bool matched;  /* one of its name was there */
};

/* The present version of the file at `path`; all 0 where there is none. */
struct trust_file trust_file_now(const char *path);
bool trust_file_same(const struct trust_file *a, const struct trust_file *b);

/* Takes one certificate that may vouch for the chain; `own`: it is the server's. */
typedef enum fail trust_take(void *context, const struct certificate *certificate, bool own,
                             struct failure *why);

/* Reads the CA file and hands over each certificate in it that may vouch for the chain: its own
 * self, and CAs within their dates that have the name of an issuer in it. Notes `outdated` and
 * `matched`, and the version that was read in `*version`.
 * FAIL_UNTRUSTED: there is none at the default path. FAIL_FORMAT, FAIL_TOO_BIG: not a PEM file of certificates.
 * FAIL_IO: unreadable. Else as `take` says. */
enum fail trust_scan(struct trust *trust, struct trust_file *version, trust_take *take,
                     void *context, struct failure *why);

/* Appends the certificate that was presented, for a person: "subject CN=nas; issuer ...". */
void trust_put_presented(struct text *text, const struct chain *chain);

/* Appends the line that pins a certificate, by its SHA-256. */
void trust_put_pin(struct text *text, const unsigned char sha256[static TRUST_SHA256_LEN]);

/* Explain; all return FAIL_UNTRUSTED. Each tells the way out: the pin of what was presented. */
enum fail trust_refuse_pin(const struct trust *trust, struct failure *why);
enum fail trust_refuse_clock(const struct trust *trust, struct failure *why);
enum fail trust_refuse(const struct trust *trust, enum trust_fault fault, struct failure *why);

/* Whether `now` is before this program was written: then no date can be judged by it. */
bool trust_clock_is_wrong(time_t now);

#endif
