# How the tests of unit/local.mk and fuzz/local.mk are linked, and the targets that run everything. The libraries follow from the
# directory: tests/unit/shared/ has libshared, tests/unit/xmppd/ libxmppd as well, tests/unit/sipcomp/ libsipcomp as well.
LDADD = $(if $(findstring /fuzz/,$@),$(libs_fuzz),$(libs_test))
libs_test = $(CMOCKA_LIBS) $(if $(findstring /unit/sipcomp/,$@),$(libs_sipcomp),$(if $(findstring /unit/xmppd/,$@),$(libs_xmppd),$(libs_shared)))
libs_fuzz = $(fuzz_main) xmppd/libxmppd.a sipcomp/libsipcomp.a $(libs_shared) $(SASL_LIBS) $(LDAP_LIBS) $(OSIP_LIBS)

check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c

# libFuzzer's programs: here, or in a build of their own from a copy of the sources, since clang and other flags make other objects.
if FUZZERS
fuzz_main = -fsanitize=fuzzer
fuzz_dir = $(abs_builddir)
fuzzers: $(fuzz_programs)
else
fuzz_main = tests/fuzz/libreplay.a
fuzz_dir = $(abs_builddir)/build-fuzz
fuzzers:
	@command -v clang >/dev/null || exit 0; \
	mkdir -p build-fuzz && $(MAKE) $(AM_MAKEFLAGS) distdir distdir=build-fuzz/source >/dev/null && cd build-fuzz && \
	{ test -f Makefile || source/configure -q CC=clang --enable-fuzzers; } && $(MAKE) $(AM_MAKEFLAGS) fuzzers
endif

if HAVE_CMOCKA
check_PROGRAMS += $(test_programs)
endif
check_PROGRAMS += $(fuzz_programs)

$(test_programs): shared/libshared.a xmppd/libxmppd.a sipcomp/libsipcomp.a
$(fuzz_programs): tests/fuzz/libreplay.a shared/libshared.a xmppd/libxmppd.a sipcomp/libsipcomp.a

run_checks = BUILD_DIR='$(abs_builddir)' SRC_DIR='$(abs_srcdir)' PYTHON='$(PYTHON)' CC='$(CC)' CPPFLAGS='$(AM_CPPFLAGS)' \
        TEST_PATIENCE='$(patience)' HAVE_CMOCKA='$(have_cmocka)' HAVE_PYTEST='$(have_pytest)' \
        UNIT_TESTS='$(test_programs)' FUZZ_TESTS='$(fuzz_programs)' FUZZ_DIR='$(fuzz_dir)' $(SHELL) $(srcdir)/tests/run-checks

check-local:
	@$(run_checks) all

# The part that needs no more than seconds, and the conversations that run on four workers.
check-fast: all
	@$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	@$(run_checks) fast

check-workers: all
	@$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	@$(run_checks) workers

check-long: all
	@$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)
	@$(MAKE) $(AM_MAKEFLAGS) fuzzers
	@$(run_checks) long

# Ten seconds for each target, or FUZZ_SECONDS.
fuzz:
	@$(MAKE) $(AM_MAKEFLAGS) fuzzers
	@$(run_checks) fuzz

# All that the checks need, for who runs them later.
check-programs: all
	@$(MAKE) $(AM_MAKEFLAGS) $(check_PROGRAMS)

.PHONY: check-fast check-workers check-long check-programs fuzz fuzzers

# Whole directories of data and scripts.
EXTRA_DIST += tests/README.md tests/conftest.py tests/pytest.ini tests/daemon tests/federation tests/harness tests/peers tests/talk tests/bench \
        $(wildcard $(srcdir)/tests/fuzz/seeds)
EXTRA_DIST += tests/run tests/run-checks tests/unit/stairs.sh

dist-hook:
	find '$(distdir)/tests' '(' -name __pycache__ -o -name .dirstamp -o -name .deps -o -name '*.o' ')' -prune -exec rm -rf {} +
	rm -f '$(distdir)/tests/bench/xload/xload' '$(distdir)/tests/bench/store/store-bench' '$(distdir)/tests/bench/relay'

# The daemons on loopback with a SIP peer; PORT_OFFSET moves all ports.
run: all
	@BUILD_DIR='$(abs_builddir)' SRC_DIR='$(abs_srcdir)' $(PYTHON) $(srcdir)/tests/run --port-offset $(or $(PORT_OFFSET),0)

.PHONY: run

clean-local:
	rm -rf tests/results build-fuzz
