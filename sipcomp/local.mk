# The SIP gateway: one line for each file with its header.
noinst_LIBRARIES += sipcomp/libsipcomp.a
sipcomp_libsipcomp_a_SOURCES =

if HAVE_SIPCOMP
sbin_PROGRAMS += sipcomp/sipcomp
endif
sipcomp_sipcomp_SOURCES = sipcomp/main.c
sipcomp_sipcomp_LDADD = $(libs_sipcomp)
