/* fuzz_health: any bytes as a health file, in a file in memory. */
#include "health.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json.h"

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
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, data, size, 0) == (ssize_t)size);
	healthy = judge(path, 30, NOW, line);
	if (healthy) {
		/* It must say so itself, and cannot say so for ever, or have said so for ever. */
		assert(size <= HEALTH_MAX);
		assert(!json_parse(&json, (const char *)data, size, &why));
		assert(json_bool(&json, "healthy", &member) && member);
		assert(!judge(path, 30, NOW + 2 * 30 + 2 * HEALTH_AGE_SPARE_S + 1, error));
		assert(!judge(path, 30, NOW - 2 * 30 - 2 * HEALTH_AGE_SPARE_S - 1, error));
	}
	/* A longer interval believes no less. */
	assert(!healthy || judge(path, 86400, NOW, error));
	return 0;
}
