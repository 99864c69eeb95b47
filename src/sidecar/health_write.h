/* health_write: writes the health as JSON to its file, as metrics for Prometheus' node_exporter
 * (textfile collector), and as lines for a person. One table of fields serves all three.
 *
 * qsticky listens on no port, so it cannot be scraped. */
#ifndef QSTICKY_SIDECAR_HEALTH_WRITE_H
#define QSTICKY_SIDECAR_HEALTH_WRITE_H

#include <stdint.h>

#include "base/fail.h"
#include "base/json.h"
#include "base/text.h"
#include "core/sync.h"
#include "gluetun/port_file.h"
#include "sidecar/health.h"

/* Longest metrics file, and longest value of its label `instance_name` with its NUL, in bytes. A
 * longer value is cut. */
#define METRICS_MAX 6144
#define METRICS_NAME_MAX 96

/* The names of the states, indexed by enum sync_state. */
#define HEALTH_STATES (SYNC_ERROR + 1)
extern const char health_states[HEALTH_STATES][17];

/* The health at one moment. Pointers are borrowed. NULL, a time of 0 and a port of -1 are written
 * as null. */
struct health {
	int64_t healthy;   /* 0 or 1 */
	const char *state; /* one of health_states */
	int64_t current_port;
	int64_t forwarded_port;
	const struct port_file_ports *forwarded_ports;
	int64_t reachable;             /* enum reachable */
	int64_t reachable_udp;         /* enum reachable, for UDP alone */
	const char *connection_status; /* as qBittorrent reports it */
	const char *external_address;
	const char *interface; /* of the tunnel */
	const char *login;     /* rejected, held_back, banned */
	int64_t last_check;
	int64_t last_port_change;
	int64_t timestamp;
	int64_t valid_seconds; /* from then on */
	int64_t started;
	uint64_t uptime_s;
	int64_t consecutive_failures;
	int64_t rebinds; /* since the start */
	const char *last_error;
	const char *hint; /* what is not as it should be, although all is proved */
	const char *qbittorrent_version;
	const char *version;
};

/* Replaces the file at `path` (shorter than LIMITS_PATH_MAX) with `health`, atomically. Creates
 * missing directories. FAIL_IO: it could not be written. Then the old file is removed or emptied;
 * if that fails too, `healthcheck` soon rejects it as too old. */
enum fail health_write(const char *path, const struct health *health, struct failure *why);

/* Replaces the file at `path` with `health` in Prometheus' text format 0.0.4. Unknown values are
 * left out. Every sample has the label `instance_name`, the file's name without ".prom": it tells
 * apart the files in one directory, as node_exporter requires. Fails as file_write_atomically(). */
enum fail health_write_metrics(const char *path, const struct health *health, struct failure *why);

/* Appends the content of a health file, one field per line. */
void health_write_lines(struct text *text, const struct json *json);

/* Appends a line with `label` and `value`; each '_' in the label becomes a space. */
void health_write_line(struct text *text, const char *label, const char *value);

#endif
