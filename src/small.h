/* small: functions of the C library, in small.
 *
 * musl's are made to be fast on much text, of which there is none here: names, header lines, a line of
 * a file. Together they are a kilobyte more. What is linked with musl has these under the names of the
 * standard; the tests compare them with glibc's. They do what C says of them. */
#ifndef QSTICKY_SMALL_H
#define QSTICKY_SMALL_H

#include <stddef.h>

char *small_strchr(const char *string, int wanted);
char *small_strstr(const char *string, const char *wanted);
void *small_memchr(const void *bytes, int wanted, size_t len);

size_t small_strspn(const char *string, const char *allowed);
size_t small_strcspn(const char *string, const char *ends);

#endif
