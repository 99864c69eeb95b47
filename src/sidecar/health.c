#include "sidecar/health.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

void health_remove(const char *path)
{
	(void)unlink(path);
}

int health_open(const char *path)
{
	int fd = file_open(path, FILE_LINKS_ALL);

	return fd < 0 ? -errno : fd;
}

static enum fail read_file(int fd, const char *path, char buf[static HEALTH_MAX + 1], size_t *len,
                           struct failure *why)
{
	struct text content = text_on(buf, HEALTH_MAX + 1);
	struct stat status;
	enum fail f;

	if (fd == -ENOENT)
		return fail_set(
			why, FAIL_AS(FAIL_IO, WORD_MISSING),
			"no health file at %s: qsticky is not running, has just started, or cannot "
			"write it (then its log says so)",
			path);
	if (fd < 0) {
		errno = -fd;
		return fail_errno(why, "open %s", path);
	}
	f = file_check(&status, fd, path, why);
	if (!f)
		f = file_read(&content, fd, path, "a health file of qsticky", why);
	if (!f && content.len == 0)
		f = fail_set(why, FAIL_AS(FAIL_FORMAT, WORD_EMPTY),
		             "%s is empty: qsticky could not write it", path);
	close(fd);
	*len = content.len;
	return f;
}

enum fail health_read_open(int opened, const char *path, char buf[static HEALTH_MAX + 1],
                           struct json *json, size_t *len, struct failure *why)
{
	enum fail f = read_file(opened, path, buf, len, why);

	if (f)
		return f;
	f = json_parse(json, buf, *len, why);
	if (f)
		fail_in(why, "%s is not a health file of qsticky", path);
	return f;
}

enum fail health_read(const char *path, char buf[static HEALTH_MAX + 1], struct json *json,
                      size_t *len, struct failure *why)
{
	return health_read_open(health_open(path), path, buf, json, len, why);
}

bool health_age(const struct json *json, time_t now, long long *age_s)
{
	char utc[UTC_MAX];
	time_t written = 0;

	if (!json_string(json, "timestamp", utc, sizeof utc) || !utc_parse(utc, &written))
		return false;
	*age_s = (long long)now - (long long)written;
	return true;
}

bool health_is_old(const struct json *json, long long age_s, unsigned interval_s)
{
	const int64_t two_s = 2 * (int64_t)interval_s;
	int64_t valid_s;

	if (!json_int(json, "valid_seconds", &valid_s) || valid_s > two_s + HEALTH_AGE_SPARE_MAX_S)
		valid_s = two_s + HEALTH_AGE_SPARE_S;
	return age_s > valid_s;
}

bool health_weigh(const struct json *json, const char *path, unsigned interval_s, time_t now,
                  struct failure *why)
{
	char error[FAILURE_MAX] = "unknown";
	int64_t port = 0;
	bool healthy;
	long long age;

	if (!json_bool(json, "healthy", &healthy) || !health_age(json, now, &age)) {
		fail_set(why, FAIL_FORMAT, "%s is not a health file of qsticky", path);
	} else if (health_is_old(json, age, interval_s)) {
		fail_set(why, FAIL_AS(FAIL_TIMEOUT, WORD_OLD),
		         "written %lld s ago: qsticky hangs or has ended", age);
	} else if (age < -HEALTH_AGE_SPARE_S) {
		fail_set(why, FAIL_AS(FAIL_FORMAT, WORD_CLOCK),
		         "written %lld s in the future: the clock was changed", -age);
	} else {
		/* Slightly in the future: the clock was corrected by a second or so. */
		if (age < 0)
			age = 0;
		if (!healthy && !json_string(json, "last_error", error, sizeof error))
			(void)json_string(json, "state", error, sizeof error);
		if (!healthy)
			fail_set(why, FAIL_AS(FAIL_IO, WORD_UNHEALTHY), "%s, checked %lld s ago",
			         error, age);
		else if (json_int(json, "forwarded_port", &port))
			fail_set(why, FAIL_NONE, "port %lld, checked %lld s ago", (long long)port,
			         age);
		else
			fail_set(why, FAIL_NONE, "no forwarded port, checked %lld s ago", age);
		return healthy;
	}
	return false;
}

bool health_judge_open(int opened, const char *path, unsigned interval_s, time_t now,
                       struct text *line)
{
	char buf[HEALTH_MAX + 1];
	struct failure why;
	struct json json;
	size_t len = 0;
	bool healthy = !health_read_open(opened, path, buf, &json, &len, &why) &&
	               health_weigh(&json, path, interval_s, now, &why);

	text_append(line, healthy ? "healthy: " : "unhealthy: ");
	text_append_printable(line, why.text, strlen(why.text));
	return healthy;
}

bool health_judge(const char *path, unsigned interval_s, time_t now, struct text *line)
{
	return health_judge_open(health_open(path), path, interval_s, now, line);
}
