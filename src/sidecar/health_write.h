/* health_write: the health as JSON in its file, as metrics for Prometheus' node_exporter (its textfile
 * collector), and as lines for a person: one table of its fields for all three.
 *
 * qsticky listens on nothing, so that there is nothing to scrape. */
#ifndef QSTICKY_SIDECAR_HEALTH_WRITE_H
#define QSTICKY_SIDECAR_HEALTH_WRITE_H

#include <stdint.h>

#include "base/fail.h"
#include "base/json.h"
#include "base/text.h"
#include "core/sync.h"
#include "sidecar/health.h"

/* Longest metrics file, in bytes; and longest value of its label `instance_name`, with its NUL: what is
 * longer is cut. */
#define METRICS_MAX 6144
#define METRICS_NAME_MAX 96

/* The names of the states, by enum sync_state. */
#define HEALTH_STATES (SYNC_ERROR + 1)
extern const char health_states[HEALTH_STATES][17];

/* One moment's health. Strings are borrowed; NULL, 0 in a time, and -1 in a port are written as null. */
struct health {
	int64_t healthy;   /* 0 or 1 */
	const char *state; /* of health_states */
	int64_t current_port;
	int64_t forwarded_port;
	int64_t reachable;             /* enum reachable */
	int64_t reachable_udp;         /* the part of it that is about UDP */
	const char *connection_status; /* qBittorrent's own words */
	const char *external_address;
	const char *login; /* rejected, held_back, banned */
	int64_t last_check;
	int64_t last_port_change;
	int64_t timestamp;
	int64_t started;
	uint64_t uptime_s;
	int64_t consecutive_failures;
	int64_t rebinds; /* since the start */
	const char *last_error;
	const char *qbittorrent_version;
	const char *version;
};

/* Replaces the file at `path` (under LIMITS_PATH_MAX) with `health`, atomically; makes the
 * directories that are missing. FAIL_IO: it cannot; then the old file is gone or empty, or, where
 * the file system refuses that too, grows too old to be believed. */
enum fail health_write(const char *path, const struct health *health, struct failure *why);

/* Replaces the file at `path` by `health` in Prometheus' text format 0.0.4. What is not known is left out.
 * Every sample has the label `instance_name`: the file's name without ".prom". By it those in one directory
 * differ, as node_exporter wants it. Fails as file_write_atomically(). */
enum fail health_write_metrics(const char *path, const struct health *health, struct failure *why);

/* Appends what a health file says, a line a field. */
void health_write_lines(struct text *text, const struct json *json);

/* Appends a line that begins with `label`, in which '_' stands for a space. */
void health_write_line(struct text *text, const char *label, const char *value);

#endif
