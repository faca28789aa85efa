# Samples, service units and manual pages. Samples are put in place once and never written over: they are the administrator's then.
# Units name directories, so they are written when it is known where everything goes: a prefix may be given to make install.
samples = $(wildcard $(srcdir)/conf/*.conf)
xmppdconfdir = $(sysconfdir)/xmppd
sysusersdir = $(prefix)/lib/sysusers.d

dist_man_MANS += conf/man/federation.conf.5 conf/man/sipcomp.8 conf/man/sipcomp.conf.5 conf/man/xmppctl.1 conf/man/xmppd.8 \
        conf/man/xmppd.conf.5

EXTRA_DIST += conf/systemd/xmppd.service.in conf/systemd/sipcomp.service.in conf/systemd/xmppd.sysusers conf/xmppd.conf conf/sipcomp.conf \
        conf/federation.conf

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(xmppdconfdir)/federation.d'
	@for sample in $(samples); do \
	        target='$(DESTDIR)$(xmppdconfdir)'/$${sample##*/}; \
	        test -e "$$target" || { echo "installing $$target"; $(INSTALL_DATA) "$$sample" "$$target"; } || exit 1; \
	done
if SYSTEMD_UNITS
	$(MKDIR_P) '$(DESTDIR)$(systemdsystemunitdir)' '$(DESTDIR)$(sysusersdir)'
	for unit in xmppd.service sipcomp.service; do \
	        $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' '$(srcdir)/conf/systemd/'$$unit.in \
	                >'$(DESTDIR)$(systemdsystemunitdir)/'$$unit || exit 1; \
	done
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
	rm -f '$(DESTDIR)$(systemdsystemunitdir)/xmppd.service' '$(DESTDIR)$(systemdsystemunitdir)/sipcomp.service' \
	        '$(DESTDIR)$(sysusersdir)/xmppd.conf'
endif
