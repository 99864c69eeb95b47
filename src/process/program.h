/* program: finds the parts of the running program in memory. */
#ifndef QSTICKY_PROCESS_PROGRAM_H
#define QSTICKY_PROCESS_PROGRAM_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

/* The start of the program, its address 0. The linker defines this name (ld(1)). */
extern char __executable_start[]; /* NOLINT(bugprone-reserved-identifier,cert-dcl*) */

/* The first program header of `type` or NULL. If `address` is not 0, only a header whose memory
 * contains it. */
static inline const ElfW(Phdr) * program_part(uint32_t type, uintptr_t address)
{
	/* The kernel gives the address as a number. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uintptr_t offset = address - (uintptr_t)__executable_start;

	for (unsigned long left = getauxval(AT_PHNUM); left > 0; left--, header++)
		if (header->p_type == type &&
		    (!address || offset - header->p_vaddr < header->p_memsz))
			return header;
	return NULL;
}

#endif
