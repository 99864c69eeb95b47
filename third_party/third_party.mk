# What is linked in: fetched, verified, built as it came. Included by ../Makefile.

downloads := $(BUILD)/third_party
# Headers of third parties are the system's to the compiler: our warnings are not for them.
include.jsmn := -isystem $(downloads)/jsmn
include.bearssl := -isystem $(downloads)/bearssl/inc
includes := $(foreach name,$(THIRD_PARTY),$(include.$(name)))
verified := $(THIRD_PARTY:%=$(downloads)/%/.verified)
libraries = $(patsubst %,$(BUILD)/$1/lib%.a,$(filter-out jsmn,$(THIRD_PARTY)))

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
