/* chain: the certificates that a server presents, kept until they are judged. */
#ifndef QSTICKY_TLS_CHAIN_H
#define QSTICKY_TLS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/certificate.h"

/* Longest chain that is taken: all certificates together, and how many. */
#define CHAIN_BYTES_MAX (24 * 1024)
#define CHAIN_MAX 10

struct chain {
	size_t count;   /* certificates; the first is the server's own */
	bool too_big;   /* the server sent more than fits */
	bool malformed; /* the server's own is not a certificate; others are left out then */
	struct certificate certificates[CHAIN_MAX];

	size_t started; /* where in `bytes` the present certificate begins */
	size_t len;
	unsigned char bytes[CHAIN_BYTES_MAX];
};

/* Empties it. */
void chain_start(struct chain *chain);

/* Takes a certificate in pieces: begin, add any number of times, end. */
void chain_begin(struct chain *chain);
void chain_add(struct chain *chain, const unsigned char *bytes, size_t len);
void chain_end(struct chain *chain);

/* The server's own certificate; there must be one. */
const struct certificate *chain_leaf(const struct chain *chain);

#endif
