/* admin_private.h - what the command files of this room share */
#ifndef XMPPD_ADMIN_ADMIN_PRIVATE_H
#define XMPPD_ADMIN_ADMIN_PRIVATE_H

#include "shared/base/json.h"
#include "shared/control/common.h"
#include "shared/store/store.h"

extern struct store *admin_store;

/* inquiry.c: what is asked of every worker with home_visit_all; each writes into its own part */
enum { INQUIRY_LISTS = 2 };
struct inquiry_part {
        struct {
                struct buf out;
                struct json_writer json; /* the members of the list, without its brackets */
        } lists[INQUIRY_LISTS];
        uint64_t sessions, streams, negotiating, components, s2s_streams, s2s_negotiating;
};
struct inquiry {
        struct control_request *request;
        struct inquiry_part parts[];
};
struct inquiry *inquiry_new(struct control_request *request);
struct inquiry_part *inquiry_part(void *inquiry); /* of this worker */
/* Answers {"NAME":[the first lists of all parts],"SECOND":[the second ones]} (second NULL: only the first) and frees it. */
void inquiry_answer(struct inquiry *inquiry, const char *name, const char *second);

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
/* s2s.c */
void admin_s2s(struct control_request *request, int argc, char *const *argv);
/* explain.c */
void admin_explain(struct control_request *request, int argc, char *const *argv);

#endif
