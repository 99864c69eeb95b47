/* json: look up members of one JSON object. The only file that sees jsmn. */
#ifndef QSTICKY_BASE_JSON_H
#define QSTICKY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

/* Most values in a document, keys and containers included. qBittorrent 5.3 sends about 500; what
 * is above comes from long lists in its settings. */
#define JSON_VALUES_MAX 131072

/* Deepest nesting. qBittorrent's settings have three levels. */
#define JSON_DEPTH_MAX 64

/* A parsed document. There is room for one at a time: parsing the next ends the one before. */
struct json {
	const char *text; /* borrowed; must stay as it is while members are looked up */
	size_t count;
};

/* Parses `len` bytes of `text`, which must be one object and nothing behind it.
 * FAIL_FORMAT: they are not. FAIL_TOO_BIG: over JSON_VALUES_MAX values, or nested deeper than JSON_DEPTH_MAX. */
enum fail json_parse(struct json *json, const char *text, size_t len, struct failure *why);

/* The members below are those of the outermost object; of two with the same key the first counts.
 * Each returns false, and leaves the result alone, where there is no such member or it has another
 * type. */

/* A number without fraction or exponent, in the range of int64_t. */
bool json_int(const struct json *json, const char *key, int64_t *value);

bool json_bool(const struct json *json, const char *key, bool *value);

/* A string, unescaped into `buf` with a NUL; false also where it needs more than `cap` bytes (at least
 * 1) or holds a NUL or an escape that RFC 8259 does not know: then `buf` is empty. */
bool json_string(const struct json *json, const char *key, char *buf, size_t cap);

/* The greater says more, where two members are about the same. */
enum json_ports {
	JSON_PORTS_ABSENT, /* no such member */
	JSON_PORTS_NONE,   /* null, 0, or a list that is empty or begins with 0 */
	JSON_PORTS_SOME,
	JSON_PORTS_BAD, /* something else, or something else in the list */
};

/* A number from 0 to 65535, or a list of them: the first one into `*port`, where it is not 0. */
enum json_ports json_ports(const struct json *json, const char *key, uint16_t *port);

/* Gives the memory of a large document back; no document is there afterwards. */
void json_forget(struct json *json);

#endif
