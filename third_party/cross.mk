# Builds for other architectures. Included by ../Makefile.

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
