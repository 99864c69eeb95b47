#include "base/json.h"

#include <string.h>

/* Not strict: json_filter is stricter. Parent links: without them jsmn searches all tokens backwards at each
 * comma. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

/* Static, so that jsmn's types stay in this file. */
static jsmntok_t tokens[JSON_VALUES_MAX];

/* `text` is an object: json_filter has checked it. */
static enum fail find_values(struct json *json, const char *text, size_t len, struct failure *why)
{
	jsmn_parser parser;
	int count;

	jsmn_init(&parser);
	count = jsmn_parse(&parser, text, len, tokens, JSON_VALUES_MAX);
	if (count < 0)
		return fail_set(why, FAIL_TOO_BIG, "JSON with more than %d values",
		                JSON_VALUES_MAX);
	*json = (struct json){ text, (size_t)count };
	return FAIL_NONE;
}

enum fail json_parse(struct json *json, const char *text, size_t len, struct failure *why)
{
	struct json_filter filter;
	enum fail f;

	*json = (struct json){ 0 };
	json_filter_start(&filter, NULL, NULL);
	(void)json_filter_take(&filter, text, len);
	f = json_filter_end(&filter, why);
	return f ? f : find_values(json, text, len, why);
}

enum fail json_parse_kept(struct json *json, struct json_filter *filter, struct failure *why)
{
	enum fail f = json_filter_end(filter, why);

	*json = (struct json){ 0 };
	return f ? f : find_values(json, filter->text, filter->kept, why);
}

static const jsmntok_t *find(const struct json *json, const char *key)
{
	size_t len = strlen(key);

	/* The parent of a key of the outermost object is token 0. Its value is the next token. */
	for (size_t i = 1; i < json->count; i++)
		if (tokens[i].parent == 0 && (size_t)(tokens[i].end - tokens[i].start) == len &&
		    memcmp(json->text + tokens[i].start, key, len) == 0)
			return &tokens[i + 1];
	return NULL;
}

/* The first character of true, false or null, or of a number; NUL for another type. */
static char first(const struct json *json, const jsmntok_t *token)
{
	if (token->type != JSMN_PRIMITIVE)
		return '\0';
	return json->text[token->start];
}

static bool to_int(const struct json *json, const jsmntok_t *token, int64_t *value)
{
	const char *at, *end;
	bool negative;
	int64_t number = 0;

	if (token->type != JSMN_PRIMITIVE)
		return false;
	at = json->text + token->start;
	end = json->text + token->end;
	negative = *at == '-';
	if (negative)
		at++;
	for (; at < end; at++) {
		int digit = *at - '0';

		/* Counts downwards, since -INT64_MIN would overflow. */
		if (digit < 0 || digit > 9 || number < (INT64_MIN + digit) / 10)
			return false;
		number = number * 10 - digit;
	}
	if (!negative && number == INT64_MIN)
		return false;
	*value = negative ? number : -number;
	return true;
}

bool json_int(const struct json *json, const char *key, int64_t *value)
{
	const jsmntok_t *token = find(json, key);

	return token && to_int(json, token, value);
}

static bool to_port(const struct json *json, const jsmntok_t *item, int64_t *port)
{
	return to_int(json, item, port) && *port >= 0 && *port <= UINT16_MAX;
}

enum json_ports json_ports(const struct json *json, const char *key, uint16_t *ports, size_t most,
                           size_t *count)
{
	const jsmntok_t *token = find(json, key);
	int64_t port = 0;
	size_t found = 0;
	int items = 1;

	if (!token)
		return JSON_PORTS_ABSENT;
	if (first(json, token) == 'n')
		return JSON_PORTS_NONE;
	if (token->type == JSMN_ARRAY)
		items = token++->size;
	/* All of it first: what is in a bad list must not get out. */
	for (int i = 0; i < items; i++)
		if (!to_port(json, &token[i], &port) || (size_t)items > most)
			return JSON_PORTS_BAD;
	if (items == 0 || (to_port(json, token, &port) && port == 0))
		return JSON_PORTS_NONE;
	for (int i = 0; i < items; i++)
		if (to_port(json, &token[i], &port) && port > 0)
			ports[found++] = (uint16_t)port;
	*count = found;
	return JSON_PORTS_SOME;
}

bool json_bool(const struct json *json, const char *key, bool *value)
{
	const jsmntok_t *token = find(json, key);

	if (!token || (first(json, token) != 't' && first(json, token) != 'f'))
		return false;
	*value = first(json, token) == 't';
	return true;
}

/* json_filter has checked that the four digits are there. */
static uint32_t hex4(const char *at)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 4 | (uint32_t)((at[i] & 0xf) + (at[i] > '9' ? 9 : 0));
	return value;
}

/* Reads what follows "\u", also a surrogate pair (RFC 8259, section 7). Returns the bytes read, 0 if it is no
 * character, or a NUL. The string ends in a quote. */
static size_t read_unicode(const char *at, uint32_t *code)
{
	uint32_t high = hex4(at), low;

	*code = high;
	if (high == 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	if (high < 0xd800 || high >= 0xe000)
		return 4;
	if (at[4] != '\\' || at[5] != 'u')
		return 0;
	low = hex4(at + 6);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return 10;
}

static size_t encode_utf8(char out[static 4], uint32_t code)
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(len == 1 ? code : lead[len] | code);
	return len;
}

/* Unescapes one character or escape at `at` into `out`. Returns the bytes read, 0 as read_unicode(). */
static size_t unescape(const char *at, char out[static 4], size_t *out_len)
{
	static const char escapes[] = "bfnrt", meant[] = "\b\f\n\r\t";
	const char *escape;
	uint32_t code;
	size_t len;

	out[0] = *at;
	*out_len = 1;
	if (*at != '\\')
		return 1;
	if (at[1] == 'u') {
		len = read_unicode(at + 2, &code);
		if (len == 0)
			return 0;
		*out_len = encode_utf8(out, code);
		return len + 2;
	}
	out[0] = at[1];
	escape = strchr(escapes, at[1]);
	if (escape)
		out[0] = meant[escape - escapes];
	return 2;
}

bool json_string(const struct json *json, const char *key, char *buf, size_t cap)
{
	const jsmntok_t *token = find(json, key);
	const char *at, *end;
	size_t len = 0;

	if (!token || token->type != JSMN_STRING)
		return false;
	at = json->text + token->start;
	end = json->text + token->end;
	while (at < end) {
		char out[4];
		size_t out_len;
		size_t step = unescape(at, out, &out_len);

		if (step == 0 || out_len >= cap - len) {
			buf[0] = '\0';
			return false;
		}
		memcpy(buf + len, out, out_len);
		len += out_len;
		at += step;
	}
	buf[len] = '\0';
	return true;
}
