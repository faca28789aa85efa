# Samples, service units and manual pages. Samples are put in place once and never written over: they are the administrator's then.
samples = $(wildcard $(srcdir)/conf/*.conf)
xmppdconfdir = $(sysconfdir)/xmppd
unit_sed = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'

dist_man_MANS += conf/man/federation.conf.5 conf/man/sipcomp.8 conf/man/sipcomp.conf.5 conf/man/xmppctl.1 conf/man/xmppd.8 \
        conf/man/xmppd.conf.5

units = conf/systemd/xmppd.service conf/systemd/sipcomp.service
if SYSTEMD_UNITS
systemdsystemunit_DATA = $(units)
sysusersdir = $(prefix)/lib/sysusers.d
endif
CLEANFILES += $(units)
EXTRA_DIST += conf/systemd/xmppd.service.in conf/systemd/sipcomp.service.in conf/systemd/xmppd.sysusers conf/xmppd.conf conf/sipcomp.conf \
        conf/federation.conf

conf/systemd/xmppd.service: conf/systemd/xmppd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf/systemd && $(unit_sed) '$(srcdir)/conf/systemd/xmppd.service.in' >$@.new && mv $@.new $@

conf/systemd/sipcomp.service: conf/systemd/sipcomp.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf/systemd && $(unit_sed) '$(srcdir)/conf/systemd/sipcomp.service.in' >$@.new && mv $@.new $@

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(xmppdconfdir)/federation.d'
	@for sample in $(samples); do \
	        target='$(DESTDIR)$(xmppdconfdir)'/$${sample##*/}; \
	        test -e "$$target" || { echo "installing $$target"; $(INSTALL_DATA) "$$sample" "$$target"; } || exit 1; \
	done
if SYSTEMD_UNITS
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)'
	$(INSTALL_DATA) '$(srcdir)/conf/systemd/xmppd.sysusers' '$(DESTDIR)$(sysusersdir)/xmppd.conf'
endif

# A sample that was changed stays.
uninstall-local:
	@for sample in $(samples); do \
	        target='$(DESTDIR)$(xmppdconfdir)'/$${sample##*/}; \
	        cmp -s "$$sample" "$$target" && rm -f "$$target" || :; \
	done
	-@rmdir '$(DESTDIR)$(xmppdconfdir)/federation.d' '$(DESTDIR)$(xmppdconfdir)' 2>/dev/null || :
if SYSTEMD_UNITS
	rm -f '$(DESTDIR)$(sysusersdir)/xmppd.conf'
endif
