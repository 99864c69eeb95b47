/* fuzz_json_filter: any bytes as a document in pieces, beside jsmn with a screen of its own.
 *
 * The first byte is the size of the pieces. What the filter takes jsmn takes too, with the same values for
 * the wanted keys; and it does not matter where the pieces end. */
#include "base/json_filter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#define TOKENS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = { "a", "ports", "listen_port", "healthy", NULL };

static jsmntok_t tokens[2][TOKENS_MAX];

/* What jsmn handles badly: control characters, and deep nesting. */
static bool is_fit(const char *text, size_t len)
{
	bool string = false, escaped = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 && !strchr("\t\n\r", text[i] ? text[i] : 1))
			return false;
		if (escaped || (string && text[i] == '\\')) {
			escaped = !escaped;
			continue;
		}
		if (text[i] == '"')
			string = !string;
		else if (!string && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!string && (text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return false;
	}
	return true;
}

/* The number of tokens; 0 if it is not one object, or has too many. */
static int parse(const char *text, size_t len, jsmntok_t found[static TOKENS_MAX])
{
	jsmn_parser parser;
	int count;

	if (!is_fit(text, len))
		return 0;
	jsmn_init(&parser);
	count = jsmn_parse(&parser, text, len, found, TOKENS_MAX);
	assert(count > 0 || count == JSMN_ERROR_NOMEM || count == JSMN_ERROR_INVAL ||
	       count == JSMN_ERROR_PART || count == 0);
	if (count < 1 || found[0].type != JSMN_OBJECT)
		return count == JSMN_ERROR_NOMEM ? count : 0;
	for (int i = 1; i < count; i++)
		if (found[i].parent < 0)
			return 0;
	return count;
}

/* The value of a member of the outermost object; NULL: there is none. */
static const jsmntok_t *find(const char *text, const jsmntok_t *found, int count, const char *key)
{
	size_t len = strlen(key);

	for (int i = 1; i + 1 < count; i++)
		if (found[i].parent == 0 && found[i].type == JSMN_STRING &&
		    (size_t)(found[i].end - found[i].start) == len &&
		    memcmp(text + found[i].start, key, len) == 0)
			return &found[i + 1];
	return NULL;
}

/* Filters the document in pieces of that size; 0: in one. */
static enum fail filter_in(struct json_filter *filter, char kept[static JSON_KEPT_MAX],
                           const uint8_t *data, size_t size, size_t piece)
{
	struct failure why = { .text = "" };
	bool taken = true;
	enum fail f;

	json_filter_start(filter, keys, kept);
	for (size_t at = 0; at < size; at += piece) {
		size_t len = piece == 0 || size - at < piece ? size - at : piece;
		char *bytes = malloc(len + 1);
		bool now;

		assert(bytes);
		memcpy(bytes, data + at, len);
		now = json_filter_take(filter, bytes, len);
		free(bytes);
		assert(taken || !now); /* what was refused stays so */
		taken = now;
		if (piece == 0)
			break;
	}
	f = json_filter_end(filter, &why);
	assert(!f == !why.text[0] && (taken || f));
	assert(filter->kept <= JSON_KEPT_MAX);
	return f;
}

static void compare(const char *text, size_t len, const char *kept, size_t kept_len)
{
	int count = parse(text, len, tokens[0]);
	int kept_count = parse(kept, kept_len, tokens[1]);
	int members = 0;

	assert(count != 0 && kept_count > 0); /* more tokens than there is room for are all right */
	if (count < 0)
		return;
	for (size_t i = 0; keys[i]; i++) {
		const jsmntok_t *its = find(text, tokens[0], count, keys[i]);
		const jsmntok_t *ours = find(kept, tokens[1], kept_count, keys[i]);

		assert(!ours || its);
		if (!ours) {
			/* Too long, with blanks. */
			assert(!its || its->end - its->start > JSON_VALUE_MAX / 2 ||
			       len > JSON_VALUE_MAX / 2);
			continue;
		}
		members++;
		assert(ours->type == its->type && ours->end - ours->start == its->end - its->start);
		assert(memcmp(kept + ours->start, text + its->start,
		              (size_t)(ours->end - ours->start)) == 0);
	}
	assert(tokens[1][0].size == members); /* and nothing else */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[JSON_KEPT_MAX], pieces[JSON_KEPT_MAX], bytes[JSON_KEPT_MAX];
	struct json_filter by_whole, by_pieces, by_bytes;
	enum fail f, in_pieces, in_bytes;

	if (size < 1)
		return 0;
	f = filter_in(&by_whole, whole, data + 1, size - 1, 0);
	in_pieces = filter_in(&by_pieces, pieces, data + 1, size - 1, 1U + data[0]);
	in_bytes = filter_in(&by_bytes, bytes, data + 1, size - 1, 1);
	assert(in_pieces == f && in_bytes == f);
	if (f)
		return 0;
	assert(by_whole.kept == by_pieces.kept && memcmp(whole, pieces, by_whole.kept) == 0);
	assert(by_whole.kept == by_bytes.kept && memcmp(whole, bytes, by_whole.kept) == 0);
	compare((const char *)data + 1, size - 1, whole, by_whole.kept);
	return 0;
}
