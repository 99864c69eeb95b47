/* fuzz_dns: any bytes as a reply, and any name as the question.
 *
 * What is taken lies in the reply, as a whole and in order; nothing is, and there is no answer, where
 * ID or question are others. The input: a byte of flags, the name's length, the name, the reply. */
#include "net/dns.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IS_IPV6 1
#define IS_REPLY 2 /* the reply's header and question are made to fit */
#define HAS_DOMAIN 4

struct taken {
	const unsigned char *least, *end; /* of the reply, from where the next one may begin */
	size_t len, count;
};

static void take(void *context, const unsigned char *ip, size_t len)
{
	struct taken *taken = context;

	assert(len == taken->len);
	/* Behind the record's name, which has a byte at least, and its head. */
	assert(ip >= taken->least + 11 && ip <= taken->end - len);
	taken->least = ip + len;
	taken->count++;
}

static void check_question(const struct dns_question *question, const char *name, size_t len,
                           const char *domain)
{
	const unsigned char *at = question->bytes + 12;

	assert(question->len <= sizeof question->bytes && question->len >= 12 + 1 + 4);
	while (*at > 0) {
		assert(*at < 64);
		at += 1 + *at;
	}
	assert(at == question->bytes + question->len - 5);
	/* As many bytes as there are characters; the dot at an end has none. */
	assert(question->len <= 12 + 1 + len + 1 + strlen(domain) + 1 + 4);
	assert(len == 0 || question->bytes[13] == (unsigned char)name[0]);
}

static bool fits(const struct dns_question *question, const unsigned char *reply, size_t len)
{
	if (len < question->len || memcmp(reply, question->bytes, 2) != 0 || !(reply[2] & 0x80))
		return false;
	for (size_t i = 12; i < question->len; i++)
		if (tolower(reply[i]) != tolower(question->bytes[i]))
			return false;
	return true;
}

static void check_reply(const struct dns_question *question, const unsigned char *reply, size_t len,
                        bool is_ipv6)
{
	struct taken taken = { .least = reply + question->len,
		               .end = reply + len,
		               .len = is_ipv6 ? 16 : 4 };
	enum dns_answer answer = dns_read(question, reply, len, take, &taken);

	assert(taken.count == 0 || answer == DNS_ANSWERED);
	assert(answer == DNS_FOREIGN || fits(question, reply, len));
	if (answer != DNS_FOREIGN && (reply[3] & 15) == 0)
		assert(answer == DNS_ANSWERED || ((reply[2] & 2) && taken.count == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_question question;
	unsigned char *reply;
	const char *domain;
	uint8_t flags;
	char name[256];
	size_t len;

	if (size < 2 || data[1] > size - 2)
		return 0;
	flags = data[0];
	len = data[1];
	memcpy(name, data + 2, len);
	name[len] = '\0';
	if (strlen(name) != len)
		return 0;
	domain = flags & HAS_DOMAIN ? "svc.cluster.local" : "";
	if (!dns_ask(&question, 0x1234, name, domain, flags & IS_IPV6 ? DNS_IPV6 : DNS_IPV4))
		return 0;
	check_question(&question, name, len, domain);

	/* A copy of its own, so that AddressSanitizer sees its end. */
	data += 2 + len;
	size -= 2 + len;
	reply = malloc(size ? size : 1);
	assert(reply);
	memcpy(reply, data, size);
	if (flags & IS_REPLY && size >= question.len) {
		memcpy(reply, question.bytes, 2);
		reply[2] = (reply[2] & 0x07) | 0x80;
		memcpy(reply + 4, question.bytes + 4, 2);
		memcpy(reply + 12, question.bytes + 12, question.len - 12);
	}
	check_reply(&question, reply, size, flags & IS_IPV6);
	free(reply);
	return 0;
}
