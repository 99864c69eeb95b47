#include "process/idle.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process/program.h"

#ifdef __SANITIZE_ADDRESS__
static const bool drop = false;
#else
static const bool drop = true;
#endif

/* The pages of code to drop. */
static struct {
	char *start;
	size_t len;
} code;

/* During the sleep only idle(), syscall() and what that calls are in use. The linker puts them into one page
 * (third_party/memory.ld). This gives that page a mapping of its own: when a page is used, the kernel also
 * maps its neighbours in the same mapping, up to 64 KiB. */
static void prepare(void)
{
	const ElfW(Phdr) *part = program_part(PT_LOAD, 0);
	uintptr_t page = getauxval(AT_PAGESZ), start = (uintptr_t)__executable_start;
	uintptr_t apart = (uintptr_t)idle / page * page;

	/* A flag that differs from the neighbours' splits the mapping. This flag has no other effect. */
	(void)madvise(__executable_start + (apart - start), page, MADV_DONTDUMP);
	code.start = __executable_start;
	/* The first part has all code. madvise(2) rounds up to whole pages. */
	code.len = part ? part->p_memsz : 0;
}

/* More stack than a cycle needs, and than the sleep does. */
#define STACK_BYTES (64 * 1024)
#define SLEEP_BYTES 512

/* Gives back the stack that a cycle has used, with the data left there. */
static void drop_stack(char *frame)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	size_t above = ((uintptr_t)frame - SLEEP_BYTES) % page + SLEEP_BYTES;

	/* Ignore the error for parts that the stack never reached: the kernel drops the others. */
	(void)madvise(frame - above - STACK_BYTES, STACK_BYTES, MADV_DONTNEED);
}

/* poll(2) without what the library does around it. */
static int sleep_in_kernel(struct pollfd *fds, nfds_t count, int timeout_ms)
{
#ifdef SYS_poll
	return (int)syscall(SYS_poll, fds, count, timeout_ms);
#else
	struct timespec left = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &left, NULL, 0);
#endif
}

/* Not inlined: the linker places it by its name. */
__attribute__((noinline)) int idle(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	const bool drops = drop && timeout_ms != 0;

	if (drops && !code.start)
		prepare();
	if (drops) {
		drop_stack(__builtin_frame_address(0));
		(void)syscall(SYS_madvise, code.start, code.len, MADV_DONTNEED);
	}
	return sleep_in_kernel(fds, count, timeout_ms);
}
