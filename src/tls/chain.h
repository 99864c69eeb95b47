/* chain: the certificates that a server sends, kept until they are verified. */
#ifndef QSTICKY_TLS_CHAIN_H
#define QSTICKY_TLS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/certificate.h"

/* Longest chain accepted: bytes of all certificates together, and their number. */
#define CHAIN_BYTES_MAX (24 * 1024)
#define CHAIN_MAX 10

struct chain {
	size_t count;   /* certificates; the first is the server's own */
	bool too_big;   /* the server sent more than fits */
	bool malformed; /* the server's own cannot be parsed; such issuers are skipped */
	struct certificate certificates[CHAIN_MAX];

	size_t started; /* start of the current certificate in `bytes` */
	size_t len;
	unsigned char bytes[CHAIN_BYTES_MAX];
};

/* Empties the chain. */
void chain_start(struct chain *chain);

/* Add a certificate in pieces: begin, add any number of times, end. */
void chain_begin(struct chain *chain);
void chain_add(struct chain *chain, const unsigned char *bytes, size_t len);
void chain_end(struct chain *chain);

/* Returns the server's own certificate; `count` must be at least 1. */
const struct certificate *chain_leaf(const struct chain *chain);

#endif
