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

/* The end of the program's code, set by the linker (end(3)). */
extern char etext[];

/* Upper bound of idle()'s size. */
#define IDLE_BYTES 1024

static uintptr_t lesser(uintptr_t a, uintptr_t b)
{
	return a < b ? a : b;
}

/* The end of the mapping that holds the code. Constants may follow the code in it. */
static uintptr_t mapping_end(void)
{
	const ElfW(Phdr) *code = program_part(PT_LOAD, (uintptr_t)etext - 1);

	return code ? (uintptr_t)__executable_start + code->p_vaddr + code->p_memsz
	            : (uintptr_t)etext;
}

/* The pages of code to drop. */
static struct {
	char *start;
	size_t len;
} code;

/* Gives the pages of `first` to `last` a mapping of their own. When a page is used, the kernel also
 * maps its neighbours in the same mapping, up to 64 KiB. */
static void set_apart(uintptr_t first, uintptr_t last)
{
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;

	first = first / page * page;
	last = last / page * page + page;
	/* A flag that differs from the neighbours' splits the mapping. This flag has no other effect. */
	if (first < last) /* in test builds the library is elsewhere */
		(void)madvise(__executable_start + (first - start), last - first, MADV_DONTDUMP);
}

/* During the sleep two parts of the code are in use: idle(), and the C library around poll(2) and
 * madvise(2). The library is small and lies at the end, since the linker puts it behind its callers. */
static void prepare(void)
{
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;

	set_apart((uintptr_t)idle, (uintptr_t)idle + IDLE_BYTES);
	set_apart(lesser((uintptr_t)poll, (uintptr_t)madvise) - page, (uintptr_t)etext);
	code.start = __executable_start;
	code.len = mapping_end() / page * page - start;
}

/* More stack than a cycle needs. */
#define STACK_BYTES (64 * 1024)

/* Gives back the stack that a cycle has used, with the data left there. All of it lies at least a page
 * below idle()'s frame. The calls of idle() need far less than a page. */
static void drop_stack(char *frame)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	size_t above = (uintptr_t)frame % page + page;

	/* Ignore the error for parts that the stack never reached: the kernel drops the others. */
	(void)madvise(frame - above - STACK_BYTES, STACK_BYTES, MADV_DONTNEED);
}

/* Not inlined: the sleep must be in the pages that prepare() sets apart. */
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
