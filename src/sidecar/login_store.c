#include "sidecar/login_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

_Static_assert(LOGIN_ID_LEN == DIGEST_LEN, "digests are ids");

/* ---- format ---- */

static void append_hex(struct text *text, const unsigned char *bytes)
{
	for (size_t i = 0; i < DIGEST_LEN; i++)
		text_printf(text, "%02x", (unsigned)bytes[i]);
}

void login_store_append(struct text *text, const struct login_budget *budget,
                        const unsigned char salt[static DIGEST_LEN])
{
	text_append(text, "qsticky logins 1\nsalt ");
	append_hex(text, salt);
	text_printf(text, "\nfailed %u\nserver %u ", budget->failed,
	            (unsigned)budget->server_known);
	append_hex(text, budget->server);
	text_printf(text, "\npast %u %u %u\n", (unsigned)budget->unsteady, budget->before,
	            (unsigned)budget->past_count);
	for (size_t i = 0; i < LOGIN_PAST_MAX; i++) {
		append_hex(text, budget->past[i]);
		text_append(text, "\n");
	}
	text_printf(text, "pairs %u\n", (unsigned)budget->count);
	for (size_t i = 0; i < LOGIN_PAIRS_MAX; i++) {
		const struct login_pair *pair = &budget->pairs[i];

		append_hex(text, pair->id);
		text_printf(text, " %u %u %u %02u %016llx\n", (unsigned)pair->accepted,
		            (unsigned)pair->banned, pair->rejected, pair->unanswered,
		            (unsigned long long)pair->last_s);
	}
}

/* The rest of the content. */
struct cursor {
	const char *at, *end;
};

static bool parse_word(struct cursor *cursor, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, word, len) != 0)
		return false;
	cursor->at += len;
	return true;
}

/* Parses exactly `digits` digits of a number of at most `most`; `base` is 10 or 16. */
static bool parse_number(struct cursor *cursor, size_t digits, unsigned base, uint64_t most,
                         uint64_t *number)
{
	static const char symbols[] = "0123456789abcdef";
	uint64_t value = 0;

	if ((size_t)(cursor->end - cursor->at) < digits)
		return false;
	for (; digits > 0; digits--) {
		const char *symbol = memchr(symbols, *cursor->at++, base);

		if (!symbol)
			return false;
		value = value * base + (uint64_t)(symbol - symbols);
	}
	*number = value;
	return value <= most;
}

static bool parse_count(struct cursor *cursor, size_t digits, unsigned most, unsigned *count)
{
	uint64_t number = 0;

	if (!parse_number(cursor, digits, 10, most, &number))
		return false;
	*count = (unsigned)number;
	return true;
}

static bool parse_flag(struct cursor *cursor, bool *flag)
{
	unsigned number = 0;

	if (!parse_count(cursor, 1, 1, &number))
		return false;
	*flag = number;
	return true;
}

static bool parse_digest(struct cursor *cursor, unsigned char digest[static DIGEST_LEN])
{
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		uint64_t byte = 0;

		if (!parse_number(cursor, 2, 16, UINT8_MAX, &byte))
			return false;
		digest[i] = (unsigned char)byte;
	}
	return true;
}

static bool parse_pair(struct cursor *cursor, struct login_pair *pair)
{
	uint64_t last_s = 0;

	if (!parse_digest(cursor, pair->id) || !parse_word(cursor, " ") ||
	    !parse_flag(cursor, &pair->accepted) || !parse_word(cursor, " ") ||
	    !parse_flag(cursor, &pair->banned) || !parse_word(cursor, " ") ||
	    !parse_count(cursor, 1, LOGIN_REJECTED_MAX, &pair->rejected) ||
	    !parse_word(cursor, " ") ||
	    !parse_count(cursor, 2, LOGIN_UNANSWERED_MAX, &pair->unanswered) ||
	    !parse_word(cursor, " ") ||
	    /* Small enough that adding a pause cannot overflow. */
	    !parse_number(cursor, 16, 16, (uint64_t)1 << 60, &last_s) || !parse_word(cursor, "\n"))
		return false;
	pair->last_s = (int64_t)last_s;
	return true;
}

/* Parses the lines about restarts. */
static bool parse_past(struct cursor *cursor, struct login_budget *budget)
{
	unsigned count = 0;

	if (!parse_word(cursor, "past ") || !parse_flag(cursor, &budget->unsteady) ||
	    !parse_word(cursor, " ") ||
	    !parse_count(cursor, 1, LOGIN_FAILED_MAX, &budget->before) ||
	    !parse_word(cursor, " ") || !parse_count(cursor, 1, LOGIN_PAST_MAX, &count) ||
	    !parse_word(cursor, "\n"))
		return false;
	budget->past_count = count;
	for (size_t i = 0; i < LOGIN_PAST_MAX; i++)
		if (!parse_digest(cursor, budget->past[i]) || !parse_word(cursor, "\n"))
			return false;
	return true;
}

bool login_store_parse(const char *bytes, size_t len, struct login_budget *budget,
                       unsigned char salt[static DIGEST_LEN])
{
	struct cursor cursor = { bytes, bytes + len };
	struct login_budget found = { 0 };
	unsigned char found_salt[DIGEST_LEN];
	unsigned count = 0;

	if (!parse_word(&cursor, "qsticky logins 1\nsalt ") || !parse_digest(&cursor, found_salt) ||
	    !parse_word(&cursor, "\nfailed ") ||
	    !parse_count(&cursor, 1, LOGIN_FAILED_MAX, &found.failed) ||
	    !parse_word(&cursor, "\nserver ") || !parse_flag(&cursor, &found.server_known) ||
	    !parse_word(&cursor, " ") || !parse_digest(&cursor, found.server) ||
	    !parse_word(&cursor, "\n") || !parse_past(&cursor, &found) ||
	    !parse_word(&cursor, "pairs ") || !parse_count(&cursor, 1, LOGIN_PAIRS_MAX, &count) ||
	    !parse_word(&cursor, "\n"))
		return false;
	found.count = count;
	for (size_t i = 0; i < LOGIN_PAIRS_MAX; i++)
		if (!parse_pair(&cursor, &found.pairs[i]))
			return false;
	if (cursor.at != cursor.end)
		return false;
	*budget = found;
	memcpy(salt, found_salt, DIGEST_LEN);
	return true;
}

/* ---- the file ---- */

void login_store_start(struct login_store *store, const char *health_path)
{
	struct text path;

	*store = (struct login_store){ .fd = -1 };
	path = text_on(store->path, sizeof store->path);
	text_printf(&path, "%s" LOGIN_STORE_SUFFIX, health_path);
	digest_salt(store->salt);
}

static const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

void login_store_keep(struct login_store *store)
{
	store->fd = open(store->path, flags);
	store->is_kept = store->fd >= 0;
}

static enum fail read_budget(struct login_store *store, struct login_budget *budget,
                             struct failure *why)
{
	char bytes[LOGIN_STORE_MAX + 1];
	struct text content = text_on(bytes, sizeof bytes);
	enum fail f = file_read(&content, store->fd, store->path, "a login budget", why);

	/* A power failure may leave a new file empty or full of zeros. */
	while (!f && content.len > 0 && !bytes[content.len - 1])
		content.len--;
	if (f == FAIL_TOO_BIG ||
	    (!f && content.len > 0 && !login_store_parse(bytes, content.len, budget, store->salt)))
		return fail_set(why, FAIL_FORMAT, "%s is damaged", store->path);
	return f;
}

enum fail login_store_lock(struct login_store *store, struct login_budget *budget,
                           struct failure *why)
{
	struct stat status;
	enum fail f = FAIL_NONE;

	if (store->fd < 0)
		store->fd = open(store->path, flags | O_CREAT, 0600);
	if (store->fd < 0 && errno == ENOENT) {
		file_make_parents(store->path);
		store->fd = open(store->path, flags | O_CREAT, 0600);
	}
	if (store->fd < 0)
		return fail_errno(why, "open %s", store->path);
	if (file_check(&status, store->fd, store->path, why))
		f = FAIL_IO;
	else if (flock(store->fd, LOCK_EX | LOCK_NB) == 0)
		f = read_budget(store, budget, why);
	else if (errno == EWOULDBLOCK)
		f = fail_set(why, FAIL_HELD_BACK,
		             "another qsticky is logging in right now, or holds the lock of %s",
		             store->path);
	else
		f = fail_errno(why, "lock %s", store->path);
	if (f && f != FAIL_FORMAT)
		login_store_unlock(store);
	return f;
}

enum fail login_store_read_only(struct login_store *store, struct login_budget *budget,
                                struct failure *why)
{
	struct login_store file = *store;
	struct stat status;
	enum fail f = FAIL_NONE;
	/* O_PATH shows the file even if it may not be read. */
	int there = open(store->path, O_PATH | O_NOFOLLOW);
	bool counts = there >= 0 && fstat(there, &status) == 0 && S_ISREG(status.st_mode) &&
	              status.st_size > 0;

	if (there >= 0)
		close(there);
	if (!counts)
		return FAIL_NONE;
	file.fd = file_open(store->path, FILE_LINKS_NONE);
	if (file.fd < 0)
		return fail_errno(why, "open %s", store->path);
	f = read_budget(&file, budget, why);
	memcpy(store->salt, file.salt, sizeof store->salt);
	close(file.fd);
	return f;
}

enum fail login_store_write(const struct login_store *store, const struct login_budget *budget,
                            struct failure *why)
{
	char bytes[LOGIN_STORE_MAX];
	struct text text = text_on(bytes, sizeof bytes);
	ssize_t written;

	login_store_append(&text, budget, store->salt);
	written = pwrite(store->fd, text.buf, text.len, 0);
	if (written < 0)
		return fail_errno(why, "write %s", store->path);
	if ((size_t)written < text.len)
		return fail_set(why, FAIL_IO, "write %s: no space left", store->path);
	return FAIL_NONE;
}

void login_store_unlock(struct login_store *store)
{
	if (store->fd < 0)
		return;
	if (store->is_kept) {
		(void)flock(store->fd, LOCK_UN);
		return;
	}
	close(store->fd);
	store->fd = -1;
}
