/* fuzz_login_store: any bytes as the file of the login budget. What is taken for one is written back the
 * same, keeps to its limits, and never allows more than is left. */
#include "sidecar/login_store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "closed_file.h"
#include "temp_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1796000000

static void check_limits(const struct login_budget *budget)
{
	assert(budget->failed <= LOGIN_FAILED_MAX && budget->count <= LOGIN_PAIRS_MAX);
	assert(budget->before <= LOGIN_FAILED_MAX && budget->past_count <= LOGIN_PAST_MAX);
	for (size_t i = 0; i < LOGIN_PAIRS_MAX; i++) {
		const struct login_pair *pair = &budget->pairs[i];

		assert(pair->rejected <= LOGIN_REJECTED_MAX && pair->last_s >= 0);
		assert(pair->unanswered <= LOGIN_UNANSWERED_MAX);
	}
}

/* All that it lets pass is rejected, with its own pairs and others: what it counted before included, there
 * is no fifth. */
static void spend(struct login_budget budget)
{
	unsigned failed = budget.failed;
	unsigned char id[LOGIN_ID_LEN];

	for (unsigned i = 0; i < 100; i++) {
		int64_t now = NOW + (int64_t)i * LOGIN_PAUSE_S;

		if (i % 2 && budget.count > 0)
			memcpy(id, budget.pairs[i / 2 % budget.count].id, LOGIN_ID_LEN);
		else
			memset(id, (int)i, LOGIN_ID_LEN);
		(void)login_budget_clock(&budget, now);
		if (now < login_budget_next_s(&budget, id))
			continue;
		login_budget_attempt(&budget, id, now);
		login_budget_verdict(&budget, id, QBITTORRENT_LOGIN_REJECTED);
		failed++;
		assert(failed <= LOGIN_FAILED_MAX);
		check_limits(&budget);
	}
}

/* The file where it may not be written, and where it may not even be read; it is empty at first. */
static void check_read_only(struct login_store *store)
{
	struct login_budget spent = { .failed = LOGIN_FAILED_MAX }, budget = { .failed = 1 };
	struct failure why;

	assert(login_store_read_only(store, &budget, &why) == FAIL_NONE && budget.failed == 1);
	assert(login_store_lock(store, &budget, &why) == FAIL_NONE);
	assert(login_store_write(store, &spent, &why) == FAIL_NONE);
	login_store_unlock(store);
	login_store_unlock(store); /* which does nothing */
	assert(login_store_read_only(store, &budget, &why) == FAIL_NONE);
	assert(budget.failed == LOGIN_FAILED_MAX);
	assert(closed_file_begin(store->path));
	assert(login_store_read_only(store, &budget, &why) == FAIL_IO);
	closed_file_end();
	assert(chmod(store->path, 0600) == 0);
	/* As after a loss of power. */
	assert(truncate(store->path, 0) == 0 && truncate(store->path, 64) == 0);
	assert(login_store_lock(store, &budget, &why) == FAIL_NONE);
	login_store_unlock(store);
	assert(temp_dir_write(store->path, "?", 1));
	assert(login_store_read_only(store, &budget, &why) == FAIL_FORMAT);
}

/* What is no file, and a file that another one holds. */
static void check_others(const char *dir)
{
	static struct login_store store, other;
	struct login_budget budget = { 0 };
	struct failure why;
	char path[300];

	login_store_start(&store, "/proc/self/none");
	assert(login_store_lock(&store, &budget, &why) == FAIL_IO && why.text[0]);
	snprintf(path, sizeof path, "%s/deeper/status.json", dir);
	login_store_start(&store, path);
	assert(login_store_lock(&store, &budget, &why) == FAIL_NONE);
	login_store_start(&other, path);
	login_store_keep(&other);
	assert(other.is_kept && login_store_lock(&other, &budget, &why) == FAIL_HELD_BACK);
	login_store_unlock(&store);
	assert(login_store_lock(&other, &budget, &why) == FAIL_NONE);
	login_store_unlock(&other);
	close(other.fd);
	assert(chmod(dir, 0711) == 0);
	check_read_only(&store);
	assert(unlink(store.path) == 0 && mkdir(store.path, 0700) == 0);
	assert(login_store_lock(&store, &budget, &why) == FAIL_IO);
	assert(rmdir(store.path) == 0 && mkfifo(store.path, 0600) == 0);
	assert(login_store_lock(&store, &budget, &why) == FAIL_IO && unlink(store.path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool others_checked;
	static struct login_store store;
	struct login_budget budget = { .failed = 1 };
	unsigned char salt[DIGEST_LEN] = "";
	char bytes[LOGIN_STORE_MAX], path[300];
	struct text text = text_on(bytes, sizeof bytes);
	struct failure why;
	const char *dir = temp_dir();
	bool is_one = login_store_parse((const char *)data, size, &budget, salt);
	size_t len = size < LOGIN_STORE_MAX ? size : LOGIN_STORE_MAX;
	enum fail f;
	FILE *file;

	assert(dir);
	if (!others_checked)
		check_others(dir);
	others_checked = true;
	check_limits(&budget);
	assert(is_one || budget.failed == 1);
	if (is_one) {
		login_store_append(&text, &budget, salt);
		assert(text.len == size && memcmp(bytes, data, size) == 0);
		spend(budget);
	}
	/* The same by way of a file, which may end in zeros. */
	snprintf(path, sizeof path, "%s/status.json", dir);
	login_store_start(&store, path);
	file = fopen(store.path, "w");
	assert(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
	f = login_store_lock(&store, &budget, &why);
	while (len > 0 && !data[len - 1])
		len--;
	assert(f == FAIL_NONE || f == FAIL_FORMAT);
	assert(!is_one || f == FAIL_NONE);
	assert(f == (len == 0 || login_store_parse((const char *)data, len, &budget, salt)
	                     ? FAIL_NONE
	                     : FAIL_FORMAT));
	assert(!login_store_write(&store, &budget, &why));
	login_store_unlock(&store);
	assert(unlink(store.path) == 0);
	return 0;
}
