# The SIP gateway: one line for each file with its header.
noinst_LIBRARIES += sipcomp/libsipcomp.a
sipcomp_libsipcomp_a_SOURCES =
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/dialog.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/frame.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/message.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/sdp.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/transaction.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/transport.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/uri.h

if HAVE_SIPCOMP
sbin_PROGRAMS += sipcomp/sipcomp
endif
sipcomp_sipcomp_SOURCES = sipcomp/main.c
sipcomp_sipcomp_LDADD = $(libs_sipcomp)
