/* session.h - one connected resource of an account; lives at the account's home
 *
 * The edge (c2s today; WebSocket or BOSH tomorrow) opens and closes it and fills in how to write to it. All else is here: delivery, presence,
 * roster pushes.
 */
#ifndef XMPPD_USER_SESSION_H
#define XMPPD_USER_SESSION_H

#include "shared/base/list.h"
#include "shared/loop/timer.h"
#include "shared/xmpp/errors.h"
#include "shared/xmpp/stanza.h"

#include <stdbool.h>
#include <stdint.h>

struct user;
struct session;
struct sm;

/* How the edge is reached. */
struct session_edge {
        /* Writes the stanza to the client. Borrowed. */
        void (*deliver)(void *edge, struct stanza *stanza);
        /* Writes bytes that are whole stanzas or elements of stream management. */
        void (*send)(void *edge, const char *bytes, size_t len);
        /* False from the moment the stream begins to close: nothing that is delivered then would arrive. */
        bool (*is_open)(void *edge);
        /* Ends the stream with this error; the edge calls session_close later, not from inside. */
        void (*end)(void *edge, enum stream_condition condition, const char *text);
        /* The session goes on with another stream: ends this one with <conflict/> and knows the session no more. */
        void (*lose)(void *edge);
        /* Monotonic milliseconds of the last byte from the client. */
        uint64_t (*last_heard)(void *edge);
        /* Bytes that wait for the client to read. NULL: never any. */
        size_t (*queued)(void *edge);
        /* For the administrator: "TLSv1.3 192.0.2.1:4711". Written into text[len]. */
        void (*describe)(void *edge, char *text, size_t len);
};

struct session {
        struct link in_user;
        struct user *user;
        struct jid jid; /* full */
        const struct session_edge *edge;
        void *edge_owner;
        struct arena *arena;     /* jid */
        struct stanza *presence; /* last broadcast presence; NULL until initial presence and after unavailable */
        int8_t priority;
        bool wants_roster; /* asked for it: gets pushes ("interested resource", RFC 6121 2.2) */
        bool wants_blocklist;
        bool wants_privacy;          /* has spoken of privacy lists */
        bool wants_carbons;          /* XEP-0280 */
        struct privacy_list *active; /* the privacy list it has chosen; NULL: the account's default list applies */
        struct held *held;           /* XEP-0352: what waits while the client is inactive; NULL: it is active */
        struct map *directed;        /* addresses that got directed presence; NULL: none */
        int64_t opened;              /* wall ms */
        uint64_t presence_at;        /* monotonic ms of the last presence, to break ties */
        struct sm *sm;               /* stream management is on (sm.h); NULL: it is not */
        struct timer idle;
        uint64_t asked; /* monotonic ms of the last question whether it is there; 0: none is open */
        uint64_t caps;  /* number of what is known of its client (caps.c); 0: it has said nothing of itself */
};

/* At home. resource NULL: made by us. An older session with the same resource is ended with <conflict/>.
 * NULL: no such account (deleted meanwhile), or too many resources (*condition then says which error the bind gets). */
struct session *session_open(const struct jid *account, const char *resource, const struct session_edge *edge, void *edge_owner,
        enum stanza_condition *condition);
/* The stream has ended. for_good: the client closed it, or nobody can come back to it: unavailable goes to all who must hear it, the session is
 * freed. Otherwise a session that may be resumed lives on without a stream. Clears the pointer. */
void session_close(struct session **session, bool for_good);
/* A stanza from the client, already stamped: from = session->jid (for subscriptions the bare JID is set here), `to` as the client wrote it,
 * absent allowed. Takes the reference. Hooks, then the account or route. */
void session_receive(struct session *session, struct stanza *stanza);
/* To this very session, past all rules but the hooks and the blocking list. Borrows. */
void session_deliver(struct session *session, struct stanza *stanza);
/* The same past the hooks too. Borrows. */
void session_write(struct session *session, struct stanza *stanza);
/* The account has no other session. */
bool session_is_alone(const struct session *session);
/* The account's other sessions. */
void session_each_other(struct session *session, void (*each)(void *arg, struct session *other), void *arg);
/* Of what a resumed session is told: its wishes have changed. */
void session_note_change(struct session *session);
/* Sends an iq get with an empty payload of this name; no answer within the ping time-out ends the session with connection-timeout. */
void session_ask(struct session *session, const char *ns, const char *name);
/* Of this full JID, or NULL; at home. */
struct session *session_find(const struct jid *full);

#endif
