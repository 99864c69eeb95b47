/* program: where the program itself is in memory. */
#ifndef QSTICKY_PROCESS_PROGRAM_H
#define QSTICKY_PROCESS_PROGRAM_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

/* The linker says where it begins (ld(1)), which is its address 0: the name is the linker's to give. */
extern char __executable_start[]; /* NOLINT(bugprone-reserved-identifier,cert-dcl*) */

/* The first program header of `type`, or NULL; of those with `address` in their part of memory, unless
 * that is 0. */
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
