/* An address, with the zone that it may have, is the one that its bytes are. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char host[64] = "", again[INET6_ADDRSTRLEN];
	unsigned char ip[IP_MAX], same[IP_MAX];
	size_t len;

	memcpy(host, data, size < sizeof host ? size : sizeof host - 1);
	len = ip_parse(ip, host);
	assert(len == 0 || len == 4 || len == IP_MAX);
	if (len > 0) {
		const char *text =
			inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, again, sizeof again);
		size_t again_len = text ? ip_parse(same, text) : 0;

		assert(again_len == len && memcmp(ip, same, len) == 0);
	}
	return 0;
}
