/* metrics: the health as numbers, in a file for Prometheus' node_exporter (its textfile collector).
 *
 * qsticky listens on nothing, so that there is nothing to scrape. */
#ifndef QSTICKY_METRICS_H
#define QSTICKY_METRICS_H

#include "fail.h"
#include "health.h"

/* Longest metrics file, in bytes. */
#define METRICS_MAX 3072

/* Replaces the file at `path` (under CONFIG_PATH_MAX) by `health` in the text format 0.0.4. What is not
 * known is left out. Fails as replace_file(). */
enum fail metrics_write(const char *path, const struct health *health, struct failure *why);

#endif
