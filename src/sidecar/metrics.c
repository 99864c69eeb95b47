#include "sidecar/metrics.h"

#include <string.h>

#include "base/file.h"

static void put_head(struct text *text, const char *name, const char *type, const char *help)
{
	text_printf(text, "# HELP qsticky_%s %s\n# TYPE qsticky_%s %s\n", name, help, name, type);
}

/* `value` has no control characters. */
static void put_label(struct text *text, const char *name, const char *value)
{
	text_printf(text, "%s=\"", name);
	/* Of what JSON escapes only quotes and backslashes are left in it, as here. */
	text_add_json(text, value, strlen(value));
	text_puts(text, "\"");
}

/* Begins a sample, within its labels. */
static void put_name(struct text *text, const char *name, const char *instance)
{
	text_printf(text, "qsticky_%s{", name);
	put_label(text, "instance_name", instance);
}

static void put_info(struct text *text, const char *instance, const struct health *health)
{
	put_head(text, "info", "gauge", "Versions.");
	put_name(text, "info", instance);
	text_puts(text, ",");
	put_label(text, "version", health->version);
	if (health->qbittorrent_version) {
		text_puts(text, ",");
		put_label(text, "qbittorrent_version", health->qbittorrent_version);
	}
	text_puts(text, "} 1\n");
}

static void put_state(struct text *text, const char *instance, const char *state)
{
	static const char *const states[] = { "starting", "waiting_for_port", "in_sync", "retrying",
		                              "error" };

	put_head(text, "state", "gauge", "1 for the present state.");
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		put_name(text, "state", instance);
		text_puts(text, ",");
		put_label(text, "state", states[i]);
		text_printf(text, "} %u\n", (unsigned)(strcmp(states[i], state) == 0));
	}
}

/* What the file is called. */
static void find_instance(struct text *instance, const char *path)
{
	static const char suffix[] = ".prom";
	const char *name = strrchr(path, '/') + 1;
	size_t len = strlen(name);

	if (len > sizeof suffix - 1 && strcmp(name + len - (sizeof suffix - 1), suffix) == 0)
		len -= sizeof suffix - 1;
	text_add_printable(instance, name, len);
}

enum fail metrics_write(const char *path, const struct health *health, struct failure *why)
{
	const struct {
		const char *name;
		const char *type;
		const char *help;
		int64_t value; /* -1: not known */
	} numbers[] = {
		{ "healthy", "gauge", "1: the last check proved that all is well.",
		  health->healthy },
		{ "forwarded_port", "gauge", "Gluetun's port.", health->forwarded_port },
		{ "current_port", "gauge", "qBittorrent's port.", health->current_port },
		{ "port_reachable", "gauge", "1: it accepts connections at the tunnel.",
		  (int64_t)health->reachable - REACHABLE_NO },
		{ "port_reachable_udp", "gauge", "1: its UDP part is taken there, too.",
		  (int64_t)health->reachable_udp - REACHABLE_NO },
		{ "start_time_seconds", "gauge", "Start of qsticky.", health->started },
		{ "last_check_timestamp_seconds", "gauge", "Last check.",
		  health->last_check ? health->last_check : -1 },
		{ "last_port_change_timestamp_seconds", "gauge", "Last change of the port.",
		  health->last_port_change ? health->last_port_change : -1 },
		{ "consecutive_failures", "gauge", "Failed checks in a row.",
		  health->consecutive_failures },
		{ "rebinds_total", "counter", "Rebinds.", health->rebinds },
	};
	char buf[METRICS_MAX];
	struct text text = text_on(buf, sizeof buf);
	char name[METRICS_NAME_MAX];
	struct text instance = text_on(name, sizeof name);

	find_instance(&instance, path);
	put_info(&text, name, health);
	put_state(&text, name, health->state);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		if (numbers[i].value < 0)
			continue;
		put_head(&text, numbers[i].name, numbers[i].type, numbers[i].help);
		put_name(&text, numbers[i].name, name);
		text_printf(&text, "} %lld\n", (long long)numbers[i].value);
	}
	return file_write_atomically("metrics file", path, &text, why);
}
