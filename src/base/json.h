/* json: looks up members of one JSON object. Only json.c uses jsmn. */
#ifndef QSTICKY_BASE_JSON_H
#define QSTICKY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/json_filter.h"

/* Most values in a document, keys and containers included. A long health file has about 250. */
#define JSON_VALUES_MAX 1024

/* A parsed document. Only one exists at a time: parsing the next invalidates the last. */
struct json {
	const char *text; /* borrowed; must not change while members are looked up */
	size_t count;
};

/* Parses `len` bytes of `text`, which must be one object and nothing more.
 * FAIL_FORMAT: anything else. FAIL_TOO_BIG: over JSON_VALUES_MAX values or JSON_DEPTH_MAX levels. */
enum fail json_parse(struct json *json, const char *text, size_t len, struct failure *why);

/* Ends a document that came in pieces, and parses the members that `filter` has kept. Fails as
 * json_filter_end(). */
enum fail json_parse_kept(struct json *json, struct json_filter *filter, struct failure *why);

/* The functions below read members of the outermost object; of two with the same key, the first.
 * They return false, and leave the result alone, if the member is missing or of another type. */

/* A number without fraction or exponent, in the range of int64_t. */
bool json_int(const struct json *json, const char *key, int64_t *value);

bool json_bool(const struct json *json, const char *key, bool *value);

/* A string, unescaped into `buf` with a NUL. It is also false, with `buf` empty, for more than `cap`
 * bytes (at least 1), a NUL, or half a surrogate pair. */
bool json_string(const struct json *json, const char *key, char *buf, size_t cap);

/* Greater values say more, for a caller that reads two members about the same thing. */
enum json_ports {
	JSON_PORTS_ABSENT, /* no such member */
	JSON_PORTS_NONE,   /* null, 0, or a list that is empty or begins with 0 */
	JSON_PORTS_SOME,
	JSON_PORTS_BAD, /* anything else, also inside the list, or too many */
};

/* Reads a number from 0 to 65535, or a list of at most `most` of them, into `ports`, in their order and without
 * zeros. Sets `*count`; leaves both alone unless it returns JSON_PORTS_SOME. */
enum json_ports json_ports(const struct json *json, const char *key, uint16_t *ports, size_t most,
                           size_t *count);

#endif
