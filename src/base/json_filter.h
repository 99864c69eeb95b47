/* json_filter: checks a JSON document as it arrives, and keeps a few members of its outermost object.
 *
 * Accepts what RFC 8259 defines and nothing else: one object, blanks around it. It does not check UTF-8.
 * The document may be of any size, and it does not matter where its pieces end. */
#ifndef QSTICKY_BASE_JSON_FILTER_H
#define QSTICKY_BASE_JSON_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

/* Deepest nesting. qBittorrent's settings have three levels. */
#define JSON_DEPTH_MAX 64

/* Most wanted keys, and the longest. */
#define JSON_KEYS_MAX 10
#define JSON_KEY_MAX 32

/* Longest value that is kept, in bytes of JSON with the blanks around it. A longer one is left out. */
#define JSON_VALUE_MAX 256

/* Room for all kept members, and a key that is not. */
#define JSON_KEPT_MAX ((JSON_KEYS_MAX + 1) * (sizeof ",\"\"" + JSON_KEY_MAX + JSON_VALUE_MAX))

struct json_filter {
	const char *const *keys; /* borrowed, with NULL behind the last; NULL: keeps nothing */
	uint64_t traits;         /* of the keys */
	unsigned found;          /* a bit for each key */
	char *text;              /* borrowed; the kept members, an object after json_filter_end() */
	size_t kept;             /* their length */

	unsigned state;
	size_t depth;     /* open objects and arrays */
	uint64_t objects; /* a bit for each of them, the innermost lowest: it is an object */
	const char *word; /* the rest of true, false or null */
	bool is_key;      /* the string is the key of a member */

	/* A key or value that may have to be kept. */
	const char *from; /* its bytes that are not copied yet; NULL: none */
	size_t len;       /* of `text`, with the copied ones */
	size_t most;      /* longest `len` */
	bool is_cut;      /* it is too long */
};

/* Begins a document. Of two members with the same key the first is kept. A key with escapes is another key
 * than one without. No wanted key is empty. `text` has room for JSON_KEPT_MAX bytes; NULL if `keys` is. */
void json_filter_start(struct json_filter *filter, const char *const *keys, char *text);

/* Takes the next piece. False: it is not JSON, whatever follows. */
bool json_filter_take(struct json_filter *filter, const char *bytes, size_t len);

/* Ends the document.
 * FAIL_FORMAT: not one object, or not all of it. FAIL_TOO_BIG: over JSON_DEPTH_MAX levels. */
enum fail json_filter_end(struct json_filter *filter, struct failure *why);

#endif
