/* simple_private.h - what the files of this room share */
#ifndef SIPCOMP_SIMPLE_SIMPLE_PRIVATE_H
#define SIPCOMP_SIMPLE_SIMPLE_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/loop/timer.h"
#include "sipcomp/simple/failure.h"
#include "sipcomp/simple/simple.h"

enum table { TABLE_WATCH, TABLE_RELATION, TABLE_WATCHER, TABLE_TEXT, TABLE_SHARER };

enum { DIALOGS_PER_FOREIGN_USER = 1000, RECORD_VERSION = 1 };
/* After a start a dialog's numbers go on beyond what may have been sent after its last record; that is written before anything is sent. */
enum { CSEQ_LEAP = 16 };

/* Messages of which somebody wants to hear that they were delivered. */
struct receipts {
        struct map *by_key;
        struct list oldest_first;
};

struct simple {
        struct simple_options options;
        char sdp_address[64];
        const struct simple_events *events;
        void *owner;
        const struct federation *federation;
        struct map *dialogs;    /* struct dialog_ear by its key */
        struct map *watches;    /* struct watch by pair key */
        struct map *shared;     /* struct watch by foreign JID, where subscriptions are shared */
        struct map *sharers;    /* struct sharer by pair key */
        struct map *relations;  /* struct relation by pair key */
        struct map *chats;      /* struct chat by pair key */
        struct map *domains;    /* struct domain by name */
        struct map *foreigners; /* struct foreigner by JID: how many dialogs each has with us */
        struct list orphans;    /* texts that were under way when we stopped */
        uint64_t next_text;
        struct receipts expected, owed; /* by them, by our users */
};

/* mem_strdup where NULL stays NULL. */
char *copy_text(const char *text);

enum { DIALOG_KEY = 32 };

/* Whoever has a dialog listens to it: embedded in watches, watchers and sessions, found by Call-ID and our tag. */
struct dialog_ear {
        void (*request)(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request); /* answers it */
        void (*acked)(struct dialog_ear *ear);
        void (*unacked)(struct dialog_ear *ear);
        const struct pair *pair;       /* whose dialog it is: nobody from another domain is heard in it */
        unsigned char key[DIALOG_KEY]; /* a digest of Call-ID and our tag */
        bool listens;                  /* it is registered */
        bool heard_nothing;            /* of what was heard: our request had no answer */
        short heard_status;            /* 0: a request of theirs */
        char heard_method[12];         /* cut to fit */
        int64_t began, heard_at;       /* wall clock, ms: when it was registered; the last request or answer in it, 0: none yet */
};
void ear_register(struct simple *simple, struct dialog_ear *ear, const char *call_id, const char *local_tag);
void ear_forget(struct simple *simple, struct dialog_ear *ear);
struct dialog_ear *ear_find(const struct simple *simple, const char *call_id, const char *local_tag); /* NULL: nobody's */

/* Starts a request of ours towards the domain; dialog may be NULL. */
struct sip_client *send_request(struct simple *simple, struct sip_message *request, const char *domain,
        const struct sip_dialog *dialog, const struct sip_client_events *events, void *owner);
const char *own_host(const struct simple *simple);
const struct dialect *dialect_for(const struct simple *simple, const char *domain);
/* Answers with a status and, where name is not NULL, one header. */
void answer(struct sip_server *server, const struct sip_message *request, int status, const char *name, const char *value);
/* The domain has refused a session within the last 24 h (section 8 of the dialects). */
bool pager_remembered(struct simple *simple, const char *domain);
void pager_remember(struct simple *simple, const char *domain);
/* For simple_vouch: one number for SIP and MSRP. */
uint64_t vouch_id_of_msrp(uint64_t token);
/* It has shown within the last 24 h that it speaks MSRP (7.11). */
enum msrp_memory { MSRP_UNKNOWN, MSRP_PLAIN, MSRP_SECURE };
enum msrp_memory msrp_remembered(struct simple *simple, const char *domain);
void msrp_remember(struct simple *simple, const char *domain, bool secure);

void save(struct simple *simple, enum table table, const void *key, size_t key_len, const struct buf *record);
void save_later(struct simple *simple, enum table table, const void *key, size_t key_len,
        const struct buf *record); /* nobody waits for it */
void forget(struct simple *simple, enum table table, const void *key, size_t key_len);

/* view.c */
/* When this timer fires, by the wall clock; 0: it does not run. */
int64_t view_due(const struct timer *timer);
/* What dialog and ear tell. */
void view_fill(struct simple_view *view, const struct dialog_ear *ear, const struct sip_dialog *dialog);

/* watch.c */
/* Each of a domain (NULL: all), until seen has seen enough: then false. */
bool watch_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg);
void watch_resume(struct simple *simple);
void watch_free_all(struct simple *simple);
void share_settle(struct simple *simple); /* after a reload: what the domains want now */
void watch_drop(struct simple *simple, const char *domain);

/* watcher.c, relation.c, notify.c */
bool watcher_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg);
void
watcher_subscribe(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair);
void relation_resume(struct simple *simple);
void relation_free_all(struct simple *simple);
void relation_drop(struct simple *simple, const char *domain);

/* receipt.c */
void receipts_init(struct receipts *receipts);
void receipts_free(struct receipts *receipts);

/* chat.c, session.c, session_in.c, body.c */
bool session_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg);
void session_invited(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair);
void pager_message(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair);
void chat_resume(struct simple *simple);
void chat_return_orphans(struct simple *simple, const char *domain);
void chat_free_all(struct simple *simple);
void chat_drop(struct simple *simple, const char *domain);
void chat_count(const struct simple *simple, const char *domain, struct simple_counters *counters);

#endif
