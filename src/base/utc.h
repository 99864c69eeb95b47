/* utc: moments as RFC 3339 writes them, in UTC, to the second: 2026-11-22T08:42:10Z. */
#ifndef QSTICKY_BASE_UTC_H
#define QSTICKY_BASE_UTC_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Bytes for one moment with its NUL. */
#define UTC_MAX sizeof "2026-11-22T08:42:10Z"

/* The moment at which a clock in UTC shows this: years 0 to 9999, months from 1. What is too much for a
 * day, an hour or a month is carried over: 31 February is in March. */
time_t utc_moment(int year, int month, int day, int hour, int minute, int second);

/* Writes `moment` to `out`. A moment outside the years 0 to 9999 is written as year 0. */
void utc_format(char out[static UTC_MAX], time_t moment);

/* Reads exactly the form that utc_format() writes; false for anything else. */
bool utc_parse(const char *text, time_t *moment);

#endif
