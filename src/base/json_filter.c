#include "base/json_filter.h"

#include <endian.h>
#include <string.h>

/* What comes next. */
enum state {
	WRONG,
	DEEP,

	/* Blanks may come before these. */
	START,
	FIRST_KEY, /* or the end of the object */
	KEY,
	COLON,
	FIRST_VALUE, /* or the end of the array */
	VALUE,
	AFTER, /* a comma, or the end of what is open */
	END,

	/* The rest of a string. Each hexadecimal digit leads to the state before. */
	STRING,
	HEX_1,
	HEX_2,
	HEX_3,
	HEX_4,
	ESCAPE,

	WORD, /* the rest of true, false or null */

	/* The rest of a number, after its part of that name. */
	MINUS,
	ZERO,
	INTEGER,
	POINT,
	FRACTION,
	EXPONENT, /* the letter */
	SIGN,
	DIGITS,
};

/* Where a character leads inside a number. AFTER: it is behind the number. */
static enum state next_in_number(enum state state, char c)
{
	static const unsigned char leads_to[][6] = {
		/* digit 1 to 9, 0, point, e or E, sign, other */
		{ INTEGER, ZERO }, /* MINUS */
		{ WRONG, WRONG, POINT, EXPONENT, WRONG, AFTER },
		{ INTEGER, INTEGER, POINT, EXPONENT, WRONG, AFTER },
		{ FRACTION, FRACTION },
		{ FRACTION, FRACTION, WRONG, EXPONENT, WRONG, AFTER },
		{ DIGITS, DIGITS, WRONG, WRONG, SIGN },
		{ DIGITS, DIGITS },
		{ DIGITS, DIGITS, WRONG, WRONG, WRONG, AFTER },
	};
	unsigned kind = c >= '1' && c <= '9'   ? 0
	                : c == '0'             ? 1
	                : c == '.'             ? 2
	                : (c | 0x20) == 'e'    ? 3
	                : c == '+' || c == '-' ? 4
	                                       : 5;

	return (enum state)leads_to[state - MINUS][kind];
}

/* Skips what means only itself inside a string, eight bytes at a time: nearly all bytes of long settings are
 * such. */
static const char *skip_plain(const char *at, const char *end)
{
	const uint64_t ones = UINT64_MAX / 0xff;

	while (end - at >= 8) {
		uint64_t word, special;

		memcpy(&word, at, sizeof word);
		word = le64toh(word);
		/* Sets the top bit of the first byte that is below 0x20, a quote or a backslash;
		 * perhaps of others behind it. */
		special = ((word - ones * 0x20) | ((word ^ ones * '"') - ones) |
		           ((word ^ ones * '\\') - ones)) &
		          ~word & ones * 0x80;
		if (special)
			return at + __builtin_ctzll(special) / 8;
		at += 8;
	}
	while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* Whether `c` may follow a backslash; of 'u' there is more. */
static bool is_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return true;
	default:
		return false;
	}
}

/* Skips plain characters and escapes of one character. */
static const char *skip_string(const char *at, const char *end)
{
	for (;;) {
		at = skip_plain(at, end);
		if (end - at < 2 || *at != '\\' || !is_escape(at[1]))
			return at;
		at += 2;
	}
}

/* A bit for the key of `len` bytes that begins with `c`. Most other keys have others. */
static uint64_t trait(char c, size_t len)
{
	return (uint64_t)1 << (((size_t)(unsigned char)c ^ len) & 63);
}

void json_filter_start(struct json_filter *f, const char *const *keys, char *text)
{
	*f = (struct json_filter){ .keys = keys, .len = 1, .state = START };
	f->text = text;
	for (; keys && *keys; keys++)
		f->traits |= trait(**keys, strlen(*keys));
}

/* Copies what has not been copied yet and is before `at`. */
static void copy(struct json_filter *f, const char *at)
{
	size_t len = (size_t)(at - f->from);

	f->is_cut |= len > f->most - f->len;
	if (f->is_cut)
		return;
	memcpy(f->text + f->len, f->from, len);
	f->len += len;
	f->from = at;
}

static void begin_copy(struct json_filter *f, const char *at, size_t most)
{
	f->from = at;
	f->most = f->len + most;
	f->is_cut = false;
}

static bool is_wanted(struct json_filter *f, const char *key, size_t len)
{
	for (unsigned i = 0; f->keys[i]; i++) {
		if (*f->keys[i] == *key && strlen(f->keys[i]) == len &&
		    memcmp(f->keys[i], key, len) == 0) {
			bool is_first = !(f->found >> i & 1);

			f->found |= 1U << i;
			return is_first;
		}
	}
	return false;
}

/* Copies on if the key, which ends before `at`, is wanted. */
static void end_key(struct json_filter *f, const char *at)
{
	size_t copied = f->len - f->kept - 1; /* in earlier pieces */
	size_t len = copied + (size_t)(at - f->from) - 2;

	if (f->is_cut || (copied == 0 && !(f->traits & trait(f->from[1], len))))
		f->is_cut = true;
	else
		copy(f, at);
	f->from = NULL;
	if (!f->is_cut && is_wanted(f, f->text + f->kept + 2, len)) {
		f->text[f->kept] = f->kept > 0 ? ',' : '{';
		begin_copy(f, at, JSON_VALUE_MAX);
	} else {
		f->len = f->kept + 1;
	}
}

static void end_member(struct json_filter *f, const char *at)
{
	copy(f, at);
	f->from = NULL;
	if (!f->is_cut)
		f->kept = f->len;
	f->len = f->kept + 1;
}

static enum state open(struct json_filter *f, char c)
{
	if (f->depth == JSON_DEPTH_MAX)
		return DEEP;
	f->depth++;
	f->objects = f->objects << 1 | (c == '{');
	return c == '{' ? FIRST_KEY : FIRST_VALUE;
}

static enum state begin_value(struct json_filter *f, char c)
{
	switch (c) {
	case '"':
		f->is_key = false;
		return STRING;
	case '{':
	case '[':
		return open(f, c);
	case 't':
		f->word = "rue";
		return WORD;
	case 'f':
		f->word = "alse";
		return WORD;
	case 'n':
		f->word = "ull";
		return WORD;
	case '-':
		return MINUS;
	default:
		return next_in_number(MINUS, c);
	}
}

/* At a comma or the end of an object or array. */
static enum state end_value(struct json_filter *f, const char *at)
{
	bool in_object = f->objects & 1;

	if (f->from && f->depth == 1)
		end_member(f, at);
	if (*at == ',')
		return in_object ? KEY : VALUE;
	if (*at != (in_object ? '}' : ']'))
		return WRONG;
	f->objects >>= 1;
	return --f->depth > 0 ? AFTER : END;
}

static enum state end_string(struct json_filter *f, const char *at)
{
	if (!f->is_key)
		return AFTER;
	if (f->from && f->depth == 1)
		end_key(f, at + 1);
	return COLON;
}

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Where the character at `at` leads, outside strings, words and numbers. */
static enum state next(struct json_filter *f, const char *at)
{
	switch (f->state) {
	case COLON:
		return *at == ':' ? VALUE : WRONG;
	case FIRST_VALUE:
	case VALUE:
		if (*at == ']' && f->state == FIRST_VALUE)
			return end_value(f, at);
		return begin_value(f, *at);
	case AFTER:
		return end_value(f, at);
	case FIRST_KEY:
	case KEY:
		if (*at == '}' && f->state == FIRST_KEY)
			return end_value(f, at);
		f->is_key = true;
		if (f->keys && f->depth == 1)
			begin_copy(f, at, sizeof "\"\"" - 1 + JSON_KEY_MAX);
		return *at == '"' ? STRING : WRONG;
	case START:
		return *at == '{' ? open(f, *at) : WRONG;
	default: /* END */
		return WRONG;
	}
}

/* The same inside a string. */
static enum state next_in_string(struct json_filter *f, const char *at)
{
	if (f->state == STRING)
		return *at == '"' ? end_string(f, at) : *at == '\\' ? ESCAPE : WRONG;
	if (f->state == ESCAPE)
		return *at == 'u' ? HEX_4 : is_escape(*at) ? STRING : WRONG;
	return is_hex(*at) ? f->state - 1 : WRONG;
}

/* The same inside true, false or null. */
static enum state next_in_word(struct json_filter *f, char c)
{
	if (c != *f->word++)
		return WRONG;
	return *f->word ? WORD : AFTER;
}

/* Skips all characters of the word but its last. */
static const char *skip_word(struct json_filter *f, const char *at, const char *end)
{
	while (at < end && f->word[1] && *at == *f->word) {
		at++;
		f->word++;
	}
	return at;
}

/* Skips digits where one more changes nothing. */
static const char *skip_digits(enum state state, const char *at, const char *end)
{
	const unsigned many = 1U << INTEGER | 1U << FRACTION | 1U << DIGITS;

	if (many >> state & 1)
		while (at < end && *at >= '0' && *at <= '9')
			at++;
	return at;
}

bool json_filter_take(struct json_filter *f, const char *bytes, size_t len)
{
	const char *at = bytes, *end = bytes + len;

	if (f->from)
		f->from = bytes;
	while (at < end && f->state > DEEP) {
		if (f->state < STRING) {
			if (!is_blank(*at))
				f->state = next(f, at);
			at++;
		} else if (f->state < WORD) {
			if (f->state == STRING && (at = skip_string(at, end)) == end)
				break;
			f->state = next_in_string(f, at++);
		} else if (f->state == WORD) {
			if ((at = skip_word(f, at, end)) == end)
				break;
			f->state = next_in_word(f, *at++);
		} else {
			if ((at = skip_digits(f->state, at, end)) == end)
				break;
			f->state = next_in_number(f->state, *at);
			at += f->state >= MINUS; /* else it is behind the number */
		}
	}
	if (f->from)
		copy(f, at);
	return f->state > DEEP;
}

enum fail json_filter_end(struct json_filter *f, struct failure *why)
{
	if (f->state == DEEP)
		return fail_set(why, FAIL_TOO_BIG, "JSON nested more than %d deep", JSON_DEPTH_MAX);
	if (f->state != END)
		return fail_set(why, FAIL_FORMAT, "not a JSON object, or not all of it");
	if (f->keys && f->kept == 0)
		f->text[f->kept++] = '{';
	if (f->keys)
		f->text[f->kept++] = '}';
	return FAIL_NONE;
}
