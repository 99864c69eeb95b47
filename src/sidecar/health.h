/* health: judge the health file for `healthcheck`, and read it for others. */
#ifndef QSTICKY_SIDECAR_HEALTH_H
#define QSTICKY_SIDECAR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "base/json.h"
#include "base/text.h"

/* Longest health file read or written (sidecar/health_write.h), in bytes. */
#define HEALTH_MAX 6144

/* Seconds that a health file may be old, beyond two intervals: a cycle may take as long. */
#define HEALTH_AGE_SPARE_S 15

/* Whether peers get through to the port. */
enum reachable {
	REACHABLE_UNKNOWN, /* there is no tunnel here, or it was not asked */
	REACHABLE_NO,
	REACHABLE_YES,
};

/* Removes the file. Async-signal-safe. */
void health_remove(const char *path);

/* Opens the file at `path`, for those who are about to give up the right to. Returns its descriptor, or
 * less than 0: the error, as -errno. */
int health_open(const char *path);

/* As health_read(), of what health_open() has returned for `path`, which it closes. */
enum fail health_read_open(int opened, const char *path, char buf[static HEALTH_MAX + 1],
                           struct json *json, size_t *len, struct failure *why);

/* As health_judge(), the same way. */
bool health_judge_open(int opened, const char *path, unsigned interval_s, time_t now,
                       struct text *line);

/* Reads the file at `path` into `buf`, and that as `*json`, which borrows it. FAIL_IO, FAIL_FORMAT,
 * FAIL_TOO_BIG: there is none that could be one of qsticky's. */
enum fail health_read(const char *path, char buf[static HEALTH_MAX + 1], struct json *json,
                      size_t *len, struct failure *why);

/* How old it is at the time `now`, in seconds; false where it does not say when it was written. */
bool health_age(const struct json *json, time_t now, long long *age_s);

/* Judges what was read from `path`, as health_judge() does; `why` says why in either case. */
bool health_weigh(const struct json *json, const char *path, unsigned interval_s, time_t now,
                  struct failure *why);

/* Reads the file at `path` and judges it at the time `now`: whether it says healthy, and is no
 * older than two intervals and HEALTH_AGE_SPARE_S. Appends one line, without newline, that says
 * why. */
bool health_judge(const char *path, unsigned interval_s, time_t now, struct text *line);

#endif
