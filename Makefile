# qsticky. `make help` lists the targets; GNU make.

VERSION := 3.0.0
# Where the image is published. Whoever publishes it sets this and runs `make docs`.
IMAGE_REPOSITORY ?= registry.example/owner/qsticky

# What a user may set, on the command line or in the environment.
BUILD ?= build
PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
mandir ?= $(PREFIX)/share/man
DESTDIR ?=
MUSL_CC ?= musl-gcc
HOST_CC ?= gcc
STRIP ?= strip
CFLAGS ?= -Oz
# V=1 shows the whole commands.
V ?=
# Debian's own Python: it is the one that has Debian's pytest.
PYTHON ?= /usr/bin/python3
# A directory with the pinned tarballs, for a build without a network.
THIRD_PARTY_SOURCES ?=
# What is linked in.
THIRD_PARTY ?= jsmn bearssl

# For another architecture: Debian's name of it (make ARCH=armhf) or Docker's of the platform
# (make PLATFORM=linux/arm/v7). The result is in $(BUILD)/ARCH.
PLATFORM ?=
ARCH ?= $(if $(PLATFORM),$(or $(arch.$(PLATFORM)),\
	$(error PLATFORM=$(PLATFORM): there are $(platforms))))

# The tree stays as it was checked out.
export PYTHONDONTWRITEBYTECODE := 1

MAKEFLAGS += --no-builtin-rules --no-builtin-variables --no-print-directory
AR := ar
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# --- What there is ---------------------------------------------------------------------------

# main.c, and a folder for each room: docs/architecture.md has their order.
rooms := $(sort $(patsubst src/%/,%,$(dir $(wildcard src/*/*.c))))
sources := src/main.c $(sort $(wildcard src/*/*.c))
headers := $(sort $(wildcard src/*/*.h))

objects = $(sources:src/%.c=$(BUILD)/$1/%.o)

# --- How it is compiled ----------------------------------------------------------------------

warnings := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wdouble-promotion -Wswitch-enum -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wmissing-variable-declarations -Wformat=2 -Wformat-signedness \
	-Wundef -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wredundant-decls \
	-Wnested-externs -Wimplicit-fallthrough -Wdate-time -Wnull-dereference
# Each compiler lacks one of them.
warnings.gcc := $(filter-out -Wmissing-variable-declarations,$(warnings))
warnings.clang := $(filter-out -Wformat-signedness,$(warnings))

language := -std=c11 -D_GNU_SOURCE -DQSTICKY_VERSION='"$(VERSION)"' -Isrc

ours.musl = $(compile.musl) $(harder.ours) $(language) $(warnings.gcc) $(includes) \
	-idirafter $(kernel)
track = -MMD -MP -MF $@.d
say = $(if $(V),,@printf '  %-6s%s\n' $1 $@;)

include third_party/musl.mk third_party/third_party.mk third_party/cross.mk

# --- What users get --------------------------------------------------------------------------

binary := $(BUILD)/$(ARCH:%=%/)qsticky

.PHONY: all FORCE prepare sources install image-root uninstall clean distclean help
all: $(binary)

# The section .comment names the packages of the compilers, whatever they made.
$(BUILD)/qsticky: $(BUILD)/musl/qsticky
	$(call say,STRIP) $(STRIP) --strip-all --remove-section=.comment --remove-section=.eh_frame -o $@ $<

# The same with its symbols, for `make size`, callgrind and gdb.
$(BUILD)/musl/qsticky: $(call objects,musl) $(call libraries,musl) third_party/memory.ld
	$(call say,LINK) $(compile.musl) $(link.musl) $(filter %.o %.a,$^) -o $@

$(call objects,musl): $(BUILD)/musl/%.o: src/%.c $(BUILD)/musl/command $(verified)
	$(call say,CC) $(ours.musl) $(track) -c $< -o $@

# They fill arrays of char by hand, with what others wrote, and gcc does not guard those by itself: see
# third_party/musl.mk.
by_hand := base/beneath config/url net/resolve_files tls/trust tls/verify
$(by_hand:%=$(BUILD)/musl/%.o): harder.ours += -fstack-protector-strong

# --- When to build anew ----------------------------------------------------------------------

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

FORCE:

# make 4.4 (Debian 13) takes it for a mere step on the way, deletes it, and builds all again next time.
.PRECIOUS: $(BUILD)/%/command

# A rule that has changed may make something else of the same files.
$(call objects,musl): Makefile

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)

# --- Without a network -----------------------------------------------------------------------

# After this `make`, for the same ARCH, needs no network.
prepare:
	tests/setup.sh build $(ARCH)
	$(MAKE) sources

sources: $(verified) $(if $(ARCH),$(if $(call is_native,$(ARCH)),,$(call specs_for,$(ARCH))))

# --- The rest --------------------------------------------------------------------------------

install: $(binary)
	install -D -m 0755 $(binary) $(DESTDIR)$(bindir)/qsticky
	install -D -m 0644 docs/qsticky.8 $(DESTDIR)$(mandir)/man8/qsticky.8

uninstall:
	rm -f $(DESTDIR)$(bindir)/qsticky $(DESTDIR)$(mandir)/man8/qsticky.8

# All that is in the image. The health directory is not sticky, unlike /tmp: if a volume lies on it and
# the user is changed, what the former one left there can still be replaced.
image-root: $(binary)
	install -D -m 0755 $(binary) $(DESTDIR)/qsticky
	install -d -m 0755 $(DESTDIR)/app
	install -d -m 0777 $(DESTDIR)/app/health
	install -d -m 1777 $(DESTDIR)/tmp

# What was downloaded stays: `make clean` should not need a network.
clean:
	rm -rf $(filter-out %/third_party %/roots,$(wildcard $(BUILD)/*))

distclean:
	rm -rf $(BUILD)

help::
	@echo 'make               $(BUILD)/qsticky: one static binary'
	@echo 'make ARCH=armhf    the same in $(BUILD)/armhf, for another architecture:'
	@echo '                   $(architectures)'
	@echo 'make prepare       install and download what `make` needs; ARCH as above'
	@echo 'make install       into PREFIX (/usr/local), below DESTDIR if that is given'
	@echo 'make clean         remove what was built; make distclean: and what was downloaded'

# Absent where the image is built.
-include packaging/release.mk packaging/debian.mk
-include tests/tests.mk
