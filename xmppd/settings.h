/* settings.h - the sections of xmppd.conf, with those of federation.conf and of the extensions */
#ifndef XMPPD_SETTINGS_H
#define XMPPD_SETTINGS_H

#include "shared/config/config.h"
#include "xmppd/route/snapshot.h"

/* The top level of the file, put together once extend_start has run. Lives for ever. */
const struct section_rule *settings_rules(void);

/* Reads the file and builds what is derived from it (domains, TLS contexts), with all cross-checks. On any error: NULL, and in errors a line
 * "FILE:LINE: message" for each. Warnings likewise. Opens no port and no store; blocks on files: main thread, at start and reload. */
struct snapshot *settings_load(const char *path, struct buf *errors, struct buf *warnings);

/* The part of it that reads certificates (settings_tls.c): TLS contexts for clients and for other servers. */
void settings_add_tls(struct snapshot *snapshot, struct buf *errors, struct buf *warnings);

#endif
