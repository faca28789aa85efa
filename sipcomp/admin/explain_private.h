/* explain_private.h - one explanation, for the files that make it */
#ifndef SIPCOMP_ADMIN_EXPLAIN_PRIVATE_H
#define SIPCOMP_ADMIN_EXPLAIN_PRIVATE_H

#include "shared/base/list.h"
#include "shared/loop/timer.h"
#include "sipcomp/admin/admin_private.h"
#include "sipcomp/route/search.h"
#include "sipcomp/sip/trial.h"

enum { EXPLAIN_TEXT = 600, EXPLAIN_LOCALS = 4, EXPLAIN_ADDRESSES = 4 };

/* One step, as it was found out. */
struct explain_note {
        struct link link;
        int64_t ms;
        enum sip_step step;
        enum sip_cause cause;
        char *text;
};

/* Why it does not work, as far as one part of the way tells. */
struct explain_verdict {
        enum sip_cause cause; /* NONE: it works */
        char detail[EXPLAIN_TEXT];
        char advice[EXPLAIN_TEXT]; /* in place of the table's; "" for that */
        char host[256], subject[256];
};

struct explanation;

/* One hop that is tried. */
struct explain_try {
        struct explanation *explanation;
        struct sip_hop hop; /* its context is referenced by the trial */
        struct sip_trial *trial;
        struct list notes;
        struct explain_verdict verdict;
        char addresses[EXPLAIN_ADDRESSES][ADDRESS_TEXT]; /* without ports */
        size_t address_count;
};

struct explanation {
        struct link link;
        struct gateway *gateway;
        struct control_request *request;
        bool is_watched; /* who has asked wants to hear each step as it comes */
        const char *kind;
        char domain[256];
        char local[256]; /* in whose name it is asked */
        uint64_t began;
        struct list before, own, after; /* notes: up to the hops; of ourselves; what came of late */
        struct explain_verdict xmpp, route, doubt;
        struct sip_search *search;
        bool by_name; /* nothing but its own name leads there */
        struct explain_try tries[FEDERATION_HOPS + 1];
        size_t try_count, pending; /* trials and look-ups that still go on */
        struct explain_try public_port;
        struct dns_query *srv[EXPLAIN_LOCALS];
        struct explain_srv {
                struct explanation *explanation;
                size_t i;
                char local[256];
        } srv_of[EXPLAIN_LOCALS];
};

/* explain_note.c */
void explain_note(struct explanation *explanation, struct list *notes, enum sip_step step, enum sip_cause cause, const char *format,
        ...) __attribute__((format(printf, 5, 6)));
/* The first cause stays, and one that is no mere doubt comes before one that is. */
void
explain_blame(struct explain_verdict *verdict, enum sip_cause cause, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Answers with all of it, and frees it. */
void explain_finish(struct explanation *explanation, const struct explain_verdict *verdict);
void explain_free(struct explanation *explanation);

/* explain.c: the sip-peer that advice about this hop is about: that of the certificate shown, the one there is, or the name that is dialled. */
void explain_name_subject(const struct explain_try *try, struct explain_verdict *verdict, const char *shown);
/* One thing less to wait for; ends it when nothing is left. */
void explain_settle(struct explanation *explanation);

/* explain_own.c: our own side. is_tls: the way there needs it. */
void explain_xmpp(struct explanation *explanation);
void explain_ourselves(struct explanation *explanation, const struct sip_hop *hops, size_t count);
void explain_late(struct explanation *explanation);

#endif
