/* start: what has to be done before main() so that the program may lie at any address.
 *
 * musl's start of a static PIE adds that address where the linker has listed it one by one (REL,
 * RELA). On x86-64 the list is in the short form (RELR: 90 bytes instead of 5,800), which musl knows
 * from 1.2.4 on; and that what was only to be written then is read-only afterwards (RELRO), it leaves
 * to the dynamic linker, which is not here. */
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "program.h"

/* The builds for the tests have glibc, which does both. */
#ifndef __GLIBC__

/* Of <elf.h>, since musl 1.2.4. */
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

/* The linker's. NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*) */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* Called by musl's start, before the first use of any pointer that is to be relocated; its name is
 * that of the ELF specification's function for this. */
void _init(void);

/* To be relocated like all others: before that, what the linker has put there. */
static char *volatile own_place = __executable_start;

/* An even entry is the place of one address. An odd one is a bit for each of the words after the last
 * place (gABI, "Relative Relocation Table"). */
static void relocate(uintptr_t base, const uintptr_t *entry, size_t count)
{
	uintptr_t *place = NULL;

	for (; count > 0; count--, entry++) {
		if (*entry % 2 == 0) {
			/* The linker counts from the program's start.
			 * NOLINTNEXTLINE(performance-no-int-to-ptr) */
			place = (uintptr_t *)(base + *entry);
			*place++ += base;
		} else {
			uintptr_t *next = place;

			for (uintptr_t bits = *entry >> 1; bits > 0; bits >>= 1, next++)
				if (bits & 1)
					*next += base;
			place += sizeof *entry * CHAR_BIT - 1;
		}
	}
}

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl*): see above */
void _init(void)
{
	uintptr_t base = (uintptr_t)__executable_start, page = getauxval(AT_PAGESZ);
	const ElfW(Phdr) *relro = program_part(PT_GNU_RELRO, (uintptr_t)_DYNAMIC);
	uintptr_t relr = 0;
	size_t count = 0;

	for (const ElfW(Dyn) *dynamic = _DYNAMIC; dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_RELR)
			relr = base + dynamic->d_un.d_ptr;
		if (dynamic->d_tag == DT_RELRSZ)
			count = dynamic->d_un.d_val / sizeof relr;
	}
	/* Not where a newer musl has done it already. */
	if ((uintptr_t)own_place != base)
		relocate(base, (const uintptr_t *)relr,
		         count); /* NOLINT(performance-no-int-to-ptr) */
	if (relro) {
		uintptr_t start = relro->p_vaddr / page * page;
		uintptr_t end = (relro->p_vaddr + relro->p_memsz) / page * page;

		/* Where pages are larger than the linker assumed, the rest stays as it is. */
		if (start < end)
			(void)mprotect(__executable_start + start, end - start, PROT_READ);
	}
}

#endif
