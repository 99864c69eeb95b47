/* dns: a question to a name server, and what it answers (RFC 1035; RFC 3596 for IPv6). */
#ifndef QSTICKY_NET_DNS_H
#define QSTICKY_NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest reply over UDP (RFC 1035, section 2.3.4). */
#define DNS_REPLY_MAX 512

/* Bytes of a name, as a message has it (the same section). */
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
	DNS_FOREIGN,  /* no answer to this question */
	DNS_FAILED,   /* the server does not know and should */
	DNS_NO_NAME,  /* there is no such name */
	DNS_ANSWERED, /* with any number of addresses, 0 included */
};

/* Makes the question for the addresses of `name`, below `domain` where that is not ""; either may
 * end in a dot. `id` should be one that nobody can guess. False: not a name. */
bool dns_ask(struct dns_question *question, uint16_t id, const char *name, const char *domain,
             enum dns_type type);

/* What the `len` bytes of `reply` say. `on_address` is called with each address in them, of 4 or 16 bytes
 * (aliases are followed by the server: whatever their name, they are meant). */
enum dns_answer dns_read(const struct dns_question *question, const unsigned char *reply,
                         size_t len,
                         void (*on_address)(void *context, const unsigned char *ip, size_t len),
                         void *context);

#endif
