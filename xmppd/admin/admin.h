/* admin.h - the commands of the administrator, answered on the control socket by the main thread */
#ifndef XMPPD_ADMIN_ADMIN_H
#define XMPPD_ADMIN_ADMIN_H

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/store/store.h"

/* What the commands may ask main to do. */
struct admin_doors {
        /* Reads the configuration again. 0, or -1 with the errors in text (a line each); notes (may stay empty) names what needs a restart. */
        int (*reload)(struct buf *text);
};

int admin_start(const char *socket_path, struct store *store, const struct admin_doors *doors, struct err *err);
void admin_stop(void);
/* Now and then, on the main thread: a line in the log, at most one in a minute, when handlers have taken long (handler.h). */
void admin_watch_handlers(void);

#endif
