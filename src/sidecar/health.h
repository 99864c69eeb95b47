/* health: judge the health file for `healthcheck`, and read it for other commands. */
#ifndef QSTICKY_SIDECAR_HEALTH_H
#define QSTICKY_SIDECAR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "base/json.h"
#include "base/text.h"

/* Longest health file read or written (sidecar/health_write.h), in bytes. */
#define HEALTH_MAX 7680

/* Seconds that a health file may be older than two intervals: a cycle may take that long. The second
 * is for a slow qBittorrent (core/patience.h). */
#define HEALTH_AGE_SPARE_S 15
#define HEALTH_AGE_SPARE_MAX_S 240

/* Whether peers can reach the port. */
enum reachable {
	REACHABLE_UNKNOWN, /* there is no tunnel here, or it was not probed */
	REACHABLE_NO,
	REACHABLE_YES,
};

/* Removes the file. Async-signal-safe. */
void health_remove(const char *path);

/* Opens the file at `path`, for a command that is about to give up the right to. Returns the
 * descriptor, or -errno. */
int health_open(const char *path);

/* The same as health_read(), for the result of health_open() for `path`. Closes it. */
enum fail health_read_open(int opened, const char *path, char buf[static HEALTH_MAX + 1],
                           struct json *json, size_t *len, struct failure *why);

/* The same as health_judge(), for the result of health_open(). */
bool health_judge_open(int opened, const char *path, unsigned interval_s, time_t now,
                       struct text *line);

/* Reads the file at `path` into `buf` and parses it into `*json`, which borrows `buf`. FAIL_IO:
 * unreadable. FAIL_FORMAT, FAIL_TOO_BIG: not a health file of qsticky. */
enum fail health_read(const char *path, char buf[static HEALTH_MAX + 1], struct json *json,
                      size_t *len, struct failure *why);

/* Sets `*age_s` to its age at `now`, in seconds. False: it has no valid timestamp. */
bool health_age(const struct json *json, time_t now, long long *age_s);

/* Whether that age is more than the file allows. It may allow two intervals and
 * HEALTH_AGE_SPARE_MAX_S at most; else two and HEALTH_AGE_SPARE_S count. */
bool health_is_old(const struct json *json, long long age_s, unsigned interval_s);

/* Judges the parsed file, as health_judge() does. `why` gives the reason, also if it is healthy. */
bool health_weigh(const struct json *json, const char *path, unsigned interval_s, time_t now,
                  struct failure *why);

/* Reads the file at `path` and judges it at the time `now`. It must say healthy, and must not be
 * older than health_is_old() says. Appends the verdict and its reason as one line, without
 * newline. */
bool health_judge(const char *path, unsigned interval_s, time_t now, struct text *line);

#endif
