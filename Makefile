# qsticky. `make help` lists the targets; GNU make.

VERSION := 3.0.0

# What a user may set, on the command line or in the environment.
BUILD ?= build
PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
mandir ?= $(PREFIX)/share/man
DESTDIR ?=
MUSL_CC ?= musl-gcc
HOST_CC ?= gcc
CLANG ?= clang
STRIP ?= strip
CFLAGS ?= -Oz
# V=1 shows the whole commands.
V ?=
# Debian's own Python: it is the one that has Debian's pytest.
PYTHON ?= /usr/bin/python3
# Most of what the end-to-end tests do is waiting, so they may be more than the processors.
PYTEST_WORKERS ?= 8
PYTEST_FLAGS ?=
# Of `make fuzz`: which targets (all), and for how long each.
FUZZ ?=
SECONDS ?= 60
# Of `make fuzz-long` (1) and of `make soak` (10 minutes); the latter's, to have the same again.
HOURS ?=
SEED ?=
# A directory with the pinned tarballs, for a build without a network.
THIRD_PARTY_SOURCES ?=
# What is linked in.
THIRD_PARTY ?= jsmn bearssl

# For another architecture: Debian's name of it (make ARCH=armhf) or Docker's of the platform
# (make PLATFORM=linux/arm/v7). The result is in $(BUILD)/ARCH.
PLATFORM ?=
ARCH ?= $(if $(PLATFORM),$(or $(arch.$(PLATFORM)),\
	$(error PLATFORM=$(PLATFORM): there are $(platforms))))

# Of `make image`.
DOCKER ?= docker
DOCKER_BUILD_FLAGS ?=
IMAGE ?= qsticky:latest

# The tree stays as it was checked out.
export PYTHONDONTWRITEBYTECODE := 1

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
AR := ar
.DELETE_ON_ERROR:
.SUFFIXES:

# --- What there is -----------------------------------------------------------------------------
# By wildcard: a new file needs no word here.

# main.c, and a folder for each room: docs/architecture.md has their order.
rooms := $(sort $(patsubst src/%/,%,$(dir $(wildcard src/*/*.c))))
sources := src/main.c $(sort $(wildcard src/*/*.c))
headers := $(sort $(wildcard src/*/*.h))
test_sources := $(sort $(wildcard tests/*/*.c))
scripts := .ci/run tests/setup.sh third_party/apt.sh third_party/fetch third_party/musl \
	$(sort $(wildcard findings/*.sh))
python_sources := $(sort $(wildcard tests/*/*.py))

objects = $(sources:src/%.c=$(BUILD)/$1/%.o)
programs_in = $(patsubst %.c,$(BUILD)/$1/%,$(notdir $(filter $2,$(test_sources))))

unit_tests := $(call programs_in,tests,tests/unit/%.c)
covered_tests := $(call programs_in,gcov/tests,tests/unit/%.c)
fuzz_targets := $(call programs_in,fuzz,tests/fuzz/%.c)
# qsticky that does harm on purpose: what users get, and tests/e2e/hostile.c.
hostile := $(BUILD)/tests/hostile
# Small programs that the tests in Python use.
test_programs := $(filter-out $(hostile),$(call programs_in,tests,tests/e2e/%.c tests/bench/%.c))
# Those of them that our own code is linked into.
verdicts := $(BUILD)/tests/verdicts

# --- What it is for ----------------------------------------------------------------------------

# Debian's names for it and its compilers, Docker's for where its images run.
architectures := amd64 arm64 armhf armel i386
platforms := linux/amd64 linux/arm64 linux/arm/v7 linux/arm/v6 linux/386
arch.linux/amd64 := amd64
arch.linux/arm64 := arm64
arch.linux/arm/v7 := armhf
arch.linux/arm/v6 := armel
arch.linux/386 := i386
machine.amd64 := x86_64-linux-gnu
machine.arm64 := aarch64-linux-gnu
machine.armhf := arm-linux-gnueabihf
machine.armel := arm-linux-gnueabi
machine.i386 := i686-linux-gnu
$(foreach name,$(platforms),$(eval platform.$(arch.$(name)) := $(name)))

ifneq ($(ARCH),)
$(if $(machine.$(ARCH)),,$(error ARCH=$(ARCH): there are $(architectures)))
endif

# --- How it is compiled ------------------------------------------------------------------------
# Builds of the same sources, each in its own directory below $(BUILD):
#   musl  what users get;
#   asan  for the tests: sanitizers need a dynamic libc, hence the host's compiler;
#   host  for valgrind, which sees nothing in a static program and wants no sanitizers;
#   fuzz  for libFuzzer, hence clang;
#   gcov  for make coverage: not optimized, so that a line is a line and a branch one of the source's.

warnings := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wdouble-promotion -Wswitch-enum -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wmissing-variable-declarations -Wformat=2 -Wformat-signedness \
	-Wundef -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wredundant-decls \
	-Wnested-externs -Wimplicit-fallthrough -Wdate-time -Wnull-dereference
# Each compiler lacks one of them.
warnings.gcc := $(filter-out -Wmissing-variable-declarations,$(warnings))
warnings.clang := $(filter-out -Wformat-signedness,$(warnings))

language := -std=c11 -D_GNU_SOURCE -DQSTICKY_VERSION='"$(VERSION)"' -Isrc
# What the tests include, too.
in_tests := -Itests/lib

processor := $(firstword $(subst -, ,$(shell $(firstword $(MUSL_CC)) -dumpmachine 2>/dev/null)))
# ARM: kernels have pages of up to 64 KiB (a Raspberry Pi 5 16, some NAS 32); binutils assumes 4 for
# the 32-bit ones, and the kernel could not map the result.
comma := ,
pages := $(if $(filter arm aarch64,$(processor)),-Wl$(comma)-z$(comma)max-page-size=65536)
# No variable on the stack begins as what was there before, and no large one passes over the stack's
# end. 2,600 and 200 bytes; the arithmetic of BearSSL has neither.
harder.ours := -ftrivial-auto-var-init=zero -fstack-clash-protection

# Without tables for debuggers and exceptions: 14.4 KiB of file. Optimized as a whole (-flto): 3.3.
# Without six passes that copy code, such as a function's end before each call in last place: 3.3.
smaller := -fno-asynchronous-unwind-tables -flto=auto -fno-optimize-sibling-calls \
	-fno-thread-jumps -fno-caller-saves -fno-tree-dominator-opts -fno-move-loop-invariants \
	-fno-tree-loop-im

# No path of the machine that compiles reaches the binary.
compile.musl = $(MUSL_CC) $(CFLAGS) $(smaller) -g -ffile-prefix-map=$(CURDIR)=. -fPIE \
	-fstack-protector-strong
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
compile.asan = $(HOST_CC) -O1 -g $(sanitizers)
# Not at fixed addresses, as what users get: src/process/nap.c relies on that.
compile.host = $(HOST_CC) -O1 -g -fno-omit-frame-pointer -fPIE -pie
compile.gcov = $(compile.host)
compile.fuzz = $(CLANG) -O1 -g -fsanitize=fuzzer-no-link $(sanitizers)
# What was reached is written where tests/fuzz/fuzz.py says, and by hand nowhere.
reached := -fprofile-instr-generate=/dev/null -fcoverage-mapping

# A static PIE: musl's start for it is not what its specs name. What is written only at the start lies
# by itself (RELRO), and src/process/relro.c makes it read-only.
crt = $(shell $(MUSL_CC) -\#\#\# -x c /dev/null 2>&1 | tr ' ' '\n' | sed -n 's|/Scrt1\.o$$|/rcrt1.o|p')

# One segment for code and constants instead of three (noseparate-code): 8 KiB of file. A build ID
# would be another each time: it counts the compiler's temporary names.
link.musl = -static -nostartfiles $(crt) -Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now \
	-Wl,--build-id=none,-z,noseparate-code $(pages) $(LDFLAGS)

downloads := $(BUILD)/third_party
# Headers of third parties are the system's to the compiler: our warnings are not for them.
include.jsmn := -isystem $(downloads)/jsmn
include.bearssl := -isystem $(downloads)/bearssl/inc
includes := $(foreach name,$(THIRD_PARTY),$(include.$(name)))
verified := $(THIRD_PARTY:%=$(downloads)/%/.verified)
libraries = $(patsubst %,$(BUILD)/$1/lib%.a,$(filter-out jsmn,$(THIRD_PARTY)))

# <linux/...> comes with the host's libc, musl has none and does not look there: a directory of
# links, since all of /usr/include would bring the other libc with it.
kernel := $(BUILD)/musl/kernel

ours.musl = $(compile.musl) $(harder.ours) $(language) $(warnings.gcc) $(includes) \
	-idirafter $(kernel)
ours.asan = $(compile.asan) $(language) $(warnings.gcc) $(includes)
ours.gcov = $(compile.gcov) -O0 --coverage -DQSTICKY_COUNTS $(language) $(warnings.gcc) $(includes)
ours.host = $(compile.host) $(language) $(warnings.gcc) $(includes)
ours.fuzz = $(compile.fuzz) $(reached) $(language) $(warnings.clang) $(includes)
track = -MMD -MP -MF $@.d
say = $(if $(V),,@printf '  %-6s%s\n' $1 $@;)

# --- What users get ----------------------------------------------------------------------------

binary := $(BUILD)/$(ARCH:%=%/)qsticky

.PHONY: all
all: $(binary)

# The section .comment names the packages of the compilers, whatever they made.
$(BUILD)/qsticky: $(BUILD)/musl/qsticky
	$(call say,STRIP) $(STRIP) --strip-all --remove-section=.comment -o $@ $<

# The same with its symbols, for `make size`, callgrind and gdb.
$(BUILD)/musl/qsticky: $(call objects,musl) $(call libraries,musl)
	$(call say,LINK) $(compile.musl) $(link.musl) $^ -o $@

$(call objects,musl): $(BUILD)/musl/%.o: src/%.c $(BUILD)/musl/command $(verified)
	$(call say,CC) $(ours.musl) $(track) -c $< -o $@

# --- For other architectures -------------------------------------------------------------------
# The same build in a directory of its own, with Debian's cross compiler and with Debian's musl for
# that architecture.

cross_binaries := $(architectures:%=$(BUILD)/%/qsticky)

is_native = $(filter $(machine.$1),$(shell $(HOST_CC) -dumpmachine))
specs_for = $(downloads)/musl-$1/musl-gcc.specs
cross = HOST_CC=$(machine.$1)-gcc STRIP=$(machine.$1)-strip \
	specs=$(specs_for) MUSL_CC='$(machine.$1)-gcc -specs $$(specs)'

$(cross_binaries): $(BUILD)/%/qsticky: $(verified) FORCE
	@$(MAKE) ARCH= PLATFORM= BUILD=$(BUILD)/$* downloads=$(downloads) \
		$(if $(call is_native,$*),,$(call cross,$*)) $@

specs :=
$(BUILD)/musl/command: $(specs)

$(downloads)/musl-%/musl-gcc.specs: third_party/musl third_party/apt.sh
	$(call say,FETCH) third_party/musl $* $(downloads) '$(THIRD_PARTY_SOURCES)'

# --- The image ---------------------------------------------------------------------------------
# What git knows about the commit becomes labels, and what it does not know none: a tree without git
# of its own has no commit, one with changes no date.
# Only BuildKit can make an image for another platform than the engine's.

platform = $(or $(PLATFORM),$(platform.$(ARCH)))
# qsticky:latest-arm-v7
image_tag = $(IMAGE)$(subst /,-,$(patsubst linux/%,/%,$(platform)))
revision = $(if $(wildcard .git),$(shell \
	git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null))
created = $(if $(filter-out %-dirty,$(revision)),$(shell \
	TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null))
labels = $(foreach name,revision created,$(addprefix \
	--label org.opencontainers.image.$(name)=,$($(name))))

.PHONY: image image-all
image:
	$(if $(platform),DOCKER_BUILDKIT=1) $(DOCKER) build $(DOCKER_BUILD_FLAGS) -f Dockerfile.scratch \
		$(if $(platform),--platform $(platform)) $(labels) -t $(image_tag) .

image-all:
	@for platform in $(platforms); do $(MAKE) image PLATFORM=$$platform || exit 1; done

# --- The build for the tests -------------------------------------------------------------------

$(BUILD)/asan/qsticky: $(BUILD)/asan/main.o $(BUILD)/asan/libqsticky.a $(call libraries,asan)
	$(call say,LINK) $(compile.asan) $^ -o $@

$(call objects,asan): $(BUILD)/asan/%.o: src/%.c $(BUILD)/asan/command $(verified)
	$(call say,CC) $(ours.asan) $(track) -c $< -o $@

$(BUILD)/host/qsticky: $(call objects,host) $(call libraries,host)
	$(call say,LINK) $(compile.host) $^ -o $@

$(call objects,host): $(BUILD)/host/%.o: src/%.c $(BUILD)/host/command $(verified)
	$(call say,CC) $(ours.host) $(track) -c $< -o $@

$(BUILD)/gcov/qsticky: $(BUILD)/gcov/main.o $(BUILD)/gcov/libqsticky.a $(call libraries,gcov)
	$(call say,LINK) $(compile.gcov) --coverage $^ -o $@

$(call objects,gcov): $(BUILD)/gcov/%.o: src/%.c $(BUILD)/gcov/command $(verified)
	$(call say,CC) $(ours.gcov) $(track) -c $< -o $@

$(call objects,fuzz): $(BUILD)/fuzz/%.o: src/%.c $(BUILD)/fuzz/command $(verified)
	$(call say,CC) $(ours.fuzz) $(track) -c $< -o $@

# All but main.o, which has the function main() of a test.
$(BUILD)/asan/libqsticky.a: $(filter-out %/main.o,$(call objects,asan))
$(BUILD)/gcov/libqsticky.a: $(filter-out %/main.o,$(call objects,gcov))
$(BUILD)/fuzz/libqsticky.a: $(filter-out %/main.o,$(call objects,fuzz))
$(BUILD)/asan/libqsticky.a $(BUILD)/gcov/libqsticky.a $(BUILD)/fuzz/libqsticky.a:
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

$(unit_tests): $(BUILD)/tests/%: tests/unit/%.c $(BUILD)/asan/libqsticky.a $(call libraries,asan)
	@mkdir -p $(@D)
	$(call say,CC) $(ours.asan) $(in_tests) $(track) $(filter %.c %.a,$^) -lcmocka -o $@

# Of the tests themselves nothing is counted.
$(covered_tests): $(BUILD)/gcov/tests/%: tests/unit/%.c $(BUILD)/gcov/libqsticky.a $(call libraries,gcov)
	@mkdir -p $(@D)
	$(call say,CC) $(compile.gcov) $(language) $(in_tests) $(warnings.gcc) $(includes) $(track) \
		$(filter %.c %.a,$^) -lcmocka -lgcov -o $@

$(verdicts): $(BUILD)/tests/%: tests/e2e/%.c $(BUILD)/asan/libqsticky.a $(call libraries,asan)
	@mkdir -p $(@D)
	$(call say,CC) $(ours.asan) $(in_tests) $(track) $(filter %.c %.a,$^) -o $@

# At fixed addresses, for which the specs of musl-gcc name the right start.
define plain_program
@mkdir -p $(@D)
$(call say,CC) $(ours.musl) $(in_tests) -fno-pie $(track) -static -no-pie $< -o $@
endef
$(BUILD)/tests/%: tests/e2e/%.c $(BUILD)/musl/command
	$(plain_program)
$(BUILD)/tests/%: tests/bench/%.c $(BUILD)/musl/command
	$(plain_program)

# Not optimized as a whole: the linker is to put its poll() before the C library's.
$(hostile): tests/e2e/hostile.c $(call objects,musl) $(call libraries,musl)
	@mkdir -p $(@D)
	$(call say,CC) $(ours.musl) $(in_tests) -fno-lto $(track) -c $< -o $@.o
	$(call say,LINK) $(compile.musl) $(link.musl) -Wl,--wrap=poll \
		$(filter %.o,$^) $@.o $(filter %.a,$^) -o $@

$(fuzz_targets): $(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/libqsticky.a $(call libraries,fuzz)
	$(call say,CC) $(ours.fuzz) $(in_tests) -fsanitize=fuzzer $(track) $(filter %.c %.a,$^) -o $@

# --- Third parties -----------------------------------------------------------------------------

$(downloads)/%/.verified: third_party/%.pin third_party/fetch third_party/apt.sh
	$(call say,FETCH) third_party/fetch $* $(downloads) '$(THIRD_PARTY_SOURCES)'

# With our compiler and flags, but as it came: no warnings of ours; BearSSL reads words where they
# lie, which UBSan does not allow; and that it takes the same time for every key has been shown for
# files compiled one by one, not for the whole program at once.
$(BUILD)/%/libbearssl.a: $(downloads)/bearssl/.verified $(BUILD)/%/command \
		third_party/bearssl.mk
	@rm -rf $(BUILD)/$*/bearssl
	$(call say,AR) $(MAKE) -f third_party/bearssl.mk SOURCE=$(downloads)/bearssl \
		OBJECTS=$(BUILD)/$*/bearssl LIBRARY=$@ AR='$(AR)' \
		COMPILE='$(compile.$*) -fno-lto -fno-sanitize=undefined -w'

# --- The kernel's headers ----------------------------------------------------------------------
# Where they are is the compiler's to say: asm/ is elsewhere on each architecture.

$(kernel)/.linked: Makefile
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

# --- When to build anew ------------------------------------------------------------------------

# Remembers what a build was made with and of: other flags, or a file more or less, and it is made
# anew. The first thing that every build needs, so also the place to say that a compiler is missing.
made_of = $(ours.$*) $(link.$*) $(sources)
quote = '$(subst ','\'',$1)'
$(BUILD)/%/command: FORCE
	@command -v $(firstword $(compile.$*)) >/dev/null || { \
		echo "$(firstword $(compile.$*)) is not installed: run tests/setup.sh" >&2; exit 1; }
	@mkdir -p $(rooms:%=$(@D)/%)
	@printf '%s\n' $(call quote,$(made_of)) | cmp -s - $@ || \
		printf '%s\n' $(call quote,$(made_of)) >$@

.PHONY: FORCE
FORCE:

# A rule that has changed may make something else of the same files.
$(foreach kind,musl asan host gcov fuzz,$(call objects,$(kind))) $(unit_tests) $(covered_tests) $(test_programs): Makefile

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)

# --- Run it ------------------------------------------------------------------------------------
# Debian's packages are installed before anything else starts, hence the second make.

.PHONY: setup prepare sources demo picture bench bench-compare
setup:
	tests/setup.sh

# After this `make`, for the same ARCH, needs no network.
prepare:
	tests/setup.sh build $(ARCH)
	$(MAKE) sources

sources: $(verified) $(if $(ARCH),$(if $(call is_native,$(ARCH)),,$(call specs_for,$(ARCH))))

demo:
	tests/setup.sh build demo
	$(MAKE) all
	$(PYTHON) tests/e2e/demo.py

# The picture in README.md: these steps of a demo that is run for it.
PICTURE_STEPS ?= 2 6 7 9
picture:
	tests/setup.sh build picture
	$(MAKE) all
	$(PYTHON) tests/e2e/picture.py docs/demo.svg $(PICTURE_STEPS)

bench:
	tests/setup.sh build bench
	$(MAKE) all $(test_programs)
	$(PYTHON) tests/bench/bench.py --json $(BUILD)/bench.json

# OLD is what another commit's `make bench` left there; NEW the same, if it is not this tree's.
NEW ?= $(BUILD)/bench.json
bench-compare:
	@$(PYTHON) tests/bench/bench_compare.py '$(OLD)' '$(NEW)'

# Ten minutes; HOURS=8 for more, SEED=1 for the same again.
.PHONY: soak
soak:
	tests/setup.sh build soak
	$(MAKE) all
	$(PYTHON) tests/e2e/soak.py --seconds $(if $(HOURS),$$(($(HOURS) * 3600)),600) \
		$(if $(SEED),--seed $(SEED))

# --- Tests -------------------------------------------------------------------------------------

.PHONY: test unit fuzz fuzz-long fuzz-coverage e2e roots
# The end-to-end tests come last: pytest's last line is the result.
test:
	tests/setup.sh build $(architectures) test
	$(MAKE) $(BUILD)/qsticky $(BUILD)/asan/qsticky $(BUILD)/host/qsticky $(unit_tests) \
		$(test_programs) $(hostile) $(fuzz_targets) $(cross_binaries) roots
	$(MAKE) unit
	$(MAKE) e2e FUZZ_BESIDE=yes PYTEST_WORKERS=$$(($(PYTEST_WORKERS) + 3))

unit: $(unit_tests)
	@for test in $^; do $$test || exit 1; done

# As many at a time as there are processors. The inputs that reached new code are kept in
# $(BUILD)/corpus/NAME; tests/fuzz/corpus has the seeds, and the dictionaries. `make test` has them run
# beside the end-to-end tests instead.
fuzz fuzz-long fuzz-coverage: $(fuzz_targets)
	$(PYTHON) tests/fuzz/fuzz.py $(fuzz.$@) $(FUZZ)
fuzz.fuzz = run --seconds $(SECONDS)
fuzz.fuzz-long = run --hours $(or $(HOURS),1)
fuzz.fuzz-coverage = coverage

e2e: $(BUILD)/qsticky $(BUILD)/asan/qsticky $(BUILD)/host/qsticky $(test_programs) \
		$(hostile) $(cross_binaries)
	$(PYTHON) -m pytest -o cache_dir=$(abspath $(BUILD))/pytest -n $(PYTEST_WORKERS) \
		--dist loadgroup \
		--timeout=300 $(if $(FUZZ_BESIDE),,--ignore=tests/e2e/test_fuzz.py) $(PYTEST_FLAGS) tests/e2e

# Each system call with each error at each place, where `make test` takes a part of them.
.PHONY: faults
faults:
	tests/setup.sh build test
	$(MAKE) $(BUILD)/qsticky $(BUILD)/asan/qsticky
	QSTICKY_FAULTS=all $(PYTHON) -m pytest -o cache_dir=$(abspath $(BUILD))/pytest \
		-n $(PYTEST_WORKERS) $(PYTEST_FLAGS) tests/e2e/test_faults.py

# The other qBittorrents, while compilers run. Where they are not to be had, the tests that need them
# say why.
roots:
	-@$(PYTHON) tests/lib/versions.py

# --- Coverage ----------------------------------------------------------------------------------
# All unit tests, and once those of the end-to-end tests that start qsticky itself, on a build that
# counts. A process adds its counts to the files beside the objects when it ends, by itself or by
# SIGTERM; one that is killed, or may not write there, is not counted. The sandbox would not let it
# write, so QSTICKY_COUNTS makes all of it but the last step. A test that fails because of that, or of the time
# that counting takes, has been counted all the same: `make test` is what judges.

.PHONY: coverage coverage-all
coverage:
	tests/setup.sh build test coverage
	$(MAKE) coverage-all

# umask and chmod: processes of other users count, too. Not while calls still fail at the end: some would
# be gcov's, which then begins to count anew. And fuzzing reaches nothing here.
uncounted := tests/e2e/test_fuzz.py $(addprefix tests/e2e/test_faults.py::,\
	test_a_stop_is_a_stop_whatever_fails \
	test_a_start_of_which_a_call_fails_gets_there_or_says_why_not \
	test_a_sandbox_that_cannot_be_made_does_not_stop_the_job)
coverage-all: $(BUILD)/gcov/qsticky $(covered_tests) $(test_programs) roots
	@find $(BUILD)/gcov -name '*.gcda' -delete
	@chmod -R a+rwX $(BUILD)/gcov
	@umask 0; for test in $(covered_tests); do \
		$$test >$$test.log 2>&1 || tail -n 5 $$test.log; \
	done
	-umask 0; QSTICKY_TEST_BUILD=gcov GCOV_ERROR_FILE=/dev/null \
		$(PYTHON) -m pytest -q -o cache_dir=$(abspath $(BUILD))/pytest -n $(PYTEST_WORKERS) \
		--dist loadgroup --timeout=300 $(uncounted:%=--deselect=%) $(PYTEST_FLAGS) tests/e2e
	@$(PYTHON) tests/lint/coverage.py $(BUILD)

# --- Checks ------------------------------------------------------------------------------------

tidied := $(sources:%=$(BUILD)/lint/%.tidy) $(test_sources:%=$(BUILD)/lint/%.tidy)
scanned := $(sources:%=$(BUILD)/lint/%.scan)
# Beyond the warnings of every build: gcc's analyzer and what only one of the two can say.
strict.gcc := $(language) $(in_tests) $(warnings.gcc) $(includes) \
	-fanalyzer -Wlogical-op -Wduplicated-cond \
	-Wduplicated-branches -Wjump-misses-init -Walloca -Warith-conversion -Wcast-align=strict
strict.clang := $(language) $(in_tests) $(warnings.clang) $(includes) \
	-Wcomma -Wunreachable-code-aggressive \
	-Wconditional-uninitialized -Wassign-enum -Wextra-semi-stmt -Wthread-safety \
	-Wloop-analysis -Wshift-sign-overflow -Wtautological-compare -Wcovered-switch-default

# Clang's analyzer once more, twice as deep into loops as clang-tidy goes, and with those of the
# checkers off by default that can be kept clean. Of the others, and why not:
#   alpha.security.ArrayBoundV2   does not know what bounds a count in another structure, nor that
#                                 memchr() ends where it was told to
#   alpha.core.CastToStruct       netlink is made of such casts, and Conversion is jsmn's
#   alpha.core.SizeofPtr          an array of pointers has no other way to count
#   alpha.core.IdenticalExpr      f() || f() is not the same twice where f() reads on
#   security.insecureAPI.Deprecated...   see .clang-tidy
scan := -maxloop 8 $(addprefix -enable-checker ,security valist nullability optin.portability \
	alpha.core.BoolAssignment alpha.core.CastSize alpha.core.FixedAddr alpha.core.PointerArithm \
	alpha.core.PointerSub alpha.core.TestAfterDivZero alpha.deadcode alpha.unix \
	alpha.security.MallocOverflow alpha.security.ReturnPtrRange alpha.security.cert) \
	-disable-checker security.insecureAPI.DeprecatedOrUnsafeBufferHandling

.PHONY: lint lint-all lint-layers lint-format lint-cppcheck lint-shell lint-python lint-manual prose format
lint:
	tests/setup.sh build lint
	$(MAKE) lint-all

lint-all: $(tidied) $(scanned) lint-format lint-cppcheck lint-shell lint-python lint-manual prose lint-layers

# Nothing includes upwards or in circles, in the order that docs/architecture.md shows.
lint-layers:
	@$(PYTHON) tests/lint/layers.py

lint-format:
	clang-format --dry-run -Werror $(sources) $(headers) $(test_sources)

# Variables are declared at the top of a block here, whatever part of it uses them; and cppcheck
# does not see that a struct behind a pointer in another struct is written, so it "knows" too much.
lint-cppcheck: $(verified)
	@mkdir -p $(BUILD)/lint/cppcheck
	cppcheck --quiet --error-exitcode=1 --cppcheck-build-dir=$(BUILD)/lint/cppcheck --std=c11 \
		--enable=warning,style,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=variableScope \
		--suppress=knownConditionTrueFalse \
		-D_GNU_SOURCE -DQSTICKY_VERSION='"$(VERSION)"' -Isrc $(in_tests) $(sources) $(test_sources)

lint-shell:
	shellcheck --external-sources $(scripts)

lint-python:
	@$(PYTHON) -W error -c 'import pathlib, sys; \
		[compile(pathlib.Path(name).read_bytes(), name, "exec") for name in sys.argv[1:]]' \
		$(python_sources)

lint-manual:
	mandoc -T lint docs/qsticky.8

# How many sentences are long. README and docs/ must keep to the limit.
prose:
	@$(PYTHON) tests/lint/prose.py

# Both compilers and clang-tidy, a file at a time so that they run in parallel.
$(BUILD)/lint/%.tidy: % $(headers) Makefile .clang-tidy $(verified)
	@mkdir -p $(@D)
	$(call say,LINT) $(HOST_CC) -O2 $(strict.gcc) -c $< -o $(BUILD)/lint/$<.o
	@$(CLANG) -O2 $(strict.clang) -c $< -o $(BUILD)/lint/$<.o
	@found=$$(clang-tidy --quiet $< -- $(language) $(in_tests) $(includes) 2>&1) || \
		{ printf '%s\n' "$$found"; exit 1; }
	@touch $@

# Not musl-gcc, whose specs clang does not read: the analyzer would look at no libc at all.
$(BUILD)/lint/%.scan: % $(headers) Makefile $(verified)
	@mkdir -p $(@D)
	$(call say,SCAN) found=$$(scan-build --status-bugs $(scan) -o $@.reports \
		--use-cc=$(HOST_CC) $(HOST_CC) -O1 $(language) $(includes) -c $< -o /dev/null 2>&1) || \
		{ printf '%s\n' "$$found"; exit 1; }
	@touch $@

format:
	clang-format -i $(sources) $(headers) $(test_sources)

# The same bytes from a directory with another name, at another time, under another umask.
.PHONY: reproducible
reproducible: $(BUILD)/qsticky
	@rm -rf $(BUILD)/elsewhere
	@mkdir -p $(BUILD)/elsewhere/deeper
	@cp -R Makefile src third_party $(BUILD)/elsewhere/deeper
	@umask 077 && TZ=Asia/Tokyo $(MAKE) -C $(BUILD)/elsewhere/deeper BUILD=out \
		THIRD_PARTY_SOURCES=$(abspath $(downloads)) >/dev/null
	cmp $(BUILD)/qsticky $(BUILD)/elsewhere/deeper/out/qsticky
	@rm -rf $(BUILD)/elsewhere
	@sha256sum $(BUILD)/qsticky

.PHONY: size
size: $(BUILD)/qsticky
	@nm --print-size --size-sort --reverse-sort --radix=d $(BUILD)/musl/qsticky | head -n 30
	@size $(BUILD)/qsticky
	@stat --format='%s bytes  %n' $(BUILD)/qsticky

# --- The rest ----------------------------------------------------------------------------------

.PHONY: install uninstall clean distclean help
install: $(binary)
	install -D -m 0755 $(binary) $(DESTDIR)$(bindir)/qsticky
	install -D -m 0644 docs/qsticky.8 $(DESTDIR)$(mandir)/man8/qsticky.8

uninstall:
	rm -f $(DESTDIR)$(bindir)/qsticky $(DESTDIR)$(mandir)/man8/qsticky.8

# What was downloaded stays: `make clean` should not need a network.
clean:
	rm -rf $(filter-out %/third_party %/roots,$(wildcard $(BUILD)/*))

distclean:
	rm -rf $(BUILD)

help:
	@echo 'make               $(BUILD)/qsticky: one static binary'
	@echo 'make ARCH=armhf    the same in $(BUILD)/armhf, for another architecture:'
	@echo '                   $(architectures)'
	@echo 'make image         the Docker image $(IMAGE); for another platform with PLATFORM:'
	@echo '                   $(platforms)'
	@echo 'make image-all     all of them, as $(IMAGE)-amd64 and so on'
	@echo 'make prepare       install and download what `make` needs; ARCH as above'
	@echo 'make install       into PREFIX (/usr/local), below DESTDIR if that is given'
	@echo 'make demo          watch it work with a real qBittorrent'
	@echo 'make picture       docs/demo.svg, made from a run of the demo'
	@echo 'make test          all tests; also: make unit, fuzz, e2e'
	@echo 'make fuzz-long     HOURS of fuzzing (1); make fuzz and fuzz-long take FUZZ=fuzz_http'
	@echo 'make fuzz-coverage lines that the inputs found up to now reach'
	@echo 'make faults        each system call made to fail, with each error, at each place'
	@echo 'make lint          compilers, clang-format, clang-tidy, scan-build, cppcheck, shellcheck'
	@echo 'make prose         count the long sentences in comments, README and docs'
	@echo 'make coverage      lines and branches that the tests reach'
	@echo 'make format        clang-format, in place'
	@echo 'make soak          random trouble for 10 minutes, or HOURS=8; SEED=1 for the same again'
	@echo 'make bench         what it costs, beside the goals; also as $(BUILD)/bench.json'
	@echo 'make bench-compare OLD=FILE   that of another commit, and ratios'
	@echo 'make size          what the binary is made of'
	@echo 'make reproducible  a second build gives the same bytes'
	@echo 'make setup         install all Debian packages that these need (also done by demo, test,'
	@echo '                   lint and bench, for themselves)'
	@echo 'make clean         remove what was built; make distclean: and what was downloaded'
