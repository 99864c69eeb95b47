#include "sidecar/health_write.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

const char health_states[HEALTH_STATES][17] = {
	[SYNC_STARTING] = "starting", [SYNC_WAITING_FOR_PORT] = "waiting_for_port",
	[SYNC_IN_SYNC] = "in_sync",   [SYNC_RETRYING] = "retrying",
	[SYNC_ERROR] = "error",
};

/* ---- the fields ---- */

/* A TOTAL is a COUNT that only grows. A START is in the metrics only. The order matters to
 * append_json(): kinds before PORTS are numbers, those after it are strings. */
enum kind { FLAG, PORT, COUNT, TOTAL, REACH, TIME, START, UPTIME, PORTS, STATE, STRING };

/* Outputs that show some of the fields, each in its own order. The health file shows all fields, in
 * the order of the table. */
enum view { VIEW_LINES, VIEW_METRICS, VIEWS };

#define AT(member) offsetof(struct health, member)
#define OWN(member) AT(member), #member /* a field named like its member */

static const struct field {
	/* Position in each view, from 1; 0: not shown. A view ends at the first number that is
	 * missing. A STRING cannot be shown in the metrics. */
	uint8_t place[VIEWS];
	uint8_t kind; /* enum kind */
	uint8_t at;   /* offset of its member in struct health; numbers have 64 bits */
	const char *name;
	const char *help; /* help text of its metric; NULL: it has none */
} fields[] = {
	{ { 0, 2 }, FLAG, OWN(healthy), "1: the last check proved that all is well." },
	{ { 1, 1 }, STATE, OWN(state), "1 for the present state." },
	{ { 3, 4 }, PORT, OWN(current_port), "qBittorrent's port." },
	{ { 2, 3 }, PORT, OWN(forwarded_port), "Gluetun's port." },
	{ { 0, 0 }, PORTS, OWN(forwarded_ports), NULL },
	{ { 5, 5 }, REACH, OWN(reachable), "1: it accepts TCP at the tunnel." },
	{ { 6, 6 }, REACH, OWN(reachable_udp), "1: it receives UDP at the tunnel." },
	{ { 0, 0 }, STRING, OWN(connection_status), NULL },
	{ { 0, 0 }, STRING, OWN(external_address), NULL },
	{ { 7, 0 }, STRING, OWN(interface), NULL },
	{ { 8, 0 }, STRING, OWN(login), NULL },
	{ { 9, 8 }, TIME, OWN(last_check), "Last check." },
	{ { 4, 9 }, TIME, OWN(last_port_change), "Last change of the port." },
	{ { 0, 0 }, TIME, OWN(timestamp), NULL },
	{ { 0, 0 }, COUNT, OWN(valid_seconds), NULL },
	{ { 0, 7 }, START, AT(started), "start", "Start of qsticky." },
	{ { 10, 0 }, UPTIME, AT(uptime_s), "uptime", NULL },
	{ { 0, 0 }, COUNT, AT(uptime_s), "uptime_seconds", NULL },
	{ { 11, 10 }, COUNT, OWN(consecutive_failures), "Failed checks in a row." },
	{ { 12, 11 }, TOTAL, OWN(rebinds), "Rebinds." },
	{ { 15, 0 }, STRING, OWN(last_error), NULL },
	{ { 16, 0 }, STRING, OWN(hint), NULL },
	{ { 13, 0 }, STRING, OWN(qbittorrent_version), NULL },
	{ { 14, 0 }, STRING, OWN(version), NULL },
};

/* How a metric's name ends, by kind, as the conventions for units require. */
static const char *ending_of(enum kind kind)
{
	return kind == TOTAL   ? "_total"
	       : kind == TIME  ? "_timestamp_seconds"
	       : kind == START ? "_time_seconds"
	                       : "";
}

#define FIELDS (sizeof fields / sizeof fields[0])

/* Returns the field at position `place` of the view; NULL: there are no more. */
static const struct field *field_at(enum view view, unsigned place)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].place[view] == place)
			return &fields[i];
	return NULL;
}

static const char *string_of(const struct health *health, const struct field *field)
{
	const char *string;

	memcpy(&string, (const char *)health + field->at, sizeof string);
	return string;
}

/* Returns a field's number; below 0: unknown. */
static int64_t number_of(const struct health *health, const struct field *field)
{
	int64_t number;

	memcpy(&number, (const char *)health + field->at, sizeof number);
	if (field->kind == TIME && number == 0)
		return -1;
	return field->kind == REACH ? number - REACHABLE_NO : number;
}

/* ---- JSON ---- */

static void append_quoted(struct text *text, const char *string)
{
	text_append(text, "\"");
	text_append_json(text, string, strlen(string));
	text_append(text, "\"");
}

static void append_uptime(struct text *text, uint64_t uptime_s)
{
	uint64_t days = uptime_s / 86400;

	text_append(text, "\"");
	if (days > 0)
		text_printf(text, "%llu days, ", (unsigned long long)days);
	text_printf(text, "%u:%02u:%02u\"", (unsigned)(uptime_s / 3600 % 24),
	            (unsigned)(uptime_s / 60 % 60), (unsigned)(uptime_s % 60));
}

static void append_number(struct text *text, enum kind kind, int64_t number)
{
	char utc[UTC_MAX];

	if (kind == UPTIME) {
		append_uptime(text, (uint64_t)number);
	} else if (kind == COUNT || kind == TOTAL) {
		text_printf(text, "%llu", (unsigned long long)number);
	} else if (kind == TIME && number != -1) {
		utc_format(utc, (time_t)number);
		append_quoted(text, utc);
	} else if (number < 0) {
		text_append(text, "null");
	} else if (kind == PORT) {
		text_printf(text, "%lld", (long long)number);
	} else {
		text_append(text, number ? "true" : "false");
	}
}

/* Appends no blanks, so that the longest list fits. */
static void append_ports(struct text *text, const struct port_file_ports *ports)
{
	text_append(text, "[");
	for (size_t i = 0; i < ports->count; i++)
		text_printf(text, "%s%u", i > 0 ? "," : "", (unsigned)ports->port[i]);
	text_append(text, "]");
}

static void append_json(struct text *text, const struct health *health)
{
	const char *before = "{\"";

	for (const struct field *field = fields; field < fields + FIELDS; field++) {
		const char *string;

		if (field->kind == START)
			continue;
		text_append(text, before);
		text_append(text, field->name);
		text_append(text, "\": ");
		before = ", \"";
		if (field->kind == PORTS && health->forwarded_ports)
			append_ports(text, health->forwarded_ports);
		else if (field->kind < PORTS)
			append_number(text, field->kind, number_of(health, field));
		else if (field->kind > PORTS && (string = string_of(health, field)))
			append_quoted(text, string);
		else
			text_append(text, "null");
	}
	text_append(text, "}\n");
}

/* ---- metrics ---- */

static void append_head(struct text *text, const char *name, const char *type, const char *help)
{
	text_printf(text, "# HELP qsticky_%s %s\n# TYPE qsticky_%s %s\n", name, help, name, type);
}

/* Appends a label. `value` has no control characters, so JSON escapes only quotes and backslashes
 * in it. Prometheus escapes those the same way. */
static void append_label(struct text *text, const char *name, const char *value)
{
	text_printf(text, ",%s=", name);
	append_quoted(text, value);
}

/* Begins a sample with its first label: the file's name without its suffix. The labels stay
 * open. */
static void append_name(struct text *text, const char *name, const char *path)
{
	static const char suffix[] = ".prom";
	const char *file = strrchr(path, '/') + 1;
	size_t len = strlen(file);
	char buf[METRICS_NAME_MAX];
	struct text instance = text_on(buf, sizeof buf);

	if (len > sizeof suffix - 1 && strcmp(file + len - (sizeof suffix - 1), suffix) == 0)
		len -= sizeof suffix - 1;
	text_append_printable(&instance, file, len);
	text_printf(text, "qsticky_%s{instance_name=", name);
	append_quoted(text, buf);
}

static void append_metric(struct text *text, const struct health *health, const char *path,
                          const struct field *field)
{
	int64_t number = field->kind == STATE ? 0 : number_of(health, field);
	char metric[64];
	struct text words = text_on(metric, sizeof metric);

	if (number < 0)
		return;
	text_printf(&words, "%s%s%s", field->kind == REACH ? "port_" : "", field->name,
	            ending_of(field->kind));
	append_head(text, metric, field->kind == TOTAL ? "counter" : "gauge", field->help);
	if (field->kind != STATE) {
		append_name(text, metric, path);
		text_printf(text, "} %lld\n", (long long)number);
		return;
	}
	for (size_t i = 0; i < HEALTH_STATES; i++) {
		append_name(text, metric, path);
		append_label(text, "state", health_states[i]);
		text_printf(text, "} %d\n", strcmp(health_states[i], health->state) == 0);
	}
}

static void append_metrics(struct text *text, const struct health *health, const char *path)
{
	const struct field *field;

	append_head(text, "info", "gauge", "Versions.");
	append_name(text, "info", path);
	append_label(text, "version", health->version);
	if (health->qbittorrent_version)
		append_label(text, "qbittorrent_version", health->qbittorrent_version);
	text_append(text, "} 1\n");
	for (unsigned place = 1; (field = field_at(VIEW_METRICS, place)); place++)
		append_metric(text, health, path, field);
}

/* ---- files ---- */

enum fail health_write(const char *path, const struct health *health, struct failure *why)
{
	char buf[HEALTH_MAX];
	struct text content = text_on(buf, sizeof buf);

	append_json(&content, health);
	return file_write_atomically("health file", path, &content, why);
}

enum fail health_write_metrics(const char *path, const struct health *health, struct failure *why)
{
	char buf[METRICS_MAX];
	struct text content = text_on(buf, sizeof buf);

	append_metrics(&content, health, path);
	return file_write_atomically("metrics file", path, &content, why);
}

/* ---- lines ---- */

void health_write_line(struct text *text, const char *label, const char *value)
{
	size_t start = text->len;

	text_printf(text, "%-22s", label);
	for (; start < text->len; start++)
		if (text->buf[start] == '_')
			text->buf[start] = ' ';
	text_append_printable(text, value, strlen(value));
	text_append(text, "\n");
}

void health_write_lines(struct text *text, const struct json *json)
{
	const struct field *field;

	for (unsigned place = 1; (field = field_at(VIEW_LINES, place)); place++) {
		char value[FAILURE_MAX];
		struct text word = text_on(value, sizeof value);
		int64_t number;
		bool yes;

		/* Go by the type in the file, not by the field's kind: another version of qsticky
		 * may have written the file. */
		if (json_int(json, field->name, &number))
			text_printf(&word, "%lld", (long long)number);
		else if (json_bool(json, field->name, &yes))
			text_append(&word, yes ? "yes" : "no");
		else if (!json_string(json, field->name, value, sizeof value))
			memcpy(value, "-", sizeof "-"); /* null, or not a value of qsticky's */
		health_write_line(text, field->name, value);
	}
}
