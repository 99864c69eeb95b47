/* fuzz_secret: any bytes as the file of a secret, in a file in memory.
 *
 * The first byte chooses what else there is: a value beside the file, a file in the usual place. */
#include "config/secret.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "closed_file.h"
#include "temp_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void write_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("secret", MFD_CLOEXEC);
		assert(fd >= 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, data, size, 0) == (ssize_t)size);
}

/* The secret in it: from `*at` on; returns its length, 0 where there is none. */
static size_t secret_in(const uint8_t *data, size_t size, size_t *at)
{
	size_t start = 0, end = size;

	*at = 0;
	if (size >= SECRET_ROOM || memchr(data, 0, size))
		return 0;
	for (size_t before = size; before != start;) {
		before = start;
		if (end - start >= 3 && memcmp(data + start, "\xef\xbb\xbf", 3) == 0)
			start += 3;
		else if (start < end && (data[start] == '\r' || data[start] == '\n'))
			start++;
	}
	while (end > start && (data[end - 1] == '\r' || data[end - 1] == '\n'))
		end--;
	*at = start;
	for (size_t i = start; i < end; i++)
		if (data[i] == '\r' || data[i] == '\n')
			return 0;
	return end - start <= SECRET_MAX ? end - start : 0;
}

static void check_wiped(struct secret_store *store)
{
	secret_forget(store);
	assert(store->used == 0);
	for (size_t i = 0; i < sizeof store->bytes; i++)
		assert(store->bytes[i] == '\0');
}

/* Whatever went wrong, nothing of the content is told: the sentence is the same for all that goes
 * wrong in that way. */
static void check_why(const struct failure *why)
{
	static const char *const ends[] = { ": over 4096 bytes", ": is empty",
		                            ": holds a NUL byte (UTF-16?): save it as UTF-8",
		                            ": has several lines: leave only the secret" };
	const char *rest = why->text + strlen(path);
	bool known = false;

	assert(strncmp(why->text, path, strlen(path)) == 0);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		known = known || strcmp(rest, ends[i]) == 0;
	assert(known);
}

static const char value[] = "from the environment";

/* What the usual place gives, where a value was given and where none was. */
static void check_usual(const char *file, const char *given, enum fail wanted)
{
	static struct secret_store store;
	struct secret secret = { .value = given, .usual_file = file };
	const char *taken = NULL;
	struct failure why = { .text = "" };
	enum fail f = secret_read(&secret, &store, &taken, &why);

	assert(f == wanted && !f == !why.text[0] && (f || taken == given) && store.used == 0);
}

static void check_named(const char *file, const char *words, enum fail wanted)
{
	static struct secret_store store;
	struct secret secret = { .value = value, .file = file };
	const char *taken = NULL;
	struct failure why = { .text = "" };
	enum fail f = secret_read(&secret, &store, &taken, &why);

	assert(f == wanted && !taken && strstr(why.text, words) && strstr(why.text, file));
	check_wiped(&store);
}

/* What no content of a file is: once is enough. */
static void check_others(void)
{
	static char bytes[SECRET_MAX + 1], long_name[SECRET_MAX];
	const char *dir = temp_dir();
	char file[320], loop[320];

	assert(dir);
	snprintf(file, sizeof file, "%s/file", dir);
	snprintf(loop, sizeof loop, "%s/loop", dir);
	memset(bytes, 'x', sizeof bytes);
	memset(long_name, '/', sizeof long_name - 1);
	memset(long_name + 1, 'x', sizeof long_name - 2);
	assert(symlink(loop, loop) == 0);
	check_usual(loop, value, FAIL_NONE);
	check_named(loop, "open ", FAIL_IO);
	check_usual(long_name, value, FAIL_IO);
	check_named(dir, " is a directory: ", FAIL_IO);
	/* One byte is too many, where it is not a newline. */
	assert(temp_dir_write(file, bytes, sizeof bytes));
	check_named(file, ": over 4096 bytes", FAIL_TOO_BIG);
	assert(closed_file_begin(file));
	check_named(file, ": no permission for uid ", FAIL_IO);
	check_usual(file, value, FAIL_IO);
	check_usual(file, "", FAIL_NONE);
	closed_file_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool others_checked;
	static struct secret_store store;
	struct secret secret = { .value = value };
	const char *taken = NULL, *again = NULL;
	struct failure why = { .text = "" };
	size_t len, at;
	enum fail f;

	if (!others_checked)
		check_others();
	others_checked = true;
	if (size < 1)
		return 0;
	write_file(data + 1, size - 1);
	/* None; the one that was named; the one in the usual place; none in the usual place; none
	 * where one was named. */
	switch (data[0] % 8) {
	case 0:
		break;
	case 1:
		secret.usual_file = "/proc/self/fd/none";
		break;
	case 2:
		secret.file = "/proc/self/fd/none";
		break;
	case 3:
	case 4:
		secret.usual_file = path;
		break;
	default:
		secret.file = path;
		secret.usual_file = "/proc/self/fd/none";
	}
	f = secret_read(&secret, &store, &taken, &why);
	if (data[0] % 8 == 2) {
		assert(f == FAIL_IO && why.text[0]);
	} else if (data[0] % 8 < 2) {
		assert(!f && taken == value && store.used == 0);
	} else {
		len = secret_in(data + 1, size - 1, &at);
		assert(!f == (len > 0));
		if (f)
			check_why(&why);
		else
			assert(strlen(taken) == len && memcmp(taken, data + 1 + at, len) == 0);
		(void)secret_oddity(f ? "" : taken);
		/* There is room for a second, which does not touch the first; and for no third. */
		if (!f && !secret_read(&secret, &store, &again, &why))
			assert(again > taken && strcmp(again, taken) == 0);
		if (!f && size - 1 > SECRET_MAX / 2)
			assert(secret_read(&secret, &store, &again, &why) == FAIL_TOO_BIG ||
			       len < SECRET_MAX);
	}
	check_wiped(&store);
	return 0;
}
