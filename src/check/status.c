#include "check/status.h"

#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "sidecar/health.h"
#include "sidecar/health_write.h"

bool status_show(const struct config *config, int health, time_t now, bool json)
{
	const char *path = config->health_path;
	char file[HEALTH_MAX + 1];
	char lines[2 * HEALTH_MAX];
	struct text out = text_on(lines, sizeof lines);
	struct failure why;
	struct json fields;
	size_t len = 0;
	bool read = !health_read_open(health, path, file, &fields, &len, &why);
	bool healthy = read && health_weigh(&fields, path, config->interval_s, now, &why);
	bool either;
	long long age;

	/* Show nothing of a file that is not qsticky's. */
	read = read && json_bool(&fields, "healthy", &either) && health_age(&fields, now, &age);
	health_write_line(&out, healthy ? "healthy" : "unhealthy", why.text);
	if (json) {
		if (read)
			text_write(&(struct text){ .buf = file, .len = len }, STDOUT_FILENO);
		if (!healthy)
			text_write(&out, STDERR_FILENO);
		return healthy;
	}
	if (read)
		health_write_lines(&out, &fields);
	text_write(&out, STDOUT_FILENO);
	return healthy;
}
