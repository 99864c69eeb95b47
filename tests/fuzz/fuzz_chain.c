/* fuzz_chain: what a server presents as its certificates, in any number and order.
 *
 * The first byte is the size of the pieces; then come the certificates, each behind two bytes that
 * say how long it is. */
#include "tls/chain.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain chain;

static void add(const uint8_t *bytes, size_t len, size_t piece)
{
	chain_begin(&chain);
	for (size_t at = 0; at < len; at += piece)
		chain_add(&chain, bytes + at, piece < len - at ? piece : len - at);
	chain_end(&chain);
}

/* Each certificate is one of those that were sent, in their order, and whole. */
static void check_certificates(void)
{
	size_t before = 0;

	assert(chain.count <= CHAIN_MAX && chain.len <= CHAIN_BYTES_MAX);
	for (size_t i = 0; i < chain.count; i++) {
		const struct der_part whole = chain.certificates[i].whole;

		assert(whole.at == chain.bytes + before);
		before += whole.len;
		assert(before <= chain.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1, sent = 0;

	if (size < 1)
		return 0;
	chain_start(&chain);
	while (size - at >= 2) {
		size_t len = (size_t)data[at] << 8 | data[at + 1];

		at += 2;
		len = len < size - at ? len : size - at;
		add(data + at, len, (size_t)data[0] + 1);
		check_certificates();
		at += len;
		sent++;
	}
	assert(chain.count <= sent);
	assert(!chain.malformed || chain.count == 0);
	assert(chain.too_big || chain.malformed || sent == 0 || chain.count > 0);
	assert(chain.count == 0 || chain_leaf(&chain) == &chain.certificates[0]);
	return 0;
}
