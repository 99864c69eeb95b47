#include "check/status.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "sidecar/health.h"

/* The fields that are shown, in their order. */
static const char *const keys[] = {
	"state",     "forwarded_port",       "current_port", "last_port_change",
	"reachable", "reachable_udp",        "login",        "last_check",
	"uptime",    "consecutive_failures", "rebinds",      "qbittorrent_version",
	"version",   "last_error",
};

/* A line that begins with `label`, in which '_' stands for a space. */
static void put_line(struct text *out, const char *label, const char *value)
{
	size_t start = out->len;

	text_printf(out, "%-22s", label);
	for (; start < out->len; start++)
		if (out->buf[start] == '_')
			out->buf[start] = ' ';
	text_add_printable(out, value, strlen(value));
	text_puts(out, "\n");
}

static void put_field(struct text *out, const char *key, const struct json *json)
{
	char value[FAILURE_MAX];
	struct text text = text_on(value, sizeof value);
	int64_t number;
	bool yes;

	if (json_int(json, key, &number))
		text_printf(&text, "%lld", (long long)number);
	else if (json_bool(json, key, &yes))
		text_puts(&text, yes ? "yes" : "no");
	else if (!json_string(json, key, value, sizeof value))
		memcpy(value, "-", sizeof "-"); /* null, or nothing that is ours */
	put_line(out, key, value);
}

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

	/* Of a file that is not ours, nothing is shown. */
	read = read && json_bool(&fields, "healthy", &either) && health_age(&fields, now, &age);
	put_line(&out, healthy ? "healthy" : "unhealthy", why.text);
	if (json) {
		if (read)
			text_write(&(struct text){ .buf = file, .len = len }, STDOUT_FILENO);
		if (!healthy)
			text_write(&out, STDERR_FILENO);
		return healthy;
	}
	for (size_t i = 0; read && i < sizeof keys / sizeof keys[0]; i++)
		put_field(&out, keys[i], &fields);
	text_write(&out, STDOUT_FILENO);
	return healthy;
}
