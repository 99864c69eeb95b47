/* tls_verify: verifies the certificates of a server while the TLS engine reads them.
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

/* Most CAs of the CA file kept for one server, and the room for them in bytes. Two of one name are
 * rare; more were never seen. */
#define TLS_ANCHORS_MAX 16
#define TLS_ANCHORS_BYTES_MAX (24 * 1024)

struct tls_anchors {
	size_t count;
	size_t used; /* bytes used */
	bool own;    /* the file holds the server's own certificate */
	struct certificate anchors[TLS_ANCHORS_MAX];
	unsigned char bytes[TLS_ANCHORS_BYTES_MAX];
};

/* One verification. Only the pages that the server's chain fills use memory. */
struct tls_verify {
	const br_x509_class *methods; /* must be first: BearSSL's methods */
	const struct trust *trust;    /* borrowed */

	enum fail verdict;       /* FAIL_NONE also before the chain is complete */
	enum tls_reason reason;  /* set with `verdict` */
	struct failure why;      /* set with `verdict` */
	const br_x509_pkey *key; /* the server's; NULL: not verified in this handshake */
	unsigned usages;         /* what the key may be used for */
	time_t not_after;        /* end of the certificate's validity; 0: not checked */
	unsigned char sha256[TRUST_PIN_LEN]; /* of the server's certificate */
	struct file_version file;            /* the CA file that vouched for it; all 0: none did */

	br_x509_pkey leaf_key;
	struct tls_anchors anchors;
	struct chain chain;
};

/* Prepares to verify by `trust`; pass `methods` to the engine. */
void tls_verify_start(struct tls_verify *verify, const struct trust *trust);

/* Writes the expected name to `name`, without the final dot of a full name, as TLS and certificates
 * need it. It may be an address. */
void tls_verify_name(char name[static LIMITS_HOST_MAX], const struct trust *trust);

#endif
