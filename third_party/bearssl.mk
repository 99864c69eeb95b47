# Builds libbearssl.a, as BearSSL came. A makefile of its own because its sources can only be listed
# once they are unpacked; the Makefile calls it then, and gives:
#
#   SOURCE   the unpacked BearSSL
#   OBJECTS  a directory of its own for the objects
#   LIBRARY  the archive to make
#   COMPILE  compiler and flags
#   AR       archiver

sources := $(sort $(wildcard $(SOURCE)/src/*.c $(SOURCE)/src/*/*.c))
objects := $(sources:$(SOURCE)/src/%.c=$(OBJECTS)/%.o)

# BearSSL's own switches (src/config.h): random numbers and the time are given to it (src/tls/tls.c,
# src/tls/verify.c), so it need not know how to get them.
configuration := -DBR_RDRAND=0 -DBR_USE_URANDOM=0 -DBR_USE_UNIX_TIME=0

# The archive is made again each time: `ar` would keep members that are no longer listed.
$(LIBRARY): $(objects)
	@rm -f $@
	@$(AR) rcs $@ $^

$(objects): $(OBJECTS)/%.o: $(SOURCE)/src/%.c
	@mkdir -p $(@D)
	@$(COMPILE) $(configuration) -I$(SOURCE)/src -I$(SOURCE)/inc -c $< -o $@
