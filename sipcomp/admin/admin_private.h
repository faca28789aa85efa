/* admin_private.h - the commands that have a file of their own */
#ifndef SIPCOMP_ADMIN_ADMIN_PRIVATE_H
#define SIPCOMP_ADMIN_ADMIN_PRIVATE_H

#include "shared/control/control.h"
#include "sipcomp/bridge/gateway.h"

/* routes.c */
void routes_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
/* Questions that still wait are not answered; before the control socket closes. */
void routes_stop(void);

#endif
