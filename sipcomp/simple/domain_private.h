/* domain_private.h - a foreign domain: what is remembered about it, its people, and passes over them that take a small piece a turn */
#ifndef SIPCOMP_SIMPLE_DOMAIN_PRIVATE_H
#define SIPCOMP_SIMPLE_DOMAIN_PRIVATE_H

#include "sipcomp/simple/simple_private.h"

struct watch;
struct relation;

/* A pass over a list that goes on from turn to turn. What is appended meanwhile is visited too. */
struct walk {
        struct timer timer;
        struct link *next; /* NULL: at its end */
};

/* Owned by simple->domains. */
struct domain {
        struct simple *simple;
        char *name;
        uint64_t next_turn;   /* when the next SUBSCRIBE may leave, in microseconds: there may be several in a millisecond */
        uint64_t next_notify; /* the same for NOTIFYs that are sent again */
        uint64_t pager_until; /* it refused sessions: single messages until then */
        uint64_t msrp_until;  /* it speaks MSRP */
        bool msrp_secure;
        uint64_t back_at;    /* since when it can be reached, as far as we know; subscriptions granted before are worth renewing */
        bool shared;         /* one subscription for all who watch a contact there */
        struct list watches; /* of struct watch */
        struct list relations;
        size_t watcher_count;  /* dialogs in those relations */
        struct walk telling;   /* states of the contacts, to XMPP */
        struct walk renewing;  /* subscriptions, at subscribe-rate */
        struct walk visiting;  /* relations: to ask for the users' states, or to show the users offline */
        struct walk resending; /* relations: NOTIFYs that found no way */
        bool hiding;           /* what visiting is for */
};

struct domain *domain_of(struct simple *simple, const char *name); /* makes it */
void domain_free_all(struct simple *simple);
void domain_add_watch(struct domain *domain, struct link *link);
void domain_remove_watch(struct domain *domain, struct link *link);
void domain_add_relation(struct domain *domain, struct link *link);
void domain_remove_relation(struct domain *domain, struct link *link);

/* How many milliseconds a SUBSCRIBE must wait for its turn; takes the turn. */
uint64_t domain_take_turn(struct domain *domain);
/* All subscriptions are renewed, one after the other. */
void domain_renew(struct domain *domain);
/* The same for those alone that are new or to be ended. */
void domain_go_over(struct domain *domain);
/* After a start: all watchers are told what nobody knows whether they have heard. In a moment, when the users' states are known. */
void domain_resend_all(struct simple *simple);

/* NULL: of all domains. */
void domain_count(const struct simple *simple, const char *name, struct simple_counters *counters);

/* What the walks do with each. */
void watch_tell(struct link *link);  /* what is known of the contact; nothing where nothing is */
bool watch_renew(struct link *link); /* false: it needs none */
void relation_visit(struct link *link, bool hide);
bool relation_resend(struct link *link); /* false: nothing is waiting */

#endif
