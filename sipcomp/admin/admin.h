/* admin.h - the commands of the administrator, answered on sipcomp's control socket */
#ifndef SIPCOMP_ADMIN_ADMIN_H
#define SIPCOMP_ADMIN_ADMIN_H

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "sipcomp/bridge/gateway.h"

struct admin_doors {
        /* Reads the configuration again. 0, or -1 with the errors in text, a line each; text may hold a note on success. */
        int (*reload)(struct buf *text);
};

int admin_start(const char *socket_path, struct gateway *gateway, const struct admin_doors *doors, struct err *err);
void admin_stop(void);

#endif
