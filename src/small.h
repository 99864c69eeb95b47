/* small: functions of the C library that getaddrinfo(3) calls, in small.
 *
 * musl's are made to be fast on much data, of which there is none here: at most 48 addresses to sort,
 * the lines of /etc/hosts, numbers of a few digits. Together they are six kilobytes. What is linked
 * with musl has these under the names of the standard; the tests compare them with glibc's. They do
 * what C says of them, in the "C" locale. */
#ifndef QSTICKY_SMALL_H
#define QSTICKY_SMALL_H

#include <stddef.h>

/* qsort(3), quadratic. */
void small_qsort(void *items, size_t count, size_t size,
                 int (*compare)(const void *, const void *));

char *small_strstr(const char *string, const char *wanted);

unsigned long long small_strtoull(const char *string, char **end, int base);
unsigned long small_strtoul(const char *string, char **end, int base);

size_t small_mbstowcs(wchar_t *wide, const char *string, size_t most);

#endif
