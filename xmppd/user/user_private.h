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
        struct map *roster;   /* bare JID -> struct item; NULL: empty, or not in memory */
        bool has_roster;      /* it is in memory: roster_of */
        uint64_t roster_used; /* worker_now() when it was needed last */
        struct link in_loaded;
        uint64_t roster_mark; /* the roster's version: the marks of all items; once somebody has asked for it */
        bool knows_marks;
        struct map *lists;                 /* name -> struct privacy_list; NULL: there is none */
        struct privacy_list *default_list; /* one of them; NULL: none applies where a session has not chosen one */
        struct link in_idle;               /* while it has neither session nor write */
        uint64_t idle_since;
        char photo[40 + 1];    /* hash of the photo on its card; "": none */
        size_t data_writing;   /* data.c: bytes of documents on their way to the disk */
        bool changes_password; /* password.c: one change at a time */
        unsigned writes;       /* handed to the store and not completed */
        char *left;            /* last.c: when and how its last client left, on its way to the disk; NULL: the disk knows */
        bool is_deleted;       /* there is no such account any more */
        bool is_gone;          /* deleted or forgotten: no longer in the table */

        /* offline.c */
        bool knows_kept;
        size_t kept;                        /* messages, those not yet on disk counted */
        uint64_t next_number;               /* of the next message to be kept */
        uint64_t leaving_low, leaving_high; /* numbers that clients have acknowledged; their removal is on its way */
        unsigned leavings;                  /* such removals */
        bool leaves_kept;                   /* some were left to other sessions than their reader */
        uint64_t taken_below;               /* numbers below have been delivered; their removal is on its way to the disk */
        struct list waiting;                /* kept, not yet on disk */
        struct session *reader;             /* gets the kept messages, portion by portion; NULL: nobody does */
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

/* session.c: the session with this resource, or NULL. */
struct session *session_of(const struct user *user, const char *resource);
/* Its stream is not about to close. */
bool session_can_hear(const struct session *session);
/* In the eyes of all others the session has ended; session_close comes later. */
void session_detach(struct session *session);
/* A session of this account that was hibernated, as its record describes it; full is copied. */
struct session *session_revive(struct user *user, const struct jid *full, int64_t opened);
/* Its account leaves memory; in the store it stays. */
void session_unload(struct session *session);
extern const struct session_edge hibernated_edge; /* sm_hibernate.c: of a session without a stream */
/* The stream is gone, the session is not. */
void session_lose_edge(struct session *session);
/* A new stream for it; what it missed is to follow. */
void session_attach(struct session *session, const struct session_edge *edge, void *edge_owner);
/* A resumed session: goes on with kept messages; missed: presence of contacts is asked for again. */
void session_catch_up(struct session *session, bool missed);
/* A kept message. True: it stays in the offline store until the client acknowledges it. */
bool session_deliver_kept(struct session *session, struct stanza *message, uint64_t number);

/* write.c: a batch and what may leave once it is on disk. While it is under way the account stays in memory. */
enum interest { IN_ROSTER, IN_BLOCKLIST, IN_PRIVACY, IN_ALL };
enum { PUSHES_MAX = 3 };
struct write {
        struct user *user;
        struct batch *batch;
        struct stanza *cause;  /* held until then, so that its pledge is; a request is refused if the disk fails */
        struct stanza *answer; /* routed then */
        struct push {
                struct stanza *stanza; /* an iq set for each session that is interested */
                enum interest interest;
        } pushes[PUSHES_MAX];
        unsigned push_count;
        void (*then)(struct write *write, bool done); /* last, before the write is freed */
        uint64_t tag;                                 /* then's own */
        void *arg;                                    /* likewise */
};
struct write *write_new(struct user *user, struct stanza *cause);
/* Takes the push. */
void write_push(struct write *write, struct stanza *push, enum interest interest);
void write_commit(struct write *write);
/* Routes an answer behind all that is on its way to the disk now. Takes the answer. */
void write_answer(struct user *user, struct stanza *iq, struct stanza *answer);
void write_drop(struct write *write); /* nothing of it happens */

/* roster.c */
/* Read if it is not in memory. NULL: empty. Valid during this turn. */
struct map *roster_of(struct user *user);
void roster_forget(struct user *user);
/* At stop. */
void roster_stop(void);
struct item *roster_find(struct user *user, const char *bare);
/* The state of one contact (subscription.h), 0 for others; what others ask for, so that it does not bring the whole roster into memory. */
uint8_t roster_state(const struct user *user, const char *bare);
/* Adds an empty item, to be listed or for a request only; NULL: there are too many of the kind. */
struct item *roster_add(struct user *user, const char *bare, bool listed);
void roster_remove(struct user *user, struct item *item);
/* Puts the item as it is now into the write. */
void roster_save(struct write *write, struct item *item);
/* Its part of the roster's version follows what it is now; roster_save does this. */
void roster_note_change(struct user *user, struct item *item);
/* The push that goes with a write says what the roster's version is behind it. */
void roster_finish_push(struct user *user, struct stanza *push);
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
/* last.c: a client has become unavailable, with this stanza or none. */
void last_note_leave(struct user *user, const struct stanza *unavailable);
void presence_forget_directed(struct session *session);
/* Asks for the presence of all contacts and tells that of the user's other resources (4.2.2, 4.3.1). */
void presence_learn(struct session *session);
/* To somebody who may see the user from now on. */
void presence_show_to(struct user *user, const char *bare);
/* A contact will not any longer; call this while he still may. */
void presence_hide_from(struct user *user, const struct item *contact);
/* Of one session, past all lists. */
void presence_send(struct session *session, struct stanza *presence, const char *to);
void presence_send_unavailable(struct session *session, const char *to);
void presence_probe(struct session *session, const char *bare);
void presence_answer_probe(struct user *user, struct stanza *probe);
/* To an account that does not exist: as to one that the asker may not see (4.3.2, 1). */
void presence_refuse_probe(const struct stanza *probe);

/* offline.c */
bool offline_is_worth_keeping(const struct stanza *message);
void offline_keep(struct user *user, struct stanza *message);
/* The same as part of a write, for a message that came at this time. False: it is not kept, and its sender has been told if he should be. */
bool offline_put(struct write *write, struct stanza *message, int64_t when);
/* A client has acknowledged this one. */
void offline_remove(struct write *write, uint64_t number);
/* Commits a write that removes numbers from low to high; until it is done they are not delivered again. */
void offline_commit_removal(struct write *write, uint64_t low, uint64_t high);
/* What a session had not acknowledged waits again for the next one. */
void offline_count_again(struct user *user);
/* A kept message with its delay (XEP-0203); NULL: it cannot be read. */
struct kept_message;
struct stanza *offline_read(const struct user *user, const struct kept_message *kept);
/* To a session that has become available. As much at a time as it reads; until it has all, what comes for the account is kept behind that. */
void offline_deliver(struct session *session);
/* There may be kept messages again: to a session that is there, if any. */
void offline_offer(struct user *user);
/* Is this message to be kept because earlier ones are still being delivered? it: the session it is for; NULL: for any. */
bool offline_comes_first(const struct user *user, const struct session *it, const struct stanza *message);
/* The session has ended. */
void offline_leave(struct user *user, const struct session *session);
void offline_forget(struct user *user);

/* sm*.c, for the other files of this room: stream management of a session */
/* Its stream is gone, but it may be resumed: it lives on without one. False: it ends. */
bool sm_lose_stream(struct session *session);
/* The session has ended: what its client has not acknowledged is kept for the others or for later, or its sender is told. */
void sm_end(struct session *session, struct user *user);
void sm_free(struct sm **sm);
/* It has no stream and lies in the store: it keeps nothing in memory. */
bool sm_is_at_rest(const struct session *session);
/* Is this kept message in the queue of a client that has not acknowledged it yet? */
bool sm_holds(const struct user *user, uint64_t number);
/* The hibernated sessions of an account that is being loaded or dropped; and whether one that is not loaded has any. */
void sm_load(struct user *user);
void sm_unload(struct user *user);
bool sm_has_hibernated(const struct jid *account);
/* On each worker, at stop, when no account is loaded any more. */
void sm_stop_here(void);

/* privacy.c: the kinds of stanzas that a list may stop, as seen from the account. */
enum privacy_kind {
        PRIVACY_MESSAGE_IN,
        PRIVACY_MESSAGE_ERROR_IN,
        PRIVACY_IQ_IN,
        PRIVACY_IQ_ANSWER_IN,
        PRIVACY_PRESENCE_IN,
        PRIVACY_PRESENCE_OUT,
        PRIVACY_SUBSCRIBE_IN,
        PRIVACY_ANSWER_IN, /* to a request for subscription, and errors of presence */
        PRIVACY_REST_OUT,  /* what leaves and is no presence notification */
};
/* May this kind not pass between the session (NULL: the account as a whole) and this address? */
bool privacy_denies(struct user *user, const struct session *session, const struct jid *jid, enum privacy_kind kind);
/* The same for somebody of the roster. */
bool privacy_denies_contact(struct user *user, const struct session *session, const struct item *item, enum privacy_kind kind);
/* Is somebody to be hidden from this address: by the account's list or that of a session? */
bool privacy_hides(struct user *user, const struct jid *who);
/* A contact of a SIP domain: blocking it works one way only. */
bool privacy_is_one_sided(const struct jid *jid);
/* May it go to the account as a whole? privacy.h has the same for a session. */
bool privacy_lets_in_account(struct user *user, const struct stanza *stanza);
/* Tells the sender of what may not go in what is right. Borrows. */
void privacy_refuse_incoming(const struct stanza *stanza);
/* True: it may not leave, and its session has been told. */
bool privacy_stops_outgoing(struct session *session, const struct stanza *stanza);

/* privacy_presence.c: around a change of somebody in the roster, for lists that ask for groups and subscriptions (XEP-0016, 2.2, 9). NULL:
 * it does not matter. item: as it is then; NULL: gone. */
struct privacy_view;
struct privacy_view *privacy_look(struct user *user, const struct item *item);
void privacy_look_again(struct privacy_view **view, const struct item *item);

/* privacy_record.c: all lists of the account, from the store. */
void privacy_load(struct user *user);
void privacy_load_again(struct user *user);
void privacy_forget(struct user *user);
struct privacy_list *privacy_list_of(const struct user *user, const char *name); /* NULL: there is none of this name */
const char *privacy_list_name(const struct privacy_list *list);

#endif
