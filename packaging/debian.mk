# `make deb`: a Debian package of the binary, the manual page and the unit. Included by ../Makefile.
#
# dpkg-buildpackage wants debian/ at the top of a source tree, so one is made: the sources, the pinned
# archives of what is linked in, and packaging/debian. The build there needs no network.

.PHONY: deb deb-all
help::
	@echo 'make deb           a Debian package in $(BUILD)/deb; for another architecture with ARCH'

deb_files := LICENSE Makefile docs/qsticky.8 examples src tests/setup.sh third_party
deb_tree := $(BUILD)/deb/qsticky-$(VERSION)
deb = $(BUILD)/deb/qsticky_$(VERSION)_$1.deb
# The date of the commit, for the same bytes each time; without git, the start of the epoch.
deb_date = $(or $(SOURCE_DATE_EPOCH),$(if $(wildcard .git),$(shell git log -1 --format=%ct)),0)

# The packages come first, hence the second make.
deb:
	tests/setup.sh build $(ARCH) deb
	$(MAKE) sources
	$(MAKE) deb-all

# Without this make's environment: what was set for it (BUILD, CFLAGS) is not for the one in there.
# -d with ARCH: Debian's cross compilers are there, but the packages that dpkg would ask for are
# the other architecture's.
deb-all:
	@rm -rf $(deb_tree)
	@mkdir -p $(deb_tree)
	@cp --parents -R $(deb_files) $(deb_tree)
	@cp -R packaging/debian $(deb_tree)/debian
	@mkdir -p $(deb_tree)/third_party/sources
	@cp $(wildcard $(downloads)/*.tar.* $(downloads)/*.deb) $(deb_tree)/third_party/sources
	@printf '%s\n' 'qsticky ($(VERSION)) unstable; urgency=medium' '' \
		'  * What changed: CHANGELOG.md of the sources.' '' \
		" -- $$(sed -n 's/^Maintainer: //p' packaging/debian/control)  $$(date -R -u -d @$(deb_date))" \
		>$(deb_tree)/debian/changelog
	@cd $(deb_tree) && env --ignore-environment PATH="$$PATH" LC_ALL=C SOURCE_DATE_EPOCH=$(deb_date) \
		dpkg-buildpackage --build=binary --no-sign $(if $(ARCH),--host-arch $(ARCH) -d) \
		>../build.log 2>&1 || { tail -n 30 ../build.log; exit 1; }
	@ls $(call deb,$(or $(ARCH),$(shell dpkg --print-architecture)))
