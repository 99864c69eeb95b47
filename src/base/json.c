#include "base/json.h"

#include <string.h>

#include "base/pages.h"

/* Strict: refuses bare words. Parent links: without them jsmn searches all tokens backwards at each
 * comma. */
#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

/* Tokens of an ordinary document. Their memory stays resident for the next cycle. */
#define KEPT_VALUES 1024

/* Static, so that jsmn's types stay in this file. */
static jsmntok_t tokens[JSON_VALUES_MAX];
static size_t touched; /* tokens used by the last document */

/* Refuses what jsmn handles badly. jsmn ends at a NUL and accepts other control characters. At each
 * closing bracket it searches the brackets closed before: deep nesting takes quadratic time. */
static enum fail screen(const char *text, size_t len, struct failure *why)
{
	size_t depth = 0;
	bool string = false, escaped = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if ((unsigned char)c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return fail_set(why, FAIL_FORMAT, "not JSON: it holds control characters");
		if (escaped || (string && c == '\\')) {
			escaped = !escaped;
			continue;
		}
		if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return fail_set(why, FAIL_TOO_BIG, "JSON nested more than %d deep",
			                JSON_DEPTH_MAX);
	}
	return FAIL_NONE;
}

static enum fail parse(struct json *json, size_t len, struct failure *why)
{
	jsmn_parser parser;
	enum fail f = screen(json->text, len, why);
	int count;

	if (f)
		return f;
	jsmn_init(&parser);
	count = jsmn_parse(&parser, json->text, len, tokens, JSON_VALUES_MAX);
	touched = parser.toknext;
	if (count == JSMN_ERROR_NOMEM)
		return fail_set(why, FAIL_TOO_BIG, "JSON with more than %d values",
		                JSON_VALUES_MAX);
	if (count == JSMN_ERROR_PART)
		return fail_set(why, FAIL_FORMAT, "not JSON: it ends too early");
	if (count < 1 || tokens[0].type != JSMN_OBJECT)
		return fail_set(why, FAIL_FORMAT, "not a JSON object");
	for (int i = 1; i < count; i++)
		if (tokens[i].parent < 0)
			return fail_set(why, FAIL_FORMAT, "not JSON: something follows the object");
	json->count = (size_t)count;
	return FAIL_NONE;
}

enum fail json_parse(struct json *json, const char *text, size_t len, struct failure *why)
{
	enum fail f;

	*json = (struct json){ .text = text };
	f = parse(json, len, why);
	if (f)
		json_forget(json);
	return f;
}

static const jsmntok_t *find(const struct json *json, const char *key)
{
	size_t len = strlen(key);

	/* The parent of a key of the outermost object is token 0. Its value is the next token. */
	for (size_t i = 1; i + 1 < json->count; i++)
		if (tokens[i].parent == 0 && tokens[i].type == JSMN_STRING && tokens[i].size == 1 &&
		    (size_t)(tokens[i].end - tokens[i].start) == len &&
		    memcmp(json->text + tokens[i].start, key, len) == 0)
			return &tokens[i + 1];
	return NULL;
}

static bool is_word(const struct json *json, const jsmntok_t *token, const char *word)
{
	size_t len = (size_t)(token->end - token->start);

	return token->type == JSMN_PRIMITIVE && len == strlen(word) &&
	       memcmp(json->text + token->start, word, len) == 0;
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
	negative = at < end && *at == '-';
	if (negative)
		at++;
	if (at == end)
		return false;
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

/* Whether the item is a port or 0. jsmn accepts a number with values inside. The next token would not be the next
 * element. */
static bool to_port(const struct json *json, const jsmntok_t *item, int64_t *port)
{
	return item->size == 0 && to_int(json, item, port) && *port >= 0 && *port <= UINT16_MAX;
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
	if (is_word(json, token, "null"))
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

	if (!token || (!is_word(json, token, "true") && !is_word(json, token, "false")))
		return false;
	*value = json->text[token->start] == 't';
	return true;
}

static bool hex4(const char *at, const char *end, uint32_t *unit)
{
	uint32_t value = 0;

	if (end - at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = at[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
		            : c >= 'a' && c <= 'f' ? c - 'a' + 10
		            : c >= 'A' && c <= 'F' ? c - 'A' + 10
		                                   : -1;

		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*unit = value;
	return true;
}

/* Reads what follows "\u", also a surrogate pair (RFC 8259, section 7). Returns the bytes read, 0 if
 * malformed. */
static size_t read_unicode(const char *at, const char *end, uint32_t *code)
{
	uint32_t high, low;

	if (!hex4(at, end, &high) || high == 0 || (high >= 0xdc00 && high < 0xe000))
		return 0;
	*code = high;
	if (high < 0xd800 || high >= 0xe000)
		return 4;
	if (end - at < 10 || at[4] != '\\' || at[5] != 'u' || !hex4(at + 6, end, &low) ||
	    low < 0xdc00 || low >= 0xe000)
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

/* Unescapes one character or escape at `at` into `out`. Returns the bytes read, 0 if malformed. */
static size_t unescape(const char *at, const char *end, char out[static 4], size_t *out_len)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *escape;
	uint32_t code;
	size_t len;

	out[0] = *at;
	*out_len = 1;
	if (*at != '\\')
		return 1;
	if (end - at < 2)
		return 0;
	if (at[1] == 'u') {
		len = read_unicode(at + 2, end, &code);
		if (len > 0)
			*out_len = encode_utf8(out, code);
		return len > 0 ? len + 2 : 0;
	}
	escape = memchr(escapes, at[1], sizeof escapes - 1);
	if (!escape)
		return 0;
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
		size_t step = unescape(at, end, out, &out_len);

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

void json_forget(struct json *json)
{
	if (touched > KEPT_VALUES)
		pages_release(tokens, sizeof tokens);
	touched = 0;
	*json = (struct json){ 0 };
}
