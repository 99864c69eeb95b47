#include "sidecar/health.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utc.h"

/* ---- writing ---- */

static void put_key(struct text *text, const char *key)
{
	text_printf(text, "%s\"%s\": ", text->len > 1 ? ", " : "", key);
}

static void put_bool(struct text *text, const char *key, bool value)
{
	put_key(text, key);
	text_puts(text, value ? "true" : "false");
}

static void put_string(struct text *text, const char *key, const char *value)
{
	put_key(text, key);
	if (!value) {
		text_puts(text, "null");
		return;
	}
	text_puts(text, "\"");
	text_add_json(text, value, strlen(value));
	text_puts(text, "\"");
}

static void put_number(struct text *text, const char *key, uint64_t value)
{
	put_key(text, key);
	text_printf(text, "%llu", (unsigned long long)value);
}

static void put_port(struct text *text, const char *key, int64_t port)
{
	put_key(text, key);
	if (port < 0)
		text_puts(text, "null");
	else
		text_printf(text, "%lld", (long long)port);
}

static void put_reachable(struct text *text, const char *key, enum reachable reachable)
{
	if (reachable == REACHABLE_UNKNOWN)
		put_string(text, key, NULL);
	else
		put_bool(text, key, reachable == REACHABLE_YES);
}

static void put_time(struct text *text, const char *key, time_t moment)
{
	char utc[UTC_MAX];

	utc_format(utc, moment);
	put_string(text, key, moment ? utc : NULL);
}

static void put_uptime(struct text *text, uint64_t uptime_s)
{
	char uptime[64];
	struct text words = text_on(uptime, sizeof uptime);
	uint64_t days = uptime_s / 86400;

	if (days > 0)
		text_printf(&words, "%llu days, ", (unsigned long long)days);
	text_printf(&words, "%u:%02u:%02u", (unsigned)(uptime_s / 3600 % 24),
	            (unsigned)(uptime_s / 60 % 60), (unsigned)(uptime_s % 60));
	put_string(text, "uptime", uptime);
}

static void put_health(struct text *text, const struct health *health)
{
	text_puts(text, "{");
	put_bool(text, "healthy", health->healthy);
	put_string(text, "state", health->state);
	put_port(text, "current_port", health->current_port);
	put_port(text, "forwarded_port", health->forwarded_port);
	put_reachable(text, "reachable", health->reachable);
	put_reachable(text, "reachable_udp", health->reachable_udp);
	put_string(text, "connection_status", health->connection_status);
	put_string(text, "external_address", health->external_address);
	put_string(text, "login", health->login);
	put_time(text, "last_check", health->last_check);
	put_time(text, "last_port_change", health->last_port_change);
	put_time(text, "timestamp", health->timestamp);
	put_uptime(text, health->uptime_s);
	put_number(text, "uptime_seconds", health->uptime_s);
	put_number(text, "consecutive_failures", health->consecutive_failures);
	put_number(text, "rebinds", health->rebinds);
	put_string(text, "last_error", health->last_error);
	put_string(text, "qbittorrent_version", health->qbittorrent_version);
	put_string(text, "version", health->version);
	text_puts(text, "}\n");
}

enum fail health_write(const char *path, const struct health *health, struct failure *why)
{
	char buf[HEALTH_MAX];
	struct text content = text_on(buf, sizeof buf);

	put_health(&content, health);
	return file_write_atomically("health file", path, &content, why);
}

void health_remove(const char *path)
{
	(void)unlink(path);
}

/* ---- judging ---- */

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
			why, FAIL_IO,
			"no health file at %s: qsticky does not run, has only just started, or cannot write it (then its log says so)",
			path);
	if (fd < 0) {
		errno = -fd;
		return fail_errno(why, "open %s", path);
	}
	f = file_check(&status, fd, path, why);
	if (!f)
		f = file_read(&content, fd, path, "a health file of qsticky", why);
	if (!f && content.len == 0)
		f = fail_set(why, FAIL_FORMAT, "%s is empty: qsticky could not write it", path);
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

bool health_weigh(const struct json *json, const char *path, unsigned interval_s, time_t now,
                  struct failure *why)
{
	char error[FAILURE_MAX] = "unknown";
	int64_t port = 0;
	bool healthy;
	long long age;

	if (!json_bool(json, "healthy", &healthy) || !health_age(json, now, &age)) {
		fail_set(why, FAIL_FORMAT, "%s is not a health file of qsticky", path);
	} else if (age > 2LL * interval_s + HEALTH_AGE_SPARE_S) {
		fail_set(why, FAIL_TIMEOUT, "written %lld s ago: qsticky hangs or is gone", age);
	} else if (age < -HEALTH_AGE_SPARE_S) {
		fail_set(why, FAIL_FORMAT, "written %lld s in the future: the clock was changed",
		         -age);
	} else {
		/* A moment before now is the clock put right by a second or so. */
		if (age < 0)
			age = 0;
		if (!healthy && !json_string(json, "last_error", error, sizeof error))
			(void)json_string(json, "state", error, sizeof error);
		if (!healthy)
			fail_set(why, FAIL_IO, "%s, checked %lld s ago", error, age);
		else if (json_int(json, "forwarded_port", &port))
			fail_set(why, FAIL_NONE, "port %lld, checked %lld s ago", (long long)port,
			         age);
		else
			fail_set(why, FAIL_NONE, "no forwarded port yet, checked %lld s ago", age);
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

	text_puts(line, healthy ? "healthy: " : "unhealthy: ");
	text_add_printable(line, why.text, strlen(why.text));
	return healthy;
}

bool health_judge(const char *path, unsigned interval_s, time_t now, struct text *line)
{
	return health_judge_open(health_open(path), path, interval_s, now, line);
}
