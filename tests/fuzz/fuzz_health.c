/* fuzz_health: any bytes as a health file, in a file in memory; and as what is to be written into
 * one, which must be read back the same. */
#include "sidecar/health.h"
#include "sidecar/health_write.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "qbittorrent/client.h"
#include "temp_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 2026-11-22T08:42:10Z */
#define NOW 1795336930

static bool judge(const char *path, unsigned interval_s, time_t now, char line[static HEALTH_MAX])
{
	struct text text = text_on(line, HEALTH_MAX);
	bool healthy = health_judge(path, interval_s, now, &text);

	assert(strncmp(line, healthy ? "healthy: " : "unhealthy: ", healthy ? 9 : 11) == 0);
	assert(strlen(line) > 11);
	for (const char *at = line; *at; at++)
		assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	return healthy;
}

/* `value` comes back from the file as text_append_json() makes it: without what is not UTF-8. */
static void check_string(const struct json *json, const char *key, const char *value)
{
	char got[HEALTH_MAX], again[HEALTH_MAX];
	struct text text = text_on(again, sizeof again);

	if (!value) {
		assert(!json_string(json, key, got, sizeof got));
		return;
	}
	assert(json_string(json, key, got, sizeof got));
	if (strstr(value, "\\ufffd"))
		return; /* or could not be told from what stands for a byte that is not UTF-8 */
	text_append_json(&text, got, strlen(got));
	text = text_on(got, sizeof got);
	text_append_json(&text, value, strlen(value));
	/* A character that was replaced stands there itself now. */
	for (char *at = got; (at = strstr(at, "\\ufffd")); at += 3) {
		memcpy(at, "\xef\xbf\xbd", 3);
		memmove(at + 3, at + 6, strlen(at + 6) + 1);
	}
	assert(strcmp(got, again) == 0);
}

static void check_number(const struct json *json, const char *key, int64_t wanted)
{
	int64_t number = -1;

	assert(json_int(json, key, &number) == (wanted >= 0));
	assert(number == (wanted >= 0 ? wanted : -1));
}

static void check_time(const struct json *json, const char *key, time_t moment)
{
	char utc[UTC_MAX];

	utc_format(utc, moment);
	check_string(json, key, moment ? utc : NULL);
}

static void check_write(const uint8_t *data, size_t size)
{
	static const char *const states[] = { "starting", "in_sync", "retrying", "error" };
	struct health health = { 0 };
	char path[300], error[FAILURE_MAX] = "", buf[HEALTH_MAX + 1];
	struct qbittorrent_hints hints = { 0 };
	bool healthy = false;
	struct failure why;
	struct json json;
	const char *dir = temp_dir();
	size_t len = 0;
	uint32_t words[8] = { 0 };
	struct port_file_ports ports = { .count = 0 };

	assert(dir);
	if (size < sizeof words)
		return;
	memcpy(words, data, sizeof words);
	memcpy(error, data + sizeof words,
	       size - sizeof words < sizeof error ? size - sizeof words : sizeof error - 1);
	health.healthy = words[0] & 1;
	health.state = states[words[0] >> 1 & 3];
	health.reachable = (words[0] >> 3) % 3;
	health.reachable_udp = (words[0] >> 5) % 3;
	health.current_port = (int64_t)(words[0] >> 8 & 0x1ffff) - 1;
	health.forwarded_port = (int64_t)(words[1] & 0x1ffff) - 1;
	for (; ports.count < words[0] >> 25; ports.count++)
		ports.port[ports.count] = UINT16_MAX;
	health.forwarded_ports = words[7] & 8 ? &ports : NULL;
	health.last_check = (time_t)words[2] << (words[1] >> 24 & 7);
	health.last_port_change = words[3];
	health.timestamp = (time_t)words[3] + 1;
	health.valid_seconds = words[1] >> 16;
	health.uptime_s = words[4];
	health.consecutive_failures = words[5];
	health.rebinds = words[6];
	health.last_error = error[0] ? error : NULL;
	/* The longest that there are, all of which must fit. */
	memcpy(hints.connection_status, error, sizeof hints.connection_status - 1);
	memcpy(hints.external_address, error, sizeof hints.external_address - 1);
	health.connection_status = words[7] & 1 ? hints.connection_status : NULL;
	health.external_address = words[7] & 2 ? hints.external_address : NULL;
	health.login = words[7] & 4 ? "held_back" : NULL;
	health.version = "3.0.0";
	snprintf(path, sizeof path, "%s/deeper/status.json", dir);
	assert(!health_write(path, &health, &why));
	assert(!health_read(path, buf, &json, &len, &why));
	assert(json_bool(&json, "healthy", &healthy) && healthy == health.healthy);
	assert(json_bool(&json, "reachable", &healthy) == (health.reachable != REACHABLE_UNKNOWN));
	assert(health.reachable == REACHABLE_UNKNOWN ||
	       healthy == (health.reachable == REACHABLE_YES));
	assert(json_bool(&json, "reachable_udp", &healthy) ==
	       (health.reachable_udp != REACHABLE_UNKNOWN));
	assert(health.reachable_udp == REACHABLE_UNKNOWN ||
	       healthy == (health.reachable_udp == REACHABLE_YES));
	check_string(&json, "state", health.state);
	check_string(&json, "last_error", health.last_error);
	check_string(&json, "connection_status", health.connection_status);
	check_string(&json, "external_address", health.external_address);
	check_string(&json, "qbittorrent_version", NULL);
	check_string(&json, "login", health.login);
	check_string(&json, "version", health.version);
	check_number(&json, "current_port", health.current_port);
	check_number(&json, "forwarded_port", health.forwarded_port);
	check_number(&json, "uptime_seconds", (int64_t)health.uptime_s);
	check_number(&json, "valid_seconds", health.valid_seconds);
	check_number(&json, "consecutive_failures", health.consecutive_failures);
	check_number(&json, "rebinds", health.rebinds);
	check_time(&json, "last_check", health.last_check);
	check_time(&json, "last_port_change", health.last_port_change);
	check_time(&json, "timestamp", health.timestamp);
	(void)judge(path, 30, health.timestamp, buf);
}

/* What is no health file of qsticky. */
static void check_others(void)
{
	char line[HEALTH_MAX];

	assert(!judge("/proc/self/fd/none", 30, NOW, line) && strstr(line, "no health file"));
	assert(!judge("/proc/self", 30, NOW, line) && strstr(line, "is a directory"));
	assert(!judge("/proc/self/mem", 30, NOW, line) && strstr(line, "read"));
	assert(!judge("/proc/self/fd/0/none", 30, NOW, line) && strstr(line, "open"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	char line[HEALTH_MAX], error[HEALTH_MAX];
	bool healthy, member = false;
	struct failure why;
	struct json json;

	if (fd < 0) {
		fd = memfd_create("health", MFD_CLOEXEC);
		assert(fd >= 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		check_others();
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, data, size, 0) == (ssize_t)size);
	healthy = judge(path, 30, NOW, line);
	if (healthy) {
		/* It must say so itself, and cannot say so for ever, or have said so for ever. */
		assert(size <= HEALTH_MAX);
		assert(!json_parse(&json, (const char *)data, size, &why));
		assert(json_bool(&json, "healthy", &member) && member);
		assert(!judge(path, 30,
		              NOW + 2 * 30 + HEALTH_AGE_SPARE_MAX_S + HEALTH_AGE_SPARE_S + 1,
		              error));
		assert(!judge(path, 30, NOW - 2 * 30 - 2 * HEALTH_AGE_SPARE_S - 1, error));
	}
	/* A longer interval believes no less. */
	assert(!healthy || judge(path, 86400, NOW, error));
	check_write(data, size);
	return 0;
}
