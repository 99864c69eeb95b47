#include "process/idle.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "process/program.h"

#ifdef __SANITIZE_ADDRESS__
static const bool drop = false;
#else
static const bool drop = true;
#endif

/* The last of the program's code: the linker says so (end(3)). */
extern char etext[];

/* Of idle(), at most. */
#define IDLE_BYTES 1024

static uintptr_t lesser(uintptr_t a, uintptr_t b)
{
	return a < b ? a : b;
}

/* The end of the mapping that holds the code: constants may follow in it. */
static uintptr_t mapping_end(void)
{
	const ElfW(Phdr) *code = program_part(PT_LOAD, (uintptr_t)etext - 1);

	return code ? (uintptr_t)__executable_start + code->p_vaddr + code->p_memsz
	            : (uintptr_t)etext;
}

/* The pages of the program's code that can be dropped. */
static struct {
	char *start;
	size_t len;
} code;

/* Makes the pages that hold `first` to `last` a mapping of their own: with a page that is called the
 * kernel maps what is near it in the same mapping, up to 64 KiB. */
static void set_apart(uintptr_t first, uintptr_t last)
{
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;

	first = first / page * page;
	last = last / page * page + page;
	/* Any flag would do in which it differs from its neighbours; this has no other effect. */
	if (first < last) /* the library is elsewhere in the builds for the tests */
		(void)madvise(__executable_start + (first - start), last - first, MADV_DONTDUMP);
}

/* Asleep, two places of the code are in use: idle(), and the C library around poll(2) and madvise(2).
 * The library is small and comes last, since the linker puts it behind what calls it. */
static void prepare(void)
{
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;

	set_apart((uintptr_t)idle, (uintptr_t)idle + IDLE_BYTES);
	set_apart(lesser((uintptr_t)poll, (uintptr_t)madvise) - page, (uintptr_t)etext);
	code.start = __executable_start;
	code.len = mapping_end() / page * page - start;
}

/* The deepest that a cycle goes, and more. */
#define STACK_BYTES (64 * 1024)

/* Gives back the stack that a cycle has used, with what it left there. Nothing of it is in use: all of
 * it lies a page and more below the frame of idle(), which calls only what needs far less. */
static void drop_stack(char *frame)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	size_t above = (uintptr_t)frame % page + page;

	/* Where the stack has never been as deep, the kernel says so, and drops the rest. */
	(void)madvise(frame - above - STACK_BYTES, STACK_BYTES, MADV_DONTNEED);
}

/* Not inlined: it would sleep elsewhere. */
__attribute__((noinline)) int idle(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (drop && !code.start)
		prepare();
	if (drop) {
		drop_stack(__builtin_frame_address(0));
		(void)madvise(code.start, code.len, MADV_DONTNEED);
	}
	return poll(fds, count, timeout_ms);
}
