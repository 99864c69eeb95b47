/* pages: gives back memory after a large reply.
 *
 * Buffers are sized for the largest reply and cost nothing until touched. Without this, one large
 * reply would keep them resident for months. */
#ifndef QSTICKY_BASE_PAGES_H
#define QSTICKY_BASE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

/* Behind the members of a struct: its variables share no page with others, so that pages_release() drops all
 * of them. Where pages are larger than 4 KiB, the first and the last may stay. */
#define PAGES_OF_ITS_OWN __attribute__((aligned(4096)))

/* Drops the whole pages inside the `len` bytes at `start`; they read as zeros afterwards. Bytes at
 * either edge keep their values. The storage must be static and initially zero. */
static inline void pages_release(void *start, size_t len)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
	uintptr_t behind = ((uintptr_t)start + len) / page * page;

	if (first < behind)
		(void)madvise((char *)start + (first - (uintptr_t)start), behind - first,
		              MADV_DONTNEED);
}

#endif
