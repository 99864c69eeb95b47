#include "sidecar/login_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "temp_dir.h"

static struct failure why;

static void path_in(const char *dir, const char *name, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

static struct login_store store_in(const char *dir)
{
	struct login_store store;
	char health[PATH_MAX];

	path_in(dir, "status.json", health);
	login_store_start(&store, health);
	return store;
}

static struct login_budget some(void)
{
	struct login_budget budget = { .failed = 3, .server_known = true, .count = 2 };

	memset(budget.server, 0xa5, sizeof budget.server);
	budget.before = 4;
	budget.past_count = LOGIN_PAST_MAX;
	memset(budget.past, 0xb7, sizeof budget.past);
	memset(budget.pairs[0].id, 0x01, LOGIN_ID_LEN);
	budget.pairs[0].rejected = 2;
	budget.pairs[0].last_s = 1796000000;
	memset(budget.pairs[1].id, 0xfe, LOGIN_ID_LEN);
	budget.pairs[1].accepted = budget.pairs[1].banned = true;
	budget.pairs[1].unanswered = 99;
	return budget;
}

static void assert_same(const struct login_budget *a, const struct login_budget *b)
{
	char one[LOGIN_STORE_MAX], other[LOGIN_STORE_MAX];
	const unsigned char salt[DIGEST_LEN] = "salt";
	struct text text = text_on(one, sizeof one);

	login_store_append(&text, a, salt);
	text = text_on(other, sizeof other);
	login_store_append(&text, b, salt);
	assert_false(text.full);
	assert_string_equal(one, other);
}

static void put_file(const char *dir, const char *bytes, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	path_in(dir, "status.json.login", path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void login_store_gives_back_what_was_written(void **state)
{
	struct login_store store = store_in(*state), other = store_in(*state);
	struct login_budget budget = { 0 }, wanted = some();

	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	assert_int_equal(budget.failed, 0);
	assert_int_equal(login_store_write(&store, &wanted, &why), FAIL_NONE);
	login_store_unlock(&store);
	memset(other.salt, 0, sizeof other.salt);
	assert_int_equal(login_store_lock(&other, &budget, &why), FAIL_NONE);
	assert_same(&budget, &wanted);
	assert_memory_equal(other.salt, store.salt, DIGEST_LEN);
	login_store_unlock(&other);
}

static void login_store_is_for_its_user_alone(void **state)
{
	struct login_store store = store_in(*state);
	struct login_budget budget = { 0 };
	struct stat status;
	mode_t mask = umask(0);

	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	umask(mask);
	assert_int_equal(stat(store.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	login_store_unlock(&store);
}

static void login_store_always_has_the_same_length(void **state)
{
	struct login_budget budgets[] = { { 0 }, some() };
	char bytes[LOGIN_STORE_MAX];
	size_t lens[2];
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct text text = text_on(bytes, sizeof bytes);

		login_store_append(&text, &budgets[i], budgets[i].server);
		assert_false(text.full);
		lens[i] = text.len;
	}
	assert_int_equal(lens[0], lens[1]);
}

static void login_store_is_held_by_one_at_a_time(void **state)
{
	struct login_store store = store_in(*state), other = store_in(*state);
	struct login_budget budget = { 0 };

	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	assert_int_equal(login_store_lock(&other, &budget, &why), FAIL_HELD_BACK);
	login_store_unlock(&store);
	assert_int_equal(login_store_lock(&other, &budget, &why), FAIL_NONE);
	login_store_unlock(&other);
}

static void login_store_is_free_again_when_its_holder_is_killed(void **state)
{
	struct login_store store = store_in(*state);
	struct login_budget budget = { 0 };
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)login_store_lock(&store, &budget, &why);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	login_store_unlock(&store);
}

static void login_store_kept_open_is_locked_and_unlocked_as_any(void **state)
{
	struct login_store store = store_in(*state), other = store_in(*state);
	struct login_budget budget = some();

	login_store_keep(&store);
	assert_false(store.is_kept);
	put_file(*state, "", 0);
	login_store_keep(&store);
	assert_true(store.is_kept);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
		assert_int_equal(login_store_write(&store, &budget, &why), FAIL_NONE);
		assert_int_equal(login_store_lock(&other, &budget, &why), FAIL_HELD_BACK);
		login_store_unlock(&store);
		assert_int_equal(login_store_lock(&other, &budget, &why), FAIL_NONE);
		login_store_unlock(&other);
	}
	close(store.fd);
}

/* A power failure may leave a new file like this. */
static void login_store_takes_an_empty_file_for_a_new_one(void **state)
{
	static const char zeros[400];
	const size_t lens[] = { 0, 1, sizeof zeros };

	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct login_store store = store_in(*state);
		struct login_budget budget = some(), wanted = some();

		put_file(*state, zeros, lens[i]);
		assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
		assert_same(&budget, &wanted);
		login_store_unlock(&store);
	}
}

static void login_store_holds_a_damaged_file_to_be_written_again(void **state)
{
	struct login_store store = store_in(*state);
	struct login_budget budget = { 0 }, wanted = some();

	put_file(*state, "secret words", 12);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_FORMAT);
	assert_non_null(strstr(why.text, "is damaged"));
	assert_null(strstr(why.text, "secret"));
	assert_int_equal(budget.failed, 0);
	assert_int_equal(login_store_write(&store, &wanted, &why), FAIL_NONE);
	login_store_unlock(&store);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	assert_int_equal(budget.failed, 3);
	login_store_unlock(&store);
}

static void login_store_refuses_what_is_no_regular_file(void **state)
{
	struct login_store store = store_in(*state);
	struct login_budget budget = { 0 };
	char target[PATH_MAX];

	assert_int_equal(mkdir(store.path, 0700), 0);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_IO);
	assert_int_equal(rmdir(store.path), 0);
	assert_int_equal(mkfifo(store.path, 0600), 0);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_IO);
	assert_int_equal(unlink(store.path), 0);
	path_in(*state, "elsewhere", target);
	assert_int_equal(symlink(target, store.path), 0);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_IO);
	assert_int_equal(access(target, F_OK), -1);
}

static void login_store_makes_missing_directories(void **state)
{
	char health[PATH_MAX];
	struct login_store store;
	struct login_budget budget = { 0 };

	path_in(*state, "deeper/still/status.json", health);
	login_store_start(&store, health);
	assert_int_equal(login_store_lock(&store, &budget, &why), FAIL_NONE);
	login_store_unlock(&store);
}

static void login_store_reads_nothing_but_exactly_its_own(void **state)
{
	struct login_budget wanted = some(), budget = { 0 };
	unsigned char salt[DIGEST_LEN] = "";
	char bytes[LOGIN_STORE_MAX], damaged[LOGIN_STORE_MAX];
	struct text text = text_on(bytes, sizeof bytes);
	(void)state;

	login_store_append(&text, &wanted, wanted.server);
	assert_true(login_store_parse(bytes, text.len, &budget, salt));
	assert_memory_equal(salt, wanted.server, DIGEST_LEN);
	assert_false(login_store_parse(bytes, text.len - 1, &budget, salt));
	bytes[text.len] = '\n';
	assert_false(login_store_parse(bytes, text.len + 1, &budget, salt));
	for (size_t i = 0; i < text.len; i++) {
		memcpy(damaged, bytes, text.len);
		damaged[i] = 'x';
		assert_false(login_store_parse(damaged, text.len, &budget, salt));
	}
}

static void login_store_digests_differ_by_salt_and_by_where_strings_end(void **state)
{
	static const unsigned char salt[DIGEST_LEN] = "salt", other_salt[DIGEST_LEN] = "pepper";
	const char *const ab_c[] = { "ab", "c" }, *const a_bc[] = { "a", "bc" };
	unsigned char one[DIGEST_LEN], two[DIGEST_LEN], three[DIGEST_LEN], four[DIGEST_LEN];
	(void)state;

	digest_of(one, salt, ab_c, 2);
	digest_of(two, salt, a_bc, 2);
	digest_of(three, other_salt, ab_c, 2);
	digest_of(four, salt, ab_c, 2);
	assert_memory_not_equal(one, two, DIGEST_LEN);
	assert_memory_not_equal(one, three, DIGEST_LEN);
	assert_memory_equal(one, four, DIGEST_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(login_store_gives_back_what_was_written,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_is_for_its_user_alone, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_always_has_the_same_length,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_is_held_by_one_at_a_time, temp_dir_make,
		                                temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_is_free_again_when_its_holder_is_killed,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_kept_open_is_locked_and_unlocked_as_any,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_takes_an_empty_file_for_a_new_one,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			login_store_holds_a_damaged_file_to_be_written_again, temp_dir_make,
			temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_refuses_what_is_no_regular_file,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_makes_missing_directories,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(login_store_reads_nothing_but_exactly_its_own,
		                                temp_dir_make, temp_dir_remove),
		cmocka_unit_test_setup_teardown(
			login_store_digests_differ_by_salt_and_by_where_strings_end, temp_dir_make,
			temp_dir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
