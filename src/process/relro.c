#include "process/relro.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "process/program.h"

/* The dynamic linker does this for other programs. A static program has none. musl relocates a static
 * PIE but does not protect it (seen with 1.2.3). */
void relro_protect(void)
{
	const ElfW(Phdr) *relro = program_part(PT_GNU_RELRO, 0);
	uintptr_t page = getauxval(AT_PAGESZ), start, end;

	if (!relro)
		return;
	start = relro->p_vaddr / page * page;
	end = (relro->p_vaddr + relro->p_memsz) / page * page;
	/* If pages are larger than the linker assumed, partial pages stay writable. */
	if (start < end)
		(void)mprotect(__executable_start + start, end - start, PROT_READ);
}
