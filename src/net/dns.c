#include "net/dns.h"

#include <ctype.h>
#include <string.h>

/* Offsets and bits in a message's header (RFC 1035, section 4.1.1). */
enum {
	AT_FLAGS = 2,
	AT_CODE = 3,
	AT_QUESTIONS = 4,
	AT_ANSWERS = 6,
	AT_NAME = 12,
	FLAG_REPLY = 0x80,
	FLAG_KIND = 0x78,
	FLAG_CUT = 0x02,
	FLAG_RECURSE = 0x01,
	CODE_MASK = 0x0f,
	CODE_NO_NAME = 3,
};

#define LABEL_MAX 63
#define CLASS_INTERNET 1

/* Appends the labels of `name`. False: not a valid name. */
static bool append_name(struct dns_question *question, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		/* Leave room for the root's label. */
		if (len == 0 || len > LABEL_MAX ||
		    question->len - AT_NAME + 1 + len + 1 > DNS_NAME_MAX)
			return false;
		question->bytes[question->len++] = (unsigned char)len;
		memcpy(question->bytes + question->len, name, len);
		question->len += len;
		name += len;
		if (*name)
			name++;
	}
	return true;
}

bool dns_ask(struct dns_question *question, uint16_t id, const char *name, const char *domain,
             enum dns_type type)
{
	*question = (struct dns_question){
		.len = AT_NAME,
		.bytes = { (unsigned char)(id >> 8), (unsigned char)id, FLAG_RECURSE },
	};
	question->bytes[AT_QUESTIONS + 1] = 1;
	if (!append_name(question, name) || !append_name(question, domain))
		return false;
	question->bytes[question->len + 2] = (unsigned char)type;
	question->bytes[question->len + 4] = CLASS_INTERNET;
	question->len += 5; /* root's label (0), type, class */
	return true;
}

static size_t number_at(const unsigned char *bytes)
{
	return (size_t)bytes[0] << 8 | bytes[1];
}

/* Ignores case, which servers may change. tolower() keeps label lengths: they are below letters. */
static bool is_reply_to(const struct dns_question *question, const unsigned char *reply, size_t len)
{
	if (len < question->len || memcmp(reply, question->bytes, AT_FLAGS) != 0 ||
	    (reply[AT_FLAGS] & (FLAG_REPLY | FLAG_KIND)) != FLAG_REPLY ||
	    number_at(reply + AT_QUESTIONS) != 1)
		return false;
	for (size_t i = AT_NAME; i < question->len; i++)
		if (tolower(reply[i]) != tolower(question->bytes[i]))
			return false;
	return true;
}

/* The offset behind the name at `at`. A name ends in the root's label or in a pointer. */
static size_t skip_name(const unsigned char *reply, size_t at, size_t len)
{
	while (at < len && reply[at] > 0 && reply[at] <= LABEL_MAX)
		at += 1 + (size_t)reply[at];
	return at < len && reply[at] > 0 ? at + 2 : at + 1;
}

/* Passes each address to `on_address`. Returns whether there was one. */
static bool find_addresses(const unsigned char *reply, size_t at, size_t len, enum dns_type type,
                           void (*on_address)(void *context, const unsigned char *ip, size_t len),
                           void *context)
{
	bool any = false;

	for (size_t left = number_at(reply + AT_ANSWERS); left > 0; left--) {
		const unsigned char *record;
		size_t data_len;

		at = skip_name(reply, at, len);
		/* Type, class, time to live, length (RFC 1035, section 4.1.3). */
		if (at > len || len - at < 10)
			break;
		record = reply + at;
		data_len = number_at(record + 8);
		at += 10;
		if (data_len > len - at)
			break;
		if (number_at(record) == type && number_at(record + 2) == CLASS_INTERNET &&
		    data_len == (type == DNS_IPV4 ? 4 : 16)) {
			on_address(context, record + 10, data_len);
			any = true;
		}
		at += data_len;
	}
	return any;
}

enum dns_answer dns_read(const struct dns_question *question, const unsigned char *reply,
                         size_t len,
                         void (*on_address)(void *context, const unsigned char *ip, size_t len),
                         void *context)
{
	unsigned code;

	if (!is_reply_to(question, reply, len))
		return DNS_FOREIGN;
	code = reply[AT_CODE] & CODE_MASK;
	if (code == CODE_NO_NAME)
		return DNS_NO_NAME;
	if (code)
		return DNS_FAILED;
	if (!find_addresses(reply, question->len, len, question->bytes[question->len - 3],
	                    on_address, context) &&
	    (reply[AT_FLAGS] & FLAG_CUT))
		return DNS_FAILED;
	return DNS_ANSWERED;
}
