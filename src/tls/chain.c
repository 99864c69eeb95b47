#include "tls/chain.h"

#include <string.h>

void chain_start(struct chain *chain)
{
	chain->count = 0;
	chain->started = chain->len = 0;
	chain->too_big = chain->malformed = false;
}

void chain_begin(struct chain *chain)
{
	chain->started = chain->len;
	if (chain->count == CHAIN_MAX)
		chain->too_big = true;
}

void chain_add(struct chain *chain, const unsigned char *bytes, size_t len)
{
	if (len > sizeof chain->bytes - chain->len)
		chain->too_big = true;
	if (chain->too_big)
		return;
	memcpy(chain->bytes + chain->len, bytes, len);
	chain->len += len;
}

void chain_end(struct chain *chain)
{
	if (chain->too_big || chain->malformed)
		return;
	if (certificate_parse(&chain->certificates[chain->count], chain->bytes + chain->started,
	                      chain->len - chain->started))
		chain->count++;
	else if (chain->count == 0)
		chain->malformed = true;
	else
		chain->len = chain->started; /* unreadable: it cannot be an issuer */
}

const struct certificate *chain_leaf(const struct chain *chain)
{
	return &chain->certificates[0];
}
