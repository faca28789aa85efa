/* user_private.h - what the files of this room share about an account in memory */
#ifndef XMPPD_USER_USER_PRIVATE_H
#define XMPPD_USER_USER_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/loop/worker.h"
#include "shared/store/store.h"
#include "xmppd/user/records.h"
#include "xmppd/user/session.h"
#include "xmppd/user/user.h"

enum { ACCOUNT_KEY = 8 };

struct user {
        struct worker *home;
        struct arena *arena; /* the struct itself and its address */
        struct jid jid;      /* bare */
        uint64_t id;
        unsigned char key[ACCOUNT_KEY]; /* the id as the store has it: prefix of all records */
        struct list sessions;
        struct map *roster;  /* bare JID -> struct item; NULL: empty */
        struct map *blocked; /* address -> its text; NULL: empty */
        struct link in_idle; /* while it has neither session nor write */
        uint64_t idle_since;
        unsigned writes; /* handed to the store and not completed */
        bool is_gone;    /* deleted or forgotten: no longer in the table */

        /* offline.c */
        bool knows_kept;
        size_t kept;            /* messages, those not yet on disk counted */
        uint64_t next_number;   /* of the next message to be kept */
        uint64_t taken_below;   /* numbers below have been delivered; their removal is on its way to the disk */
        struct list waiting;    /* kept, not yet on disk */
        struct session *reader; /* gets the kept messages, portion by portion; NULL: nobody does */
        struct timer portions;
};

extern struct store *user_store;
extern const struct log_scope user_log;

/* user.c: the account, loaded if need be; NULL: there is none. */
struct user *user_load(const struct jid *jid);
/* The same without loading. */
struct user *user_loaded(const struct jid *jid);
void user_note_use(struct user *user);
/* Lists as the disk has them: what was changed in memory could not be written. */
void user_load_again(struct user *user);
/* A number of the section `user` of the configuration. */
int64_t user_limit(const char *setting);

/* session.c: the session with this resource, or NULL. */
struct session *session_of(const struct user *user, const char *resource);
/* Its stream is not about to close. */
bool session_can_hear(const struct session *session);
/* In the eyes of all others the session has ended; session_close comes later. */
void session_detach(struct session *session);

/* write.c: a batch and what may leave once it is on disk. While it is under way the account stays in memory. */
enum interest { IN_ROSTER, IN_BLOCKLIST };
struct write {
        struct user *user;
        struct batch *batch;
        struct stanza *cause;  /* held until then, so that its pledge is; a request is refused if the disk fails */
        struct stanza *answer; /* routed then */
        struct stanza *push;   /* an iq set for each session that is interested */
        enum interest interest;
        void (*then)(struct write *write, bool done); /* last, before the write is freed */
};
struct write *write_new(struct user *user, struct stanza *cause);
void write_commit(struct write *write);

/* roster.c */
struct item *roster_find(const struct user *user, const char *bare);
/* Adds an empty item, to be listed or for a request only; NULL: there are too many of the kind. */
struct item *roster_add(struct user *user, const char *bare, bool listed);
void roster_remove(struct user *user, struct item *item);
/* Puts the item as it is now into the write. */
void roster_save(struct write *write, const struct item *item);
void roster_erase(struct write *write, const char *bare);
/* The push that shows the item as it is now; removed: as gone. */
struct stanza *roster_push(const struct item *item, bool removed);
void roster_answer(struct user *user, struct stanza *iq);

/* To this address, which has been prepared; returns the stanza. */
struct stanza *address_to(struct stanza *stanza, const char *prepared);

/* contact.c: subscription stanzas, from the user's session and from contacts. Both borrow. */
void contact_ask(struct session *session, struct stanza *presence);
void contact_told(struct user *user, struct stanza *presence);
/* A presence of the account itself: from and to bare. */
void contact_send(struct user *user, enum stanza_type type, const char *bare);
/* Pending requests are shown to a session that has become available. */
void contact_show_requests(struct session *session);

/* presence.c */
void presence_from_session(struct session *session, struct stanza *presence);
/* Ends what a session has shown to others; stanza NULL: its stream broke. Its own client hears it only if it has sent it. */
void presence_leave(struct session *session, struct stanza *unavailable);
void presence_show_to(struct user *user, const char *bare);
void presence_hide_from(struct user *user, const struct jid *contact);
void presence_probe_from(struct user *user, const char *bare);
void presence_answer_probe(struct user *user, struct stanza *probe);

/* offline.c */
bool offline_is_worth_keeping(const struct stanza *message);
void offline_keep(struct user *user, struct stanza *message);
/* To a session that has become available. As much at a time as it reads; until it has all, what comes for the account is kept behind that. */
void offline_deliver(struct session *session);
/* Is this message to be kept because earlier ones are still being delivered? it: the session it is for; NULL: for any. */
bool offline_comes_first(const struct user *user, const struct session *it, const struct stanza *message);
/* The session has ended. */
void offline_leave(struct user *user, const struct session *session);
void offline_forget(struct user *user);

/* blocking.c */
bool blocking_has(const struct user *user, const struct jid *jid);
bool blocking_has_text(const struct user *user, const char *jid);
/* Does an entry of the list name this address or what contains it? */
bool blocking_matches(const struct map *blocked, const struct jid *jid);
/* A contact of a SIP domain: blocking it works one way only. */
bool blocking_is_one_sided(const struct jid *jid);
/* Deals with a stanza from a blocked address; false: it may pass. Borrows. */
bool blocking_stops_incoming(struct user *user, struct stanza *stanza);
bool blocking_stops_outgoing(struct session *session, struct stanza *stanza);

#endif
