#include "process/relro.h"

#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "process/program.h"

/* Else the dynamic linker does this. A static program has none, and musl's start of a static PIE
 * relocates, but protects nothing (seen with 1.2.3). */
void relro_protect(void)
{
	const ElfW(Phdr) *relro = program_part(PT_GNU_RELRO, 0);
	uintptr_t page = getauxval(AT_PAGESZ), start, end;

	if (!relro)
		return;
	start = relro->p_vaddr / page * page;
	end = (relro->p_vaddr + relro->p_memsz) / page * page;
	/* Where pages are larger than the linker assumed, the rest stays as it is. */
	if (start < end)
		(void)mprotect(__executable_start + start, end - start, PROT_READ);
}
