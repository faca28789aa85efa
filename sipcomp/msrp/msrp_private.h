/* msrp_private.h - what the files of this room share: connections, and the sessions that they carry */
#ifndef SIPCOMP_MSRP_MSRP_PRIVATE_H
#define SIPCOMP_MSRP_MSRP_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/loop/conn.h"
#include "shared/loop/listener.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "sipcomp/msrp/frame.h"
#include "sipcomp/msrp/msrp.h"
#include "sipcomp/msrp/uri.h"

enum { MSRP_ADDRESSES = 4, MSRP_HANDLE = 8, MSRP_SECRET = 32 };

struct msrp {
        struct msrp_options options;
        char host[256];
        struct listener *plain, *secure;
        struct map *sessions;  /* by the handle, the first part of the session-id; the rest is the secret */
        struct map *waiting;   /* struct msrp_unanswered by token */
        struct list strangers; /* connections without a session */
        uint64_t last_token;
};

/* A connection. Until it has named its session it is a stranger; when the session has gone it only ends. */
struct msrp_link {
        struct link link; /* in strangers, while it has no session */
        struct msrp *msrp;
        struct msrp_session *session;
        struct conn *conn;
        struct msrp_framer framer;
        struct timer patience; /* of a stranger */
        bool secure, ending;
};

/* A whole message of theirs that nobody has vouched for yet. */
struct msrp_unanswered {
        struct link link;
        struct msrp_session *session;
        uint64_t token;
        char id[MSRP_ID_MAX + 1], message_id[MSRP_ID_MAX + 1];
        char *from_path;
        uint64_t size;
        bool success_report;
        enum msrp_failure_report failure_report;
};

/* A message of theirs of which chunks are missing. */
struct msrp_draft {
        struct link link;
        char message_id[MSRP_ID_MAX + 1];
        char *type;
        struct buf bytes;
};

struct msrp_session {
        struct msrp *msrp;
        const struct msrp_events *events;
        void *owner;
        struct log_scope log;
        bool secure, active, up;
        char handle[MSRP_HANDLE + 1], secret[MSRP_SECRET + 1];
        char *path; /* ours */
        struct arena *arena;
        const char *their_path; /* as they wrote it; NULL: not known yet */
        struct msrp_uri them;   /* its last URI */
        bool has_digest;
        unsigned char digest[32];
        struct msrp_link *link;
        struct dns_query *query;
        struct address addresses[MSRP_ADDRESSES];
        size_t address_count, next_address;
        struct timer timer; /* to stand; then for the answer to our message */
        bool lost;
        struct chore end; /* tells closed() */
        char why[160];
        /* The message of ours under way: chunks are numbered in the transaction identifier. */
        char hello_id[20], send_id[20];
        uint64_t unsure; /* chunks without an answer, a bit each; 0: none is under way */
        struct list drafts, unanswered;
};

/* link.c */
void msrp_link_accepted(void *owner, int fd, const struct address *peer);
void msrp_link_accepted_tls(void *owner, int fd, const struct address *peer);
bool msrp_link_dial(struct msrp_session *session); /* the next address; false: there is none */
/* Nothing more comes of it; what was sent leaves first. */
void msrp_link_end(struct msrp_link *link);
void msrp_link_free(struct msrp_link *link); /* at once */
void msrp_link_respond(struct msrp_link *link, const struct msrp_frame *frame, int status);

/* session.c: what a link brings */
struct msrp_session *msrp_session_find(const struct msrp *msrp, const struct msrp_uri *uri);
void msrp_session_greet(struct msrp_session *session); /* the connection we have made is ready */
void msrp_session_bound(struct msrp_session *session); /* the one they have made is known to be theirs */
void msrp_session_lost(struct msrp_session *session, const char *why);
/* May free the session. */
void msrp_session_take(struct msrp_session *session, struct arena *arena, const struct msrp_frame *frame);
/* 0, or what to answer to a request that is not of this session. */
int msrp_session_judge(const struct msrp_session *session, struct arena *arena, const struct msrp_frame *frame);

/* inbox.c */
void msrp_inbox_take(struct msrp_session *session, const struct msrp_frame *frame);
void msrp_inbox_free(struct msrp_session *session);
bool msrp_inbox_is_full(const struct msrp_session *session);

#endif
