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

/* The rest of the content. `wrong`: what was read is not what should be there. */
struct cursor {
	const char *at, *end;
	bool wrong;
};

static void read_word(struct cursor *cursor, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, word, len) != 0)
		cursor->wrong = true;
	else
		cursor->at += len;
}

/* Reads exactly `digits` digits; `base` is 10 or 16. */
static uint64_t read_digits(struct cursor *cursor, size_t digits, unsigned base)
{
	static const char symbols[] = "0123456789abcdef";
	uint64_t value = 0;

	for (; digits > 0; digits--) {
		const char *symbol =
			cursor->at < cursor->end ? memchr(symbols, *cursor->at++, base) : NULL;

		if (symbol)
			value = value * base + (uint64_t)(symbol - symbols);
		else
			cursor->wrong = true;
	}
	return value;
}

/* Reads `word`, then a number with as many digits as `most` has, below 100. */
static unsigned read_count(struct cursor *cursor, const char *word, unsigned most)
{
	unsigned number;

	read_word(cursor, word);
	number = (unsigned)read_digits(cursor, most < 10 ? 1 : 2, 10);
	cursor->wrong |= number > most;
	return number;
}

static void read_digest(struct cursor *cursor, const char *word,
                        unsigned char digest[static DIGEST_LEN])
{
	read_word(cursor, word);
	for (size_t i = 0; i < DIGEST_LEN; i++)
		digest[i] = (unsigned char)read_digits(cursor, 2, 16);
}

static void read_pair(struct cursor *cursor, struct login_pair *pair)
{
	uint64_t last_s;

	read_digest(cursor, "\n", pair->id);
	pair->accepted = read_count(cursor, " ", 1);
	pair->banned = read_count(cursor, " ", 1);
	pair->rejected = read_count(cursor, " ", LOGIN_REJECTED_MAX);
	pair->unanswered = read_count(cursor, " ", LOGIN_UNANSWERED_MAX);
	read_word(cursor, " ");
	last_s = read_digits(cursor, 16, 16);
	/* Small enough that adding a pause cannot overflow. */
	cursor->wrong |= last_s > (uint64_t)1 << 60;
	pair->last_s = (int64_t)last_s;
}

bool login_store_parse(const char *bytes, size_t len, struct login_budget *budget,
                       unsigned char salt[static DIGEST_LEN])
{
	struct cursor cursor = { bytes, bytes + len, false };
	struct login_budget found;
	unsigned char found_salt[DIGEST_LEN];

	read_digest(&cursor, "qsticky logins 1\nsalt ", found_salt);
	found.failed = read_count(&cursor, "\nfailed ", LOGIN_FAILED_MAX);
	found.server_known = read_count(&cursor, "\nserver ", 1);
	read_digest(&cursor, " ", found.server);
	found.unsteady = read_count(&cursor, "\npast ", 1);
	found.before = read_count(&cursor, " ", LOGIN_FAILED_MAX);
	found.past_count = read_count(&cursor, " ", LOGIN_PAST_MAX);
	for (size_t i = 0; i < LOGIN_PAST_MAX; i++)
		read_digest(&cursor, "\n", found.past[i]);
	found.count = read_count(&cursor, "\npairs ", LOGIN_PAIRS_MAX);
	for (size_t i = 0; i < LOGIN_PAIRS_MAX; i++)
		read_pair(&cursor, &found.pairs[i]);
	read_word(&cursor, "\n");
	if (cursor.wrong || cursor.at != cursor.end)
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
