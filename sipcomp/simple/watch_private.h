/* watch_private.h - one outgoing subscription, and what its files call among themselves */
#ifndef SIPCOMP_SIMPLE_WATCH_PRIVATE_H
#define SIPCOMP_SIMPLE_WATCH_PRIVATE_H

#include "sipcomp/simple/domain_private.h"

enum watch_state {
        WATCH_IDLE,       /* read from the store, or just made */
        WATCH_ASKING,     /* SUBSCRIBE outside a dialog is under way */
        WATCH_LISTENING,  /* granted, not notified yet: timer N runs */
        WATCH_SETTLED,    /* granted and notified: the refresh is planned */
        WATCH_REFRESHING, /* SUBSCRIBE in the dialog is under way */
        WATCH_WAITING,    /* for the next try; without a timer, for the user */
        WATCH_ENDING,     /* unsubscribed: the final NOTIFY may come */
        WATCH_OVER,
        WATCH_ANY
};

enum watch_event {
        WATCH_WANTED,
        WATCH_UNWANTED,
        WATCH_GRANTED,    /* 2xx, no NOTIFY yet */
        WATCH_COMPLETE,   /* 2xx, the NOTIFY is there */
        WATCH_NOTIFIED,   /* NOTIFY pending or active */
        WATCH_FAILED,     /* a final answer that is worth waiting after */
        WATCH_ANEW,       /* a final answer that is worth another SUBSCRIBE at once */
        WATCH_LOST,       /* terminated: deactivated, timeout */
        WATCH_REVOKED,    /* terminated: rejected, noresource */
        WATCH_POSTPONED,  /* terminated: probation, giveup */
        WATCH_FROZEN,     /* terminated: invariant */
        WATCH_SUPERSEDED, /* terminated: 2139 */
        WATCH_TIME,
        WATCH_TURN, /* time, and the dialog lives */
        WATCH_ANY_EVENT
};

/* Owned by simple->watches. */
struct watch {
        struct simple *simple;
        struct domain *domain;
        struct link in_domain;
        struct pair pair;
        unsigned char key[PAIR_KEY];
        enum watch_state stage;
        struct dialog_ear ear;
        struct sip_dialog *dialog; /* NULL until the other side has answered */
        struct sip_client *client; /* a SUBSCRIBE under way, or NULL */
        struct timer timer;        /* what the state waits for */
        struct timer expiry;       /* the end of the dialog */
        int64_t expires_at;        /* wall-clock ms */
        uint32_t expires_asked;    /* what 423 made of it; 0: the dialect's */
        unsigned tries;            /* failures in a row */
        uint64_t anew_since;
        unsigned anew_count;
        char *redirect;      /* the Contact of a 3xx, or NULL */
        struct list sharers; /* other local users who see what this one sees (shared-subscription) */
        bool folded;         /* another subscription serves this user now: to be ended when its turn comes */
        unsigned storing;    /* writes under way after which the state is said */
        bool known;          /* has been active */
        bool asked;          /* the user waits for `subscribed` */
        bool notified;       /* in this dialog */
        bool has_turn;
        bool over;
        bool unreached;      /* the last failure says nothing about the contact: another try is worth it when the domain is back */
        uint64_t granted_at; /* monotonic ms, of the last 2xx */
        const struct pidf *state; /* never NULL; pidf_copy's, or pidf_closed */
};

#define WATCH_LOG(watch) LOG_PAIR("simple.watch", (watch)->pair.local, (watch)->pair.foreign)

void watch_apply(struct watch *watch, enum watch_event event, const struct sip_message *message);
void watch_plan(struct watch *watch);                   /* its refresh, or a new subscription at the end of the dialog */
void watch_expire_in(struct watch *watch, uint64_t ms); /* unless granted anew, the contact is shown offline then */
const struct sip_message *watch_request_under_way(const struct watch *watch);

uint32_t watch_wanted_expires(const struct watch *watch);

/* watch_answer.c */
bool watch_may_begin_anew(struct watch *watch);
enum watch_event watch_event_of_refusal(struct watch *watch, const struct sip_message *response);

/* watch_notify.c */
void watch_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request);
void watch_take_state(struct watch *watch, const struct sip_message *message);
void watch_keep_state(struct watch *watch, const struct pidf *state); /* copies it */
void watch_show_closed(struct watch *watch);
uint32_t watch_retry_after(const struct sip_message *notify, uint32_t otherwise); /* seconds */

/* watch_share.c. To all who share the watch. */
bool watch_is_awaited(const struct watch *watch); /* somebody has asked and was not answered yet */
void watch_say_accepted(struct watch *watch);     /* to him */
void watch_say_state(struct watch *watch);        /* unless it is said anyway when a write is done */
void watch_say_ended(struct watch *watch);
void watch_say_failed(struct watch *watch, enum stanza_condition condition, const char *type, const char *text);
void share_resume(struct simple *simple);
void share_unsave(struct watch *watch); /* its sharers are on disk no more */
void share_forget(struct watch *watch); /* nobody shares it any more */

/* watch_record.c */
struct watch *watch_create(struct simple *simple, const struct pair *pair);
void watch_destroy(struct watch *watch);
void watch_save(struct watch *watch);
void watch_save_later(struct watch *watch);   /* for what their next NOTIFY would tell anyway */
void watch_save_and_say(struct watch *watch); /* that the user is accepted, and the state, when it is on disk */
void watch_unsave(struct watch *watch);

#endif
