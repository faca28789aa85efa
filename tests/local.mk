# tests: the emulated peers, the conversations and the benchmarks; unit tests are listed in tests/unit/local.mk

noinst_PROGRAMS += tests/bench/xload/xload
noinst_PROGRAMS += tests/bench/store/store-bench
noinst_PROGRAMS += tests/bench/relay
tests_bench_relay_SOURCES = tests/bench/relay.c
tests_bench_relay_LDADD = $(libs_shared)
tests_bench_store_store_bench_SOURCES = tests/bench/store/main.c
tests_bench_store_store_bench_LDADD = $(libs_shared)

tests_bench_xload_xload_SOURCES = \
	tests/bench/xload/login.c \
	tests/bench/xload/main.c \
	tests/bench/xload/mode_back.c \
	tests/bench/xload/mode_carbons.c \
	tests/bench/xload/mode_chat.c \
	tests/bench/xload/mode_connect.c \
	tests/bench/xload/mode_domains.c \
	tests/bench/xload/mode_drop.c \
	tests/bench/xload/mode_first.c \
	tests/bench/xload/mode_friends.c \
	tests/bench/xload/mode_half.c \
	tests/bench/xload/mode_muc.c \
	tests/bench/xload/mode_offline.c \
	tests/bench/xload/mode_presence.c \
	tests/bench/xload/mode_s2s.c \
	tests/bench/xload/mode_sip.c \
	tests/bench/xload/mode_sip_dialogs.c \
	tests/bench/xload/mode_sip_presence.c \
	tests/bench/xload/mode_sip_relay.c \
	tests/bench/xload/net.c \
	tests/bench/xload/remote.c \
	tests/bench/xload/scram.c \
	tests/bench/xload/sip.c \
	tests/bench/xload/stat.c \
	tests/bench/xload/xload.h \
	tests/bench/xload/xml.c
tests_bench_xload_xload_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS) $(OPENSSL_CFLAGS)
tests_bench_xload_xload_LDADD = $(UV_LIBS) $(OPENSSL_LIBS)

EXTRA_DIST += tests/demo

# One conversation between an XMPP user and a SIP user, printed as it happens.
demo: all
	@BUILD_DIR='$(abs_builddir)' $(PYTHON) $(srcdir)/tests/demo/demo

# BENCH='--only chat,idle --runs 1' makes it shorter; run-bench --help says what there is.
bench: all
	@BUILD_DIR='$(abs_builddir)' $(PYTHON) $(srcdir)/tests/bench/run-bench $(BENCH)

.PHONY: demo bench
