/* path: the way from a server's certificate up to a CA of the CA file (RFC 5280, section 6), or what is
 * in its way.
 *
 * Servers send the issuers in any order, some twice, some outdated, some that do not belong. Every
 * way is tried: each step is the name of an issuer, its right to issue, and a signature.
 * Not looked at: revocations. Names that a CA is limited to are not compared: such a CA is refused. */
#ifndef QSTICKY_TLS_PATH_H
#define QSTICKY_TLS_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls/certificate.h"
#include "tls/chain.h"

/* Least RSA key, in bytes: 2048 bits. */
#define PATH_RSA_LEAST 256

/* What the signatures that are verified for one server may cost together: one by a key of RSA or P-256
 * costs 1, P-384 2, P-521 3. 1 is about 5 ms on a slow machine, in which nothing else happens. A chain of nine
 * with P-384 costs 16. */
#define PATH_COST_MAX 16

/* What is wrong, and with which certificate. */
enum path_fault {
	PATH_NO_ISSUER,   /* nobody has the name of its issuer */
	PATH_NOT_SIGNER,  /* it has the name of an issuer, but did not sign */
	PATH_KEY,         /* its key is of a kind that is not supported */
	PATH_WEAK,        /* its RSA key is too short */
	PATH_SIGNATURE,   /* its signature is of a kind that is not supported */
	PATH_DATES,       /* it is not valid now */
	PATH_NOT_CA,      /* it issues, but is no CA */
	PATH_KEY_USAGE,   /* its key usage does not allow what it is used for */
	PATH_PURPOSE,     /* its extended key usage does not allow a server */
	PATH_CONSTRAINED, /* it is limited to some names */
	PATH_DEPTH,       /* it allows fewer CAs below it */
	PATH_EXTENSION,   /* it has a critical extension that is not read here */
	PATH_TOO_MANY,    /* its issuers cost more than the limit above */
};

/* Where a certificate is from. */
enum path_origin {
	PATH_SERVER, /* the server's own */
	PATH_SENT,   /* sent along with it */
	PATH_FILE,   /* of the CA file */
};

/* What is in the way. Of several, the one that a person can do most about: a CA of the file that did
 * sign, but is not fit to; else what is wrong furthest up. */
struct path_obstacle {
	enum path_fault fault;
	const struct certificate *of;
	enum path_origin origin;
	bool others;      /* PATH_NO_ISSUER: issuers were sent, the last of which has none */
	bool self_signed; /* the server's own certificate is */
};

struct path {
	const struct chain *chain;         /* borrowed */
	const struct certificate *anchors; /* CAs of the file, fit or not; borrowed */
	size_t anchor_count;
	bool trusted; /* the server's own certificate is in the file: nobody else need vouch for it */
	time_t now;
	struct path_obstacle obstacle; /* why path_find() found none */
};

/* Whether there is a way. If not, `obstacle` says why. Takes the time of
 * PATH_COST_MAX at most. */
bool path_find(struct path *path);

#endif
