/* watcher_private.h - foreign users who watch ours: the relation of two people, and each dialog in it */
#ifndef SIPCOMP_SIMPLE_WATCHER_PRIVATE_H
#define SIPCOMP_SIMPLE_WATCHER_PRIVATE_H

#include "sipcomp/simple/domain_private.h"

/* What the local user has decided about the watcher, and what the watcher may see. Outlives the dialogs; owned by simple->relations. */
struct relation {
        struct simple *simple;
        struct domain *domain;
        struct link in_domain;
        struct pair pair;
        unsigned char key[PAIR_KEY];
        enum decision decision;
        bool asked; /* `subscribe` was sent and not answered yet */
        bool open;  /* the state */
        char *activity, *note;
        unsigned storing; /* writes under way that the watchers must not hear of before */
        bool hidden;      /* the server behind our user is away */
        struct list watchers;
};

enum notify_state {
        NOTIFY_NEW,
        NOTIFY_QUIET,
        NOTIFY_SENDING,
        NOTIFY_RESTING,
        NOTIFY_RETRYING,
        NOTIFY_LAST,
        NOTIFY_OVER,
        NOTIFY_ANY
};
enum notify_event {
        NOTIFY_ASKED,
        NOTIFY_CHANGED,
        NOTIFY_TAKEN,
        NOTIFY_GONE,
        NOTIFY_FAILED,
        NOTIFY_UNREACHED,
        NOTIFY_TIME,
        NOTIFY_BACK, /* the way is free again */
        NOTIFY_ENDED,
        NOTIFY_ANY_EVENT
};

/* One dialog; owned by its relation. In the store its key is that of its ear. */
struct watcher {
        struct link link;
        struct relation *relation;
        struct dialog_ear ear;
        struct sip_dialog *dialog;
        char *event_id;     /* of Event: presence;id=x */
        int64_t expires_at; /* wall-clock ms */
        struct timer expiry;
        enum notify_state stage;
        struct timer timer;
        struct sip_client *client; /* the NOTIFY under way */
        uint64_t last_sent;        /* monotonic ms; 0: never */
        bool must_ask;             /* the user has not been asked yet */
        bool owed;                 /* read from the store: nobody knows whether the last NOTIFY has arrived */
        bool dirty;                /* the state has changed since */
        bool failed;               /* the last NOTIFY was not answered, or by a server in trouble */
        bool ends;                 /* the next NOTIFY says terminated */
        bool over;
};

#define RELATION_LOG(relation) LOG_PAIR("simple.watcher", (relation)->pair.foreign, (relation)->pair.local)

struct relation *relation_of(struct simple *simple, const struct pair *pair); /* makes it */
void relation_save(struct relation *relation);
/* Frees it when nothing is to be remembered. */
void relation_tidy(struct relation *relation);

struct watcher *watcher_new(struct relation *relation, struct sip_dialog *dialog);
void watcher_free(struct watcher *watcher);
void watcher_expire_in(struct watcher *watcher, uint64_t ms);
void watcher_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request);
/* May free the watcher. */
void watcher_apply(struct watcher *watcher, enum notify_event event);
void watcher_ask(struct watcher *watcher);
void watcher_encode(const struct watcher *watcher, struct buf *record);
void watcher_save(struct watcher *watcher);

#endif
