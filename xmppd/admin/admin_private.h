/* admin_private.h - what the command files of this room share */
#ifndef XMPPD_ADMIN_ADMIN_PRIVATE_H
#define XMPPD_ADMIN_ADMIN_PRIVATE_H

#include "shared/base/json.h"
#include "shared/control/common.h"
#include "shared/store/store.h"

extern struct store *admin_store;

/* user.c */
void admin_user_add(struct control_request *request, int argc, char *const *argv);
void admin_user_change(struct control_request *request, int argc, char *const *argv);
void admin_user_remove(struct control_request *request, int argc, char *const *argv);
/* handlers.c: a member of the status */
void admin_write_long_handlers(struct json_writer *json);
/* limits.c */
void admin_limits(struct control_request *request, int argc, char *const *argv);
/* sessions.c */
void admin_sessions(struct control_request *request, int argc, char *const *argv);
void admin_components(struct control_request *request, int argc, char *const *argv);
void admin_status(struct control_request *request, int argc, char *const *argv);

#endif
