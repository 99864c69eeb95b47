#include "chain.h"

#include <string.h>

void chain_start(struct chain *chain)
{
	chain->count = chain->path_count = 0;
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
		chain->len = chain->started; /* it can vouch for nothing */
}

static bool is_on_path(const struct chain *chain, size_t which)
{
	for (size_t i = 0; i < chain->path_count; i++)
		if (chain->path[i] == which)
			return true;
	return false;
}

void chain_sort(struct chain *chain)
{
	size_t next = 0;

	chain->path_count = 0;
	while (next < chain->count && chain->path_count < CHAIN_PATH_MAX) {
		const struct certificate *top = &chain->certificates[next];

		chain->path[chain->path_count++] = next;
		if (certificate_same(top->issuer, top->subject))
			return;
		for (next = 0; next < chain->count; next++)
			if (!is_on_path(chain, next) &&
			    certificate_same(top->issuer, chain->certificates[next].subject))
				break;
	}
}

const struct certificate *chain_leaf(const struct chain *chain)
{
	return &chain->certificates[0];
}

const struct certificate *chain_top(const struct chain *chain)
{
	return &chain->certificates[chain->path[chain->path_count - 1]];
}
