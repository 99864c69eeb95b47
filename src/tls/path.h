/* path: find the path from a server's certificate to a CA of the CA file (RFC 5280, section 6), or
 * what blocks it.
 *
 * A server may send its issuers in any order, twice, outdated or unrelated. So every path is tried.
 * Each step checks the issuer's name, its right to issue, and the signature. Revocations are not
 * checked. A CA with name constraints is refused, since they are not read. */
#ifndef QSTICKY_TLS_PATH_H
#define QSTICKY_TLS_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls/certificate.h"
#include "tls/chain.h"

/* Shortest RSA key, in bytes: 2048 bits. */
#define PATH_RSA_LEAST 256

/* Limit on the total cost of the signatures verified for one server. A signature costs 1 with RSA
 * or P-256, 2 with P-384, 3 with P-521. A cost of 1 is about 5 ms on a slow machine, during which
 * nothing else runs. A chain of nine with P-384 costs 16. */
#define PATH_COST_MAX 16

/* What is wrong with a certificate. */
enum path_fault {
	PATH_NO_ISSUER,   /* no certificate has its issuer's name */
	PATH_NOT_SIGNER,  /* it has the issuer's name, but did not sign */
	PATH_KEY,         /* its key's algorithm is not supported */
	PATH_WEAK,        /* its RSA key is too short */
	PATH_SIGNATURE,   /* its signature's algorithm is not supported */
	PATH_DATES,       /* it is not valid now */
	PATH_NOT_CA,      /* it issued a certificate, but is no CA */
	PATH_KEY_USAGE,   /* its key usage forbids its role */
	PATH_PURPOSE,     /* its extended key usage forbids a server */
	PATH_CONSTRAINED, /* it has name constraints */
	PATH_DEPTH,       /* its path length allows fewer CAs below it */
	PATH_EXTENSION,   /* it has an unknown critical extension */
	PATH_TOO_MANY,    /* verifying its issuers costs over PATH_COST_MAX */
};

/* The source of a certificate. */
enum path_origin {
	PATH_SERVER, /* the server's own certificate */
	PATH_SENT,   /* sent by the server as an issuer */
	PATH_FILE,   /* from the CA file */
};

/* What blocks the path. Of several obstacles, the one that a person can do most about. First comes
 * an unfit CA of the file that did sign; then the obstacle furthest up the path. */
struct path_obstacle {
	enum path_fault fault;
	const struct certificate *of;
	enum path_origin origin;
	bool others;      /* PATH_NO_ISSUER: issuers were sent, but not the last one's */
	bool self_signed; /* the server's own certificate is self-signed */
};

struct path {
	const struct chain *chain;         /* borrowed */
	const struct certificate *anchors; /* the CAs of the file, fit or unfit; borrowed */
	size_t anchor_count;
	bool trusted; /* the file holds the server's own certificate: it needs no issuer */
	time_t now;
	struct path_obstacle obstacle; /* set if path_find() fails */
};

/* Whether a path exists. If not, sets `obstacle`. Costs at most PATH_COST_MAX. */
bool path_find(struct path *path);

#endif
