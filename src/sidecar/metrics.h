/* metrics: the health as numbers, in a file for Prometheus' node_exporter (its textfile collector).
 *
 * qsticky listens on nothing, so that there is nothing to scrape. */
#ifndef QSTICKY_SIDECAR_METRICS_H
#define QSTICKY_SIDECAR_METRICS_H

#include "base/fail.h"
#include "sidecar/health.h"

/* Longest metrics file, in bytes. */
#define METRICS_MAX 6144

/* Longest value of the label `instance_name`, in bytes with its NUL; what is longer is cut. */
#define METRICS_NAME_MAX 96

/* Replaces the file at `path` (under LIMITS_PATH_MAX) by `health` in the text format 0.0.4. What is not
 * known is left out. Every sample has the label `instance_name`: the file's name without ".prom", by
 * which those in one directory differ, as node_exporter wants it. Fails as file_write_atomically(). */
enum fail metrics_write(const char *path, const struct health *health, struct failure *why);

#endif
