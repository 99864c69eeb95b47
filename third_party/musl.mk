# How the static binary is compiled and linked, for ours and third parties. Included by ../Makefile.

processor := $(firstword $(subst -, ,$(shell $(firstword $(MUSL_CC)) -dumpmachine 2>/dev/null)))
# ARM: kernels have pages of up to 64 KiB (a Raspberry Pi 5 16, some NAS 32); binutils assumes 4 for
# the 32-bit ones, and the kernel could not map the result.
comma := ,
pages := $(if $(filter arm aarch64,$(processor)),-Wl$(comma)-z$(comma)max-page-size=65536)
# A function whose buffer overflows ends the program, and no large variable passes over the stack's
# end: 1.9 KiB of file. With -flto, gcc takes only arrays of unsigned char for buffers; base/text.c
# checks the length of others. BearSSL's have fixed lengths. The strong form for both: 10 KiB more.
harder.ours := -fstack-protector -fstack-clash-protection

# Without tables for debuggers and exceptions: 28.8 KiB of file. Optimized as a whole, in one piece,
# and without functions that nothing calls: 4.3. Without eight passes that copy code, such as a
# function's end before each call in last place, or a function into its only caller, and on x86
# without padding before tables and without vector registers, which each call with variable
# arguments would save: 4.9.
smaller := -fno-asynchronous-unwind-tables -flto -flto-partition=one -ffunction-sections \
	-fdata-sections -fno-optimize-sibling-calls -fno-thread-jumps -fno-caller-saves \
	-fno-tree-dominator-opts -fno-move-loop-invariants -fno-tree-loop-im \
	-fno-inline-functions-called-once -fno-shrink-wrap $(if $(filter x86_64 i686,$(processor)),\
	-malign-data=abi -mgeneral-regs-only)

# No path of the machine that compiles reaches the binary.
compile.musl = $(MUSL_CC) $(CFLAGS) $(smaller) -g -ffile-prefix-map=$(CURDIR)=. -fPIE

# A static PIE: musl's start for it is not what its specs name.
crt = $(shell $(MUSL_CC) -\#\#\# -x c /dev/null 2>&1 | tr ' ' '\n' | sed -n 's|/Scrt1\.o$$|/rcrt1.o|p')

# The short list of what to relocate (src/process/relocate.c): 8.6 KiB of file.
relocations := $(if $(filter x86_64,$(processor)),-Wl$(comma)-z$(comma)pack-relative-relocs)

# What lies together in memory, during the sleep and in a cycle (memory.ld): half of the memory.
memory := -Wl,-T,third_party/memory.ld

# One segment for code and constants instead of three (noseparate-code): 8 KiB of file. A build ID
# would be another each time: it counts the compiler's temporary names.
# src/process/relro.c makes all data read-only that does not begin as zeros. The linker's own form (RELRO)
# would leave musl's out, and must end with a page of the file, as the data must begin with one unless
# pages are said to be small: up to 4 KiB of file. One table of names is enough, as there are none.
link.musl = -static -nostartfiles $(crt) -Wl,-pie,--no-dynamic-linker,-z,text,-z,norelro,-z,now \
	-Wl,--build-id=none,--hash-style=gnu,-z,noseparate-code,-z,common-page-size=64,--gc-sections $(pages) \
	$(relocations) $(memory) $(LDFLAGS)

# <linux/...> comes with the host's libc, musl has none and does not look there: a directory of
# links, since all of /usr/include would bring the other libc with it.
kernel := $(BUILD)/musl/kernel

# Where they are is the compiler's to say: asm/ is elsewhere on each architecture.

$(kernel)/.linked: third_party/musl.mk
	@mkdir -p $(@D)
	@for name in linux asm asm-generic; do \
		found=$$(echo "#include <$$name/types.h>" | $(HOST_CC) -E -x c - | \
			sed -n "s|^# 1 \"\(.*/$$name\)/types.h\".*|\1|p" | head -n 1); \
		[ -n "$$found" ] || \
			{ echo "no $(HOST_CC) with the kernel's headers: run tests/setup.sh" >&2; exit 1; }; \
		ln -sfn "$$found" $(@D)/$$name; \
	done
	@touch $@

$(BUILD)/musl/command: $(kernel)/.linked
