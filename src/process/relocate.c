/* relocate: adds the program's address to each pointer in its tables, from a short list (RELR).
 *
 * The linker lists all pointers in tables of constants. The long form of the list (RELA) has 24 bytes a
 * pointer, 8.6 KiB in all; the short form has about 100 bytes. musl reads the short form from 1.2.4 on;
 * Debian 12 has 1.2.3. If musl has relocated already, this does nothing. */
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

#include "process/program.h"

/* Builds with glibc, and those for other processors, have the long form. */
#if defined(__x86_64__) && !defined(__GLIBC__)

/* In <elf.h> since musl 1.2.4. */
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

/* The linker's. NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*) */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* musl calls this first, before it uses a pointer from a table. ELF defines the name. */
void _init(void);

/* A pointer to test: it holds its address only after the relocation. */
static char *volatile own_place = __executable_start;

/* An even entry is the place of one pointer. An odd entry has a bit for each word after the last place
 * (gABI, "Relative Relocation Table"). */
static void relocate(uintptr_t base, const uintptr_t *entry, size_t count)
{
	uintptr_t *place = NULL;

	for (; count > 0; count--, entry++) {
		if (*entry % 2 == 0) {
			/* The linker counts from the program's start.
			 * NOLINTNEXTLINE(performance-no-int-to-ptr) */
			place = (uintptr_t *)(base + *entry);
			*place++ += base;
			continue;
		}
		for (unsigned bit = 1; bit < sizeof *entry * CHAR_BIT; bit++)
			if (*entry >> bit & 1)
				place[bit - 1] += base;
		place += sizeof *entry * CHAR_BIT - 1;
	}
}

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*): see above */
void _init(void)
{
	uintptr_t base = (uintptr_t)__executable_start, relr = 0;
	size_t count = 0;

	for (const ElfW(Dyn) *dynamic = _DYNAMIC; dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_RELR)
			relr = base + dynamic->d_un.d_ptr;
		if (dynamic->d_tag == DT_RELRSZ)
			count = dynamic->d_un.d_val / sizeof relr;
	}
	if ((uintptr_t)own_place != base)
		/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
		relocate(base, (const uintptr_t *)relr, count);
}

#endif
