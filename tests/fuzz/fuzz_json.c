/* fuzz_json: any bytes as a document, beside a second parser, of RFC 8259 to the letter.
 *
 * What that one takes base/json.c must take, with the same members, and nothing else. */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
	const char *at;
	const char *end;
};

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool take_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static bool take_digits(struct reader *r)
{
	const char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return r->at > start;
}

static bool take_number(struct reader *r)
{
	(void)take(r, '-');
	if (!take(r, '0') && !take_digits(r))
		return false;
	if (take(r, '.') && !take_digits(r))
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			(void)take(r, '-');
		return take_digits(r);
	}
	return true;
}

static bool take_string(struct reader *r)
{
	if (!take(r, '"'))
		return false;
	while (r->at < r->end && *r->at != '"') {
		if ((unsigned char)*r->at < 0x20)
			return false;
		if (*r->at++ != '\\')
			continue;
		if (r->at == r->end || !*r->at || !strchr("\"\\/bfnrtu", *r->at))
			return false;
		if (*r->at++ != 'u')
			continue;
		for (int i = 0; i < 4; i++, r->at++)
			if (r->at == r->end || !*r->at || !strchr("0123456789abcdefABCDEF", *r->at))
				return false;
	}
	return take(r, '"');
}

/* These two call each other, JSON_DEPTH_MAX deep at most. */
/* NOLINTBEGIN(misc-no-recursion) */
static bool take_value(struct reader *r, int depth);

static bool take_members(struct reader *r, int depth, char close, bool keys)
{
	skip_blanks(r);
	if (take(r, close))
		return true;
	do {
		skip_blanks(r);
		if (keys && !take_string(r))
			return false;
		skip_blanks(r);
		if (keys && !take(r, ':'))
			return false;
		skip_blanks(r);
		if (!take_value(r, depth + 1))
			return false;
		skip_blanks(r);
	} while (take(r, ','));
	return take(r, close);
}

/* `depth` containers are open. */
static bool take_value(struct reader *r, int depth)
{
	if (r->at == r->end)
		return false;
	if (depth == JSON_DEPTH_MAX && (*r->at == '{' || *r->at == '['))
		return false;
	if (*r->at == '"')
		return take_string(r);
	if (take(r, '{'))
		return take_members(r, depth, '}', true);
	if (take(r, '['))
		return take_members(r, depth, ']', false);
	return take_word(r, "true") || take_word(r, "false") || take_word(r, "null") ||
	       take_number(r);
}

/* NOLINTEND(misc-no-recursion) */

static bool is_object(const char *text, size_t len)
{
	struct reader r = { text, text + len };

	skip_blanks(&r);
	if (!take(&r, '{') || !take_members(&r, 0, '}', true))
		return false;
	skip_blanks(&r);
	return r.at == r.end;
}

/* The first member with `key`, raw, of an object that is sound; false where there is none. */
static bool find(const char *text, size_t len, const char *key, struct reader *value)
{
	struct reader r = { text, text + len };

	skip_blanks(&r);
	(void)take(&r, '{');
	skip_blanks(&r);
	while (r.at < r.end && *r.at == '"') {
		const char *name = r.at + 1;
		size_t name_len;

		(void)take_string(&r);
		name_len = (size_t)(r.at - 1 - name);
		skip_blanks(&r);
		(void)take(&r, ':');
		skip_blanks(&r);
		value->at = r.at;
		(void)take_value(&r, 1);
		value->end = r.at;
		if (name_len == strlen(key) && memcmp(name, key, name_len) == 0)
			return true;
		skip_blanks(&r);
		(void)take(&r, ',');
		skip_blanks(&r);
	}
	return false;
}

static void check_int(const struct json *json, const char *key, bool there,
                      const struct reader *raw)
{
	char digits[64] = "";
	int64_t value = 7, wanted = 7;
	bool is_int = false;
	size_t len = there ? (size_t)(raw->end - raw->at) : 0;

	if (len > 0 && len < sizeof digits) {
		char *end;

		memcpy(digits, raw->at, len);
		errno = 0;
		wanted = strtoll(digits, &end, 10);
		is_int = *end == '\0' && errno == 0 && strspn(digits, "-0123456789") == len;
	}
	if (len < sizeof digits)
		assert(json_int(json, key, &value) == is_int);
	assert(value == (is_int ? wanted : 7));
}

static void check_bool(const struct json *json, const char *key, bool there,
                       const struct reader *raw)
{
	bool value = false;
	bool is_bool = there && (*raw->at == 't' || *raw->at == 'f');

	assert(json_bool(json, key, &value) == is_bool);
	assert(value == (is_bool && *raw->at == 't'));
}

static void check_string(const struct json *json, const char *key, bool there,
                         const struct reader *raw)
{
	size_t len = there ? (size_t)(raw->end - raw->at) : 0;
	char *buf = malloc(len + 1);
	bool plain = len >= 2 && *raw->at == '"' && !memchr(raw->at, '\\', len);

	assert(buf);
	if (plain) {
		assert(json_string(json, key, buf, len - 1));
		assert(memcmp(buf, raw->at + 1, len - 2) == 0 && strlen(buf) == len - 2);
		assert(!json_string(json, key, buf, len - 2 > 0 ? len - 2 : 1) || len == 2);
	} else if (json_string(json, key, buf, len + 1)) {
		/* An escape is never shorter than what it stands for. */
		assert(there && *raw->at == '"' && strlen(buf) <= len - 2);
	}
	free(buf);
}

/* What a number says as a port: 0 to 65535, or -1. */
static long as_port(const struct reader *raw)
{
	size_t len = (size_t)(raw->end - raw->at);
	long value = 0;

	/* "-0" is a number, and 0. */
	for (size_t i = len > 1 && *raw->at == '-' ? 1 : 0; i < len; i++) {
		if (raw->at[i] < '0' || raw->at[i] > '9')
			return -1;
		value = value * 10 + (raw->at[i] - '0');
		if (value > UINT16_MAX)
			return -1;
	}
	return *raw->at == '-' && value != 0 ? -1 : value;
}

/* Most ports taken. */
#define PORTS_MAX 8

/* The first port of a value that is sound, as the second parser sees it; -1: it is not ports. Sets `*sum` to the
 * sum of all. */
static long first_port(const struct reader *raw, long *sum)
{
	struct reader r = *raw, element;
	long first = 0;
	unsigned items = 0;

	if (take_word(&r, "null"))
		return 0;
	if (!take(&r, '['))
		return *sum = as_port(raw);
	skip_blanks(&r);
	while (!take(&r, ']')) {
		long port;

		(void)take(&r, ',');
		skip_blanks(&r);
		element.at = r.at;
		(void)take_value(&r, 2);
		element.end = r.at;
		skip_blanks(&r);
		port = as_port(&element);
		if (port < 0)
			return -1;
		if (items++ == 0)
			first = port;
		*sum += port;
	}
	return items > PORTS_MAX ? -1 : first;
}

static void check_ports(const struct json *json, const char *key, bool there,
                        const struct reader *raw)
{
	uint16_t ports[PORTS_MAX] = { 0 };
	size_t count = 0;
	enum json_ports found = json_ports(json, key, ports, PORTS_MAX, &count);
	long sum = 0, wanted = there ? first_port(raw, &sum) : 0;

	assert((found == JSON_PORTS_ABSENT) == !there);
	assert((found == JSON_PORTS_BAD) == (wanted < 0));
	assert((found == JSON_PORTS_SOME) == (wanted > 0));
	assert(ports[0] == (wanted > 0 ? wanted : 0));
	assert((count > 0) == (wanted > 0) && count <= PORTS_MAX);
	for (size_t i = 0; i < count; i++)
		sum -= ports[i];
	assert(wanted <= 0 || sum == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "ports", "listen_port", "healthy", "" };
	const char *text = (const char *)data;
	bool sound = is_object(text, size);
	struct failure why = { .text = "" };
	struct json json;
	enum fail f = json_parse(&json, text, size, &why);

	assert(!f == !why.text[0]);
	/* Only so many values are taken. */
	assert(sound ? !f || (f == FAIL_TOO_BIG && size > JSON_VALUES_MAX) : f != FAIL_NONE);
	for (size_t i = 0; !f && i < sizeof keys / sizeof keys[0]; i++) {
		struct reader raw = { NULL, NULL };
		bool there = sound && find(text, size, keys[i], &raw);
		bool as_bool;
		int64_t as_int;
		char as_string[16];
		uint16_t as_ports[PORTS_MAX];
		size_t count = 0;

		if (sound) {
			check_int(&json, keys[i], there, &raw);
			check_bool(&json, keys[i], there, &raw);
			check_string(&json, keys[i], there, &raw);
			check_ports(&json, keys[i], there, &raw);
		}
		assert(json_int(&json, keys[i], &as_int) + json_bool(&json, keys[i], &as_bool) +
		               json_string(&json, keys[i], as_string, sizeof as_string) <=
		       1);
		assert((json_ports(&json, keys[i], as_ports, PORTS_MAX, &count) ==
		        JSON_PORTS_SOME) == (count > 0));
	}
	return 0;
}
