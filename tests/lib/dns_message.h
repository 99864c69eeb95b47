/* dns_message: replies of a name server, put together by hand (RFC 1035, section 4).
 *
 * To be included after cmocka.h. */
#ifndef QSTICKY_TESTS_DNS_MESSAGE_H
#define QSTICKY_TESTS_DNS_MESSAGE_H

#include <string.h>

#include "net/dns.h"

#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_TXT 16
#define TYPE_AAAA 28
#define CLASS_IN 1

/* A pointer to the name in the question. */
#define SAME_NAME "\xc0\x0c"

struct message {
	size_t len;
	unsigned char bytes[2048];
};

static inline void message_put(struct message *message, const void *bytes, size_t len)
{
	assert_true(message->len + len <= sizeof message->bytes);
	memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

static inline void message_put_number(struct message *message, size_t number)
{
	const unsigned char bytes[2] = { (unsigned char)(number >> 8), (unsigned char)number };

	message_put(message, bytes, sizeof bytes);
}

/* The question, as a reply with `code` that has no records yet. */
static inline void message_begin(struct message *message, const unsigned char *question, size_t len,
                                 unsigned code)
{
	*message = (struct message){ .len = 0 };
	message_put(message, question, len);
	message->bytes[2] |= 0x80;                        /* a reply */
	message->bytes[3] = (unsigned char)(0x80 | code); /* recursion is available */
}

/* A record that claims `said` bytes of data and has `len`. `name` is as it is to be on the wire. */
static inline void message_put_record_of(struct message *message, const char *name, size_t name_len,
                                         size_t type, size_t class, const void *data, size_t len,
                                         size_t said)
{
	message_put(message, name, name_len);
	message_put_number(message, type);
	message_put_number(message, class);
	message_put(message, "\0\0\0\x3c", 4);
	message_put_number(message, said);
	message_put(message, data, len);
	message->bytes[7]++;
}

static inline void message_put_record(struct message *message, size_t type, const void *data,
                                      size_t len)
{
	message_put_record_of(message, SAME_NAME, 2, type, CLASS_IN, data, len, len);
}

#endif
