/* sm_private.h - the state of stream management, for the sm_*.c files */
#ifndef XMPPD_USER_SM_PRIVATE_H
#define XMPPD_USER_SM_PRIVATE_H

#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "xmppd/user/sm.h"
#include "xmppd/user/user_private.h"

/* A stanza written to the client and not acknowledged. */
struct sent {
        uint64_t at;           /* in the journal */
        uint64_t number;       /* in the offline store, which keeps it; 0: it is in the journal alone */
        struct pledge *pledge; /* held until it is acknowledged or synced; NULL: nobody waits */
        size_t len;
};

/* Where what must survive is kept. */
enum sm_place {
        IN_JOURNAL,
        LEAVING, /* the batch that moves it to the store is under way */
        IN_STORE,
};

/* Owned by its session. Counters only grow; on the wire they are their low 32 bits (XEP-0198, 4). */
struct sm {
        struct session *session; /* NULL: it has ended, what is left is on its way to the disk */
        struct user *user;
        uint64_t id;
        uint64_t seconds;    /* for which it may be resumed; 0: never */
        int64_t ends;        /* wall ms at which a hibernated session is given up; 0: it is connected */
        int64_t stored_end;  /* the same under which the store has it */
        uint64_t leave_sync; /* it was resumed: the sync behind which the store may forget it; 0: none */
        struct link in_returned;
        enum sm_place place;
        bool asked : 1;       /* <r/> is open */
        bool is_to_ask : 1;   /* is in the list of those who are asked soon */
        bool missed : 1;      /* presence of contacts came while it was hibernated */
        bool is_changed : 1;  /* its state is to be journaled at the end of this turn */
        bool is_stored : 1;   /* the store has it; while IN_JOURNAL: as it was before it was resumed */
        bool is_unsynced : 1; /* is in that list */
        bool is_ending : 1;   /* it has ended, and the journal is needed until the store has learnt of it */
        bool is_behind : 1;   /* a journal waits until it has handled what it had received then (sm_rewrite.c) */

        /* From the client. */
        uint64_t received, handled;
        uint64_t behind_to; /* is_behind: up to here */
        uint64_t promised;  /* the last that a closed pledge vouches for */
        struct pledge *pledge;
        unsigned open_pledges;
        uint32_t *taken; /* of those behind `handled`, the ones that took effect before a crash: not again */
        size_t taken_count;

        /* To the client. */
        uint64_t sent, acknowledged;
        size_t bytes;       /* of what is not acknowledged */
        struct sent *queue; /* IN_JOURNAL, LEAVING: a ring with those behind `acknowledged` */
        size_t room, first;
        uint64_t synced;         /* up to here no pledge is held */
        bool has_left;           /* LEAVING: the batch that moves it is on disk */
        unsigned puts;           /* IN_STORE, LEAVING: on their way to the disk */
        uint64_t low, high;      /* numbers in the offline store between which all are in the queue; 0: none */
        struct link in_journal;  /* of this worker, while IN_JOURNAL */
        struct link in_unsynced; /* while a pledge is held */
        struct link in_changed;
        struct link in_to_ask;

        struct chore give_up;

        /* A new stream that wants to take over. */
        struct {
                const struct session_edge *edge;
                void *owner;
                uint64_t h;
                void (*ready)(void *owner, struct session *session);
        } next;
};

/* sm_queue.c: the ring. */
struct sent *queue_at(struct sm *sm, uint64_t count); /* the count-th stanza sent, which is not acknowledged */
void queue_add(struct sm *sm, const struct sent *sent);
void queue_drop(struct sm *sm, uint64_t up_to);            /* releases pledges */
void queue_release_pledges(struct sm *sm, uint64_t below); /* of those that the journal has below this position */
void queue_free(struct sm *sm);

/* sm_record.c: what is said about a session in journal and store. */
struct sm_record {
        uint64_t account, id, seconds;
        const char *jid; /* full */
        int64_t opened, ends;
        uint8_t flags;
        uint64_t received, handled, sent, acknowledged;
        const char *presence; /* a document */
        size_t presence_len;  /* 0: none */
        uint32_t directed_count, taken_count;
        const char **directed;
        uint32_t *taken;
        const char *active; /* the name of its privacy list; NULL: none */
        bool is_over;       /* what was not acknowledged is in the offline store now; nothing else is left */
};
enum { SM_KEY = 16, SM_SENT_KEY = 24, SM_END_KEY = 24 };
void sm_key(unsigned char key[SM_KEY], uint64_t account, uint64_t id);
void sm_sent_key(unsigned char key[SM_SENT_KEY], uint64_t account, uint64_t id, uint64_t count);
uint64_t sm_sent_key_count(const void *key, size_t len); /* 0: it is none */
/* Of the table that has hibernated sessions in the order of their ends. */
void sm_end_key(unsigned char key[SM_END_KEY], int64_t ends, uint64_t account, uint64_t id);
bool sm_end_key_read(const void *key, size_t len, int64_t *ends, uint64_t *id);
void sm_record_write(struct buf *out, const struct sm_record *record);
bool sm_record_read(struct sm_record *record, struct arena *arena, const void *bytes, size_t len);
void sm_record_of(struct sm_record *record, struct arena *arena, const struct sm *sm);
/* To a new session. */
void sm_record_apply(const struct sm_record *record, struct sm *sm);
/* An unacknowledged stanza. */
struct sm_sent_record {
        int64_t when;    /* wall ms */
        uint64_t number; /* in the offline store; 0: it is not there */
        uint64_t origin; /* see stanza.h */
        uint32_t origin_count;
        const char *wire; /* in the store: NULL where the offline store has it */
        size_t len;
};
void sm_sent_record_write(struct buf *out, const struct sm_sent_record *record);
bool sm_sent_record_read(struct sm_sent_record *record, const void *bytes, size_t len);

/* sm_journal.c: of this worker. */
void journal_open_here(const char *dir);
/* The files stay for the next start: a session of another worker that could not be moved to the store in time has stanzas whose effects stand
 * here alone. */
void journal_close_here(void);
bool journal_is_open(void);                 /* false: the disk refused, streams cannot be resumed */
void journal_add_session(struct sm *sm);    /* what it is now; from here on it is IN_JOURNAL */
void journal_forget_session(struct sm *sm); /* it is no longer noted, nor rewritten */
/* It has ended: it is rewritten no more, and what the journal has of it stays until the session is forgotten. */
void journal_end_session(struct sm *sm);
void journal_each_session(void (*each)(struct sm *sm));
void journal_each_ending(void (*each)(struct sm *sm));
/* Its state and what its client has not acknowledged, behind all else. */
void journal_note_again(struct sm *sm);
void journal_note_end(uint64_t id);      /* all that the journal says of it is of the past */
void journal_note_change(struct sm *sm); /* of its state; noted at the end of this turn */
void journal_note_handled(struct sm *sm);
void journal_note_acknowledged(struct sm *sm);
/* The stanza after the last one sent; fills what the queue has to know. */
void journal_note_sent(struct sm *sm, struct sent *sent, const struct sm_sent_record *record);
/* Points into the journal. */
void journal_read_sent(const struct sent *sent, struct sm_sent_record *record);
/* Somebody waits for what this session has been sent to be safe. */
void journal_want_synced(struct sm *sm);
void journal_sync_here(void (*done)(void *arg), void *arg);

/* sm_rewrite.c: of this worker. */
struct journal;
void rewrite_start_here(struct journal *journal, size_t segment_bytes);
void rewrite_if_large(void);
void rewrite_see_handled(struct sm *sm);
void rewrite_forget(struct sm *sm);
void rewrite_stop_here(void);

/* sm_hibernate.c: sessions without a stream, in the store. */
/* From the journal into the store; nothing of it is on its way any more. */
void hibernate_begin(struct sm *sm);
void hibernate_put_sent(struct sm *sm, struct stanza *stanza, const struct sm_sent_record *record);
/* What the store has of its queue, in order, until each returns false. */
typedef bool hibernate_each(void *arg, uint64_t count, const struct sm_sent_record *record);
void hibernate_each_sent(const struct sm *sm, hibernate_each *each, void *arg);
/* Out of the store, as part of this write. */
void hibernate_erase(struct write *write, struct sm *sm);
void hibernate_forget(struct sm *sm); /* the store has it no longer */
/* It has been resumed: it goes on in the journal, and the store forgets it when that is safe. */
void hibernate_leave(struct sm *sm);

struct sm *hibernate_find(const struct user *user, uint64_t id);
/* On each worker. */
void hibernate_start_here(void);
void hibernate_stop_here(void);

/* sm_sweep.c: on each worker. */
void sweep_start_here(void);
void sweep_stop_here(void);

/* sm_ask.c: when a client is asked what it has got. */
void ask_in_time(struct sm *sm);
void ask_now(struct sm *sm); /* if there is anything to ask for */
void ask_forget(struct sm *sm);
/* On each worker. */
void ask_start_here(void);
void ask_stop_here(void);

/* sm.c */
void sm_write_text(struct sm *sm, const char *text); /* to its client, which is connected */
void sm_forget_wire(void);                           /* this worker's buffer, at stop */
bool sm_is_connected(const struct sm *sm);
/* Something it waited for has happened: it is resumed or goes into the store, if that is possible now. */
void sm_go_on(struct sm *sm);
/* What its client has sent so far is to be known as handled soon, though nobody asks for an acknowledgement. */
void sm_want_handled(struct sm *sm);
/* A stream that waits to take over does so in vain. */
void sm_refuse_next(struct sm *sm);

/* sm_replay.c */
int sm_replay(const char *dir, struct err *err);

/* sm_end.c: at the end of this turn the session ends, a limit has been reached. */
void sm_give_up(struct sm *sm);

#endif
