/* admin_private.h - the commands that have a file of their own */
#ifndef SIPCOMP_ADMIN_ADMIN_PRIVATE_H
#define SIPCOMP_ADMIN_ADMIN_PRIVATE_H

#include "shared/base/json.h"
#include "shared/control/control.h"
#include "sipcomp/bridge/gateway.h"

/* routes.c */
void routes_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
/* Questions that still wait are not answered; before the control socket closes. */
void routes_stop(void);

/* Rows of one answer; what is beyond is told as a number. */
enum { ADMIN_ROWS = 500 };

/* admin.c: the array "domains" */
void admin_put_domains(struct json_writer *json);

/* dialogs.c, peers.c */
void dialogs_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
void peers_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
/* What is remembered of refusals; of this domain, NULL: all. An array of this name. */
void peers_put_refusals(struct json_writer *json, const char *name, struct gateway *gateway, const char *domain);

/* explain.c */
void explain_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
/* As routes_stop. */
void explain_stop(void);

/* trace.c */
void trace_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv);
/* As routes_stop. */
void trace_stop(void);

#endif
