/* tls_verify: the certificates of a server, examined as the TLS engine reads them.
 *
 * A part of tls. */
#ifndef QSTICKY_TLS_VERIFY_H
#define QSTICKY_TLS_VERIFY_H

#include <bearssl.h>
#include <stddef.h>
#include <time.h>

#include "base/fail.h"
#include "base/limits.h"
#include "tls/chain.h"
#include "tls/fault.h"
#include "tls/trust.h"

/* CAs of the CA file that can be weighed for one server, and the room for them. Two with the same
 * name are rare, more were never seen. */
#define TLS_ANCHORS_MAX 16
#define TLS_ANCHORS_BYTES_MAX (24 * 1024)

struct tls_anchors {
	size_t count;
	size_t used; /* of bytes */
	bool own;    /* the server's own certificate is in the file */
	struct certificate anchors[TLS_ANCHORS_MAX];
	unsigned char bytes[TLS_ANCHORS_BYTES_MAX];
};

/* One examination. It costs no memory beyond what the server's chain touches. */
struct tls_verify {
	const br_x509_class *methods; /* must be first: what the engine calls */
	const struct trust *trust;    /* borrowed */

	enum fail verdict;       /* FAIL_NONE also before the chain is complete */
	enum tls_reason reason;  /* with a verdict */
	struct failure why;      /* with a verdict */
	const br_x509_pkey *key; /* the server's; NULL unless it was examined and accepted */
	unsigned usages;         /* what the key may be used for */
	time_t not_after;        /* of its certificate, where that matters; else 0 */
	unsigned char sha256[TRUST_PIN_LEN]; /* of the server's certificate */
	struct file_version file;            /* by which it was accepted; all 0: not by a file */

	br_x509_pkey leaf_key;
	struct tls_anchors anchors;
	struct chain chain;
};

/* Readies an examination by `trust`. `methods` then goes to the engine. */
void tls_verify_start(struct tls_verify *verify, const struct trust *trust);

/* Writes the name to expect to `name`, as TLS and certificates want it: without the dot that ends
 * a full name. It may be an address. */
void tls_verify_name(char name[static LIMITS_HOST_MAX], const struct trust *trust);

#endif
