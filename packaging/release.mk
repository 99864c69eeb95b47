# The image and all that a release consists of. Included by ../Makefile; absent where the image is built.

# Of `make image`.
DOCKER ?= docker
DOCKER_BUILD_FLAGS ?=
IMAGE ?= qsticky:latest
# Where these sources are published, for the image's labels: https://github.com/OWNER/qsticky.
SOURCE_URL ?=

.PHONY: image image-all dist dist-all image-dist docs release-check release-notes names

# --- What git knows --------------------------------------------------------------------------

# A tree without git of its own has no commit, one with changes no date.
revision = $(if $(wildcard .git),$(shell \
	git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null))
git_date = $(if $(filter-out %-dirty,$(revision)),$(shell \
	TZ=UTC0 git log -1 --format=%cd --date=format-local:$1 2>/dev/null))
created = $(call git_date,%Y-%m-%dT%H:%M:%SZ)
# Of the files in a tarball, as https://reproducible-builds.org/ has it.
SOURCE_DATE_EPOCH ?= $(or $(call git_date,%s),0)

# --- The image -------------------------------------------------------------------------------

# These labels depend on who builds: what is not known has no label. (A LABEL in the Dockerfile would be
# there all the same, and be empty.) Only BuildKit makes an image for another platform than the engine's.
url = $(SOURCE_URL)
source = $(SOURCE_URL)
documentation = $(SOURCE_URL:%=%#readme)
labels = $(foreach name,revision created source url documentation,$(addprefix \
	--label org.opencontainers.image.$(name)=,$($(name))))

platform = $(or $(PLATFORM),$(platform.$(ARCH)))
# qsticky:latest-arm-v7
dashed = $(subst /,-,$(patsubst linux/%,/%,$1))
image:
	$(if $(platform),DOCKER_BUILDKIT=1) $(DOCKER) build $(DOCKER_BUILD_FLAGS) -f Dockerfile.scratch \
		$(if $(platform),--platform $(platform)) $(labels) -t $(IMAGE)$(call dashed,$(platform)) .

image-all:
	@for platform in $(platforms); do $(MAKE) image PLATFORM=$$platform || exit 1; done

# --- The files of a release ------------------------------------------------------------------

# Made on Debian 12, they are the same bytes each time.
dist := $(BUILD)/dist
staging := $(BUILD)/staging
release := qsticky-$(VERSION)
tarball = $(release)-linux$(call dashed,$(platform.$1)).tar.gz
sbom := $(release).spdx.json
image_tar := $(release)-image.tar
compiler = $(if $(call is_native,$1),$(HOST_CC),$(machine.$1)-gcc)
musl_version = $(shell dpkg-query --show --showformat='$${Version}' musl-dev)

dist image-dist:
	tests/setup.sh build $(architectures) dist
	$(MAKE) $(cross_binaries)
	$(MAKE) $@-files

.PHONY: dist-files image-dist-files $(architectures:%=dist-%) $(architectures:%=root-%)
dist-files: image-dist-files $(architectures:%=dist-%)
	@packaging/sbom.py $(dist)/$(sbom) --version $(VERSION) --time $(SOURCE_DATE_EPOCH) \
		--musl '$(musl_version)' --pins third_party $(foreach name,$(architectures), \
		--binary $(platform.$(name))=$(BUILD)/$(name)/qsticky,$(call compiler,$(name)))
	@cd $(dist) && sha256sum $(foreach name,$(architectures),$(call tarball,$(name))) $(image_tar) \
		$(sbom) >SHA256SUMS && cat SHA256SUMS

$(architectures:%=dist-%): dist-%: $(staging)/LICENSE
	@mkdir -p $(dist)
	@rm -rf $(staging)/$*
	@umask 022 && dir=$(staging)/$*/$(patsubst %.tar.gz,%,$(call tarball,$*)) && mkdir -p $$dir && \
		install -m 0755 $(BUILD)/$*/qsticky $$dir && \
		install -m 0644 docs/qsticky.8 examples/qsticky.service $(staging)/LICENSE $$dir
	@tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@$(SOURCE_DATE_EPOCH) -C $(staging)/$* $(patsubst %.tar.gz,%,$(call tarball,$*)) | \
		gzip -9n >$(dist)/$(call tarball,$*)

$(staging)/LICENSE: $(verified) FORCE
	@mkdir -p $(@D)
	@packaging/licenses $(downloads) >$@

# All platforms in one OCI image layout: `docker load` (from 25 on), podman and skopeo take it.
image-dist-files: $(architectures:%=root-%)
	@mkdir -p $(dist)
	@packaging/oci.py $(dist)/$(image_tar) --name $(IMAGE_REPOSITORY):$(VERSION) \
		$(addprefix --created ,$(created)) $(labels) \
		$(foreach name,$(architectures),$(platform.$(name))=$(staging)/root-$(name))
	@ls -l $(dist)/$(image_tar)

# As the image that Docker builds, and the licences, since this one is given to others.
$(architectures:%=root-%): root-%: $(staging)/LICENSE
	@rm -rf $(staging)/$@
	@umask 022 && $(MAKE) ARCH=$* PLATFORM= image-root DESTDIR=$(abspath $(staging))/$@ >/dev/null
	@install -m 0644 $(staging)/LICENSE $(staging)/$@

# --- What else a release needs ---------------------------------------------------------------

# Writes IMAGE_REPOSITORY and VERSION into README, docs, examples and Dockerfile.scratch.
docs:
	@packaging/names.py '$(IMAGE_REPOSITORY)' '$(VERSION)'

# TAG=v3.1.0: whether that is what this tree is, and complete.
release-check:
	@packaging/release.py check '$(TAG)' '$(VERSION)' '$(IMAGE_REPOSITORY)'

# For the workflow: where its image goes.
names:
	@echo 'repository=$(IMAGE_REPOSITORY)'
	@echo 'version=$(VERSION)'

release-notes:
	@packaging/release.py notes '$(VERSION)'

help::
	@echo 'make image         the Docker image $(IMAGE); for another platform with PLATFORM:'
	@echo '                   $(platforms)'
	@echo 'make image-all     all of them, as $(IMAGE)-amd64 and so on'
	@echo 'make image-dist    all of them in one OCI image layout'
	@echo 'make dist          what a release consists of: $(dist)'
	@echo 'make docs          write IMAGE_REPOSITORY and VERSION wherever they are named'
