/* heap: the one block of memory that is ever asked for: getaddrinfo(3) puts its answer in it.
 *
 * musl calls these instead of its own, which are seven kilobytes (a program may replace them). So
 * there is no heap: one block at a time, and whoever asks for another is told that memory is out. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

/* The builds for the tests have glibc and need a real heap. */
#ifndef __GLIBC__

/* The answer at its largest: 48 addresses of 88 bytes, and a name of 256. */
#define BLOCK_MAX 8192

static struct {
	_Alignas(max_align_t) unsigned char bytes[BLOCK_MAX];
	bool taken;
} block;

static void *take(size_t len)
{
	if (block.taken || len > sizeof block.bytes) {
		errno = ENOMEM;
		return NULL;
	}
	block.taken = true;
	return block.bytes;
}

void *malloc(size_t len)
{
	return take(len);
}

void *calloc(size_t count, size_t len)
{
	void *bytes;

	if (len > 0 && count > SIZE_MAX / len) {
		errno = ENOMEM;
		return NULL;
	}
	bytes = take(count * len);
	if (bytes)
		memset(bytes, 0, count * len);
	return bytes;
}

/* Nobody asks for it; libc's own would take the block for one of libc's. */
void *realloc(void *bytes, size_t len)
{
	(void)bytes;
	(void)len;
	errno = ENOMEM;
	return NULL;
}

void free(void *bytes)
{
	if (!bytes)
		return;
	pages_release(bytes, sizeof block.bytes);
	block.taken = false;
}

#endif
