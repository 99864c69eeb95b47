#include "process/relro.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "process/program.h"

#ifndef __GLIBC__

/* The first variable that begins as zeros is at a multiple of it: third_party/memory.ld. */
#define ALIGNMENT 4096

void relro_protect(void)
{
	static char zero;
	const ElfW(Phdr) *data = program_part(PT_LOAD, (uintptr_t)&zero);
	uintptr_t page = getauxval(AT_PAGESZ), start, end;

	(void)mono_now_ms(); /* musl now keeps the address of the kernel's clock among the data */
	if (!data)
		return;
	start = data->p_vaddr / page * page;
	end = (data->p_vaddr + data->p_filesz + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	end = end / page * page;
	/* If pages are larger, those that also hold zeros stay writable. */
	if (start < end)
		(void)mprotect(__executable_start + start, end - start, PROT_READ);
}

#else /* the dynamic linker has done it */

void relro_protect(void)
{
}

#endif
