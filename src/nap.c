#include "nap.h"

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
static const bool drop = false;
#else
static const bool drop = true;
#endif

/* Where the program and, in it, the last of its code is: the linker says so (end(3), ld(1)). The
 * name is the linker's to give. */
extern char __executable_start[], etext[]; /* NOLINT(bugprone-reserved-identifier,cert-dcl*) */

static uintptr_t lesser(uintptr_t a, uintptr_t b)
{
	return a < b ? a : b;
}

/* The end of the mapping that holds the code: constants may follow in it. */
static uintptr_t mapping_end(void)
{
	/* The kernel gives the address as a number. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uintptr_t here = (uintptr_t)etext - 1;

	for (unsigned long left = getauxval(AT_PHNUM); left > 0; left--, header++) {
		uintptr_t start = header->p_vaddr;

		if (header->p_type == PT_LOAD && here >= start && here - start < header->p_memsz)
			return start + header->p_memsz;
	}
	return (uintptr_t)etext; /* a program that is not where it was linked to be */
}

/* The pages of the program's code that can be dropped. */
static struct {
	char *start;
	size_t len;
} code;

/* Makes the code from the sleep on, the C library's among it, a mapping of its own: with the page
 * that is called the kernel maps what is near it in the same mapping, up to the whole of it. */
static void set_apart(void)
{
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;
	uintptr_t first = lesser((uintptr_t)nap, lesser((uintptr_t)poll, (uintptr_t)madvise));
	uintptr_t last = ((uintptr_t)etext + page - 1) / page * page;

	first = first / page * page;
	/* Any flag would do in which it differs from its neighbours; this has no other effect. */
	(void)madvise(__executable_start + (first - start), last - first, MADV_DONTDUMP);
	code.start = __executable_start;
	code.len = mapping_end() / page * page - start;
}

/* The deepest that a cycle goes, and more. */
#define STACK_BYTES (64 * 1024)

/* Gives back the stack that a cycle has used, with what it left there. Nothing of it is in use: all of
 * it lies a page and more below the frame of nap(), which calls only what needs far less. */
static void drop_stack(char *frame)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	size_t above = (uintptr_t)frame % page + page;

	/* Where the stack has never been as deep, the kernel says so, and drops the rest. */
	(void)madvise(frame - above - STACK_BYTES, STACK_BYTES, MADV_DONTNEED);
}

/* Not inlined: it would sleep elsewhere. */
__attribute__((noinline)) int nap(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (drop && !code.start)
		set_apart();
	if (drop) {
		drop_stack(__builtin_frame_address(0));
		(void)madvise(code.start, code.len, MADV_DONTNEED);
	}
	return poll(fds, count, timeout_ms);
}
