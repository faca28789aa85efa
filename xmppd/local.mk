# The server: one line for each file with its header. ctl/ is the program xmppctl, which uses shared/ and
# the accounts of user/.
noinst_LIBRARIES += xmppd/libxmppd.a
xmppd_libxmppd_a_SOURCES =
xmppd_libxmppd_a_SOURCES += xmppd/admin/admin.c xmppd/admin/admin.h
xmppd_libxmppd_a_SOURCES += xmppd/admin/admin_private.h
xmppd_libxmppd_a_SOURCES += xmppd/admin/sessions.c
xmppd_libxmppd_a_SOURCES += xmppd/admin/user.c
xmppd_libxmppd_a_SOURCES += xmppd/c2s/c2s.h
xmppd_libxmppd_a_SOURCES += xmppd/c2s/c2s_private.h
xmppd_libxmppd_a_SOURCES += xmppd/c2s/client.c
xmppd_libxmppd_a_SOURCES += xmppd/c2s/listen.c
xmppd_libxmppd_a_SOURCES += xmppd/c2s/login.c
xmppd_libxmppd_a_SOURCES += xmppd/c2s/negotiate.c
xmppd_libxmppd_a_SOURCES += xmppd/c2s/session_out.c
xmppd_libxmppd_a_SOURCES += xmppd/component/component.c xmppd/component/component.h
xmppd_libxmppd_a_SOURCES += xmppd/component/component_private.h
xmppd_libxmppd_a_SOURCES += xmppd/component/listen.c
xmppd_libxmppd_a_SOURCES += xmppd/extend/extend.c
xmppd_libxmppd_a_SOURCES += xmppd/extend/extension.h
xmppd_libxmppd_a_SOURCES += xmppd/extend/server.c xmppd/extend/server.h
xmppd_libxmppd_a_SOURCES += xmppd/route/home.c xmppd/route/home.h
xmppd_libxmppd_a_SOURCES += xmppd/route/route.c xmppd/route/route.h
xmppd_libxmppd_a_SOURCES += xmppd/route/snapshot.c xmppd/route/snapshot.h
xmppd_libxmppd_a_SOURCES += xmppd/sasl/credentials.c xmppd/sasl/credentials.h
xmppd_libxmppd_a_SOURCES += xmppd/sasl/cyrus.c xmppd/sasl/cyrus.h
xmppd_libxmppd_a_SOURCES += xmppd/sasl/sasl.c xmppd/sasl/sasl.h
xmppd_libxmppd_a_SOURCES += xmppd/settings.c xmppd/settings.h
xmppd_libxmppd_a_SOURCES += xmppd/user/account.c xmppd/user/account.h
xmppd_libxmppd_a_SOURCES += xmppd/user/account_json.c xmppd/user/account_json.h
xmppd_libxmppd_a_SOURCES += xmppd/user/account_private.h
xmppd_libxmppd_a_SOURCES += xmppd/user/blocking.c xmppd/user/blocking.h
xmppd_libxmppd_a_SOURCES += xmppd/user/contact.c
xmppd_libxmppd_a_SOURCES += xmppd/user/delivery.c xmppd/user/delivery.h
xmppd_libxmppd_a_SOURCES += xmppd/user/offline.c
xmppd_libxmppd_a_SOURCES += xmppd/user/presence.c
xmppd_libxmppd_a_SOURCES += xmppd/user/records.c xmppd/user/records.h
xmppd_libxmppd_a_SOURCES += xmppd/user/roster.c
xmppd_libxmppd_a_SOURCES += xmppd/user/scram.c xmppd/user/scram.h
xmppd_libxmppd_a_SOURCES += xmppd/user/session.c xmppd/user/session.h
xmppd_libxmppd_a_SOURCES += xmppd/user/subscription.c xmppd/user/subscription.h
xmppd_libxmppd_a_SOURCES += xmppd/user/tables.c xmppd/user/tables.h
xmppd_libxmppd_a_SOURCES += xmppd/user/user.c xmppd/user/user.h
xmppd_libxmppd_a_SOURCES += xmppd/user/user_private.h
xmppd_libxmppd_a_SOURCES += xmppd/user/write.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0030_disco.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0092_version.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0160_offline.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0191_blocking.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0199_ping.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/0202_time.c
xmppd_libxmppd_a_SOURCES += xmppd/xep/all.c xmppd/xep/all.h

if HAVE_XMPPD
sbin_PROGRAMS += xmppd/xmppd
endif
xmppd_xmppd_SOURCES = xmppd/main.c
xmppd_xmppd_LDADD = $(libs_xmppd)

if HAVE_XMPPCTL
bin_PROGRAMS += xmppd/xmppctl
endif
xmppd_xmppctl_SOURCES =
xmppd_xmppctl_SOURCES += xmppd/ctl/ask.c xmppd/ctl/ctl.h
xmppd_xmppctl_SOURCES += xmppd/ctl/main.c
xmppd_xmppctl_SOURCES += xmppd/ctl/print.c
xmppd_xmppctl_SOURCES += xmppd/ctl/probe.c
xmppd_xmppctl_SOURCES += xmppd/ctl/server.c
xmppd_xmppctl_SOURCES += xmppd/ctl/settings.c
xmppd_xmppctl_SOURCES += xmppd/ctl/transfer.c
xmppd_xmppctl_SOURCES += xmppd/ctl/users.c
xmppd_xmppctl_LDADD = xmppd/libxmppd.a $(libs_shared) $(STROPHE_LIBS)
