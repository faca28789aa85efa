# The SIP gateway: one line for each file with its header.
noinst_LIBRARIES += sipcomp/libsipcomp.a
sipcomp_libsipcomp_a_SOURCES =
sipcomp_libsipcomp_a_SOURCES += sipcomp/bridge/address.c sipcomp/bridge/address.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/aol.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/charset.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/dialect.c sipcomp/dialect/dialect.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/html.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/lync.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/microsoft_private.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/multipart.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/ocs.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/rtf.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/simple.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/text.c sipcomp/dialect/text.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/dialect/text_private.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/route/federation.c sipcomp/route/federation.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/route/order.c sipcomp/route/order.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/simple/failure.c sipcomp/simple/failure.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/simple/pidf.c sipcomp/simple/pidf.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/client.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/dialog.c sipcomp/sip/dialog.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/flow.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/frame.c sipcomp/sip/frame.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/grammar.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/message.c sipcomp/sip/message.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/parse.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/sdp.c sipcomp/sip/sdp.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/server.c
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/sip_private.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/transaction.c sipcomp/sip/transaction.h sipcomp/sip/transaction_private.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/transport.c sipcomp/sip/transport.h sipcomp/sip/transport_private.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/sip/uri.c sipcomp/sip/uri.h
sipcomp_libsipcomp_a_SOURCES += sipcomp/settings.c sipcomp/settings.h

if HAVE_SIPCOMP
sbin_PROGRAMS += sipcomp/sipcomp
endif
sipcomp_sipcomp_SOURCES = sipcomp/main.c
sipcomp_sipcomp_LDADD = $(libs_sipcomp)
