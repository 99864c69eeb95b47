/* dns: builds a question for a name server and reads the reply (RFC 1035; RFC 3596 for IPv6). */
#ifndef QSTICKY_NET_DNS_H
#define QSTICKY_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest reply over UDP (RFC 1035, section 2.3.4). */
#define DNS_REPLY_MAX 512

/* Bytes of a name in a message (the same section). */
#define DNS_NAME_MAX 255

enum dns_type {
	DNS_IPV4 = 1,  /* A */
	DNS_IPV6 = 28, /* AAAA */
};

struct dns_question {
	size_t len;
	unsigned char bytes[12 + DNS_NAME_MAX + 4]; /* header, name, type and class */
};

enum dns_answer {
	DNS_FOREIGN,  /* not a reply to this question */
	DNS_FAILED,   /* the server failed */
	DNS_NO_NAME,  /* there is no such name */
	DNS_ANSWERED, /* with any number of addresses, also 0 */
};

/* Builds the question for the addresses of `name`, below `domain` unless that is "". Either may end
 * in a dot. `id` should be hard to guess. False: not a valid name. */
bool dns_ask(struct dns_question *question, uint16_t id, const char *name, const char *domain,
             enum dns_type type);

/* Reads the `len` bytes of `reply` and calls `on_address` with each address of 4 or 16 bytes. Accepts
 * addresses of any name, since the server follows aliases. */
enum dns_answer dns_read(const struct dns_question *question, const unsigned char *reply,
                         size_t len,
                         void (*on_address)(void *context, const unsigned char *ip, size_t len),
                         void *context);

#endif
