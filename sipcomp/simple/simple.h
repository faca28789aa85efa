/* simple.h - SIMPLE for one gateway: subscriptions both ways, sessions and single messages, over sip/ and under the bridge
 *
 * No XMPP is spoken here: people are pairs, presence is a small value, messages are texts. All on one worker.
 */
#ifndef SIPCOMP_SIMPLE_SIMPLE_H
#define SIPCOMP_SIMPLE_SIMPLE_H

#include "shared/base/buf.h"
#include "shared/store/store.h"
#include "shared/xmpp/errors.h"
#include "sipcomp/msrp/msrp.h"
#include "sipcomp/route/federation.h"
#include "sipcomp/simple/pair.h"
#include "sipcomp/simple/pidf.h"
#include "sipcomp/sip/transaction.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct simple;

/* A text from our side. */
struct simple_text {
        const char *id;     /* of the stanza; NULL: none */
        const char *sender; /* the full JID that errors go back to */
        const char *body;
        bool receipt; /* the sender wants to know that it was delivered (XEP-0184) */
};

enum simple_typing { TYPING_ACTIVE, TYPING_PAUSED, TYPING_GONE };

/* What the bridge fills in. Texts live during the call. */
struct simple_events {
        /* Outgoing subscriptions. */
        void (*watch_accepted)(void *owner, const struct pair *pair); /* once per request of the user */
        void (*watch_ended)(void *owner, const struct pair *pair);    /* refused for good */
        void (*watch_state)(void *owner, const struct pair *pair, const struct pidf *state);
        void (*watch_failed)(
                void *owner, const struct pair *pair, enum stanza_condition condition, const char *type, const char *text);
        /* Incoming ones: ask the user, or learn the state of one who has accepted. */
        void (*watcher_asks)(void *owner, const struct pair *pair);
        void (*watcher_probes)(void *owner, const struct pair *pair);
        /* Can the way to the server of this SIP domain take more? False: it is asked again soon. For states told in great number. */
        bool (*may_tell)(void *owner, const char *domain);
        /* A text from them. The bridge writes it, and calls simple_vouch(server) when it is safe. receipt: the id it must have, for they want to know
         * when it is delivered (simple_receipt); NULL: they do not. */
        void (*text)(
                void *owner, const struct pair *pair, const char *thread, const char *body, const char *receipt, uint64_t server);
        void (*typing)(void *owner, const struct pair *pair, enum simple_typing typing);
        /* Ends of texts of ours. */
        void (*text_failed)(void *owner, const struct pair *pair, const struct simple_text *text, enum stanza_condition condition,
                const char *type, const char *why);
        void (*text_delivered)(void *owner, const struct pair *pair, const struct simple_text *text);
};

struct simple_options {
        struct sip_transactions *transactions;
        struct msrp *msrp;        /* NULL: not spoken */
        struct store *store;      /* with the tables of simple_tables */
        const char *sdp_address;  /* an IP literal for o= and c= */
        uint32_t session_idle;    /* seconds */
        uint32_t notify_interval; /* seconds */
        uint32_t subscribe_rate;  /* per second and domain */
};

/* NULL-terminated; for store_options. */
extern const char *const simple_tables[];
enum { SIMPLE_FORMAT = 1 };

struct simple *simple_new(const struct simple_options *options, const struct simple_events *events, void *owner);
/* No event comes any more; sessions are not ended on the wire. */
void simple_free(struct simple **simple);
/* The numbers of a reload. */
void simple_set_options(struct simple *simple, const struct simple_options *options);
/* Who is served; before simple_resume, and with each reload. */
void simple_set_federation(struct simple *simple, const struct federation *federation);
/* Reads the store: subscriptions go on, texts that were under way go back to their senders. */
void simple_resume(struct simple *simple);
/* The domain is served no more: its subscriptions, dialogs and texts are forgotten, on disk too; before its federation goes. */
void simple_drop(struct simple *simple, const char *domain);
/* The hops of this domain can be reached again after an outage; whoever is behind them may have lost our dialogs: all subscriptions are renewed at
 * subscribe_rate, and what watchers could not be told goes out. */
void simple_domain_back(struct simple *simple, const char *domain);
/* Ends all sessions with BYE; for a clean stop. */
void simple_end_sessions(struct simple *simple);

/* Requests. A request with a tag in To, whoever it is for; answers it. */
void simple_request_in_dialog(struct simple *simple, struct sip_server *server, const struct sip_message *request);
/* SUBSCRIBE, INVITE, MESSAGE and the rest outside a dialog, from and to these people; answers it. */
void simple_request(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair);
/* For sip_user. */
void simple_answered(struct simple *simple, const struct sip_message *response);
void simple_acked(struct simple *simple, const struct sip_message *ack);
void simple_unacked(struct simple *simple, const char *call_id, const char *local_tag);
/* The text behind this request is safe (200), or not (another status). */
void simple_vouch(struct simple *simple, uint64_t server, int status);

/* Outgoing subscriptions. */
void simple_watch(struct simple *simple, const struct pair *pair);
void simple_unwatch(struct simple *simple, const struct pair *pair);
/* The last state once more, through watch_state. A pair without a subscription gets one: the roster knows of it, we have forgotten. */
void simple_watch_probe(struct simple *simple, const struct pair *pair);

/* Incoming ones: the user's decision and state. Without any dialog it is kept for the next one. */
enum decision { DECISION_NONE, DECISION_ACCEPTED, DECISION_DENIED };
void simple_decide(struct simple *simple, const struct pair *pair, enum decision decision);
/* The local user wants to watch someone he has denied: he will be asked again. */
void simple_reconsider(struct simple *simple, const struct pair *pair);
/* The state of the local user as this watcher may see it; activity "" for none; note may be NULL. */
void simple_state(struct simple *simple, const struct pair *pair, bool open, const char *activity, const char *note);
/* The server behind the stream of a domain is away: our users are shown offline to the watchers there. Back: all states are asked for and told anew. */
void simple_hide(struct simple *simple, const char *domain);
void simple_show(struct simple *simple, const char *domain);

/* Messages. */
void simple_send(struct simple *simple, const struct pair *pair, const struct simple_text *text);
void simple_typing(struct simple *simple, const struct pair *pair, enum simple_typing typing);
/* The user's client has the text with this id: tells them, if they asked. */
void simple_receipt(struct simple *simple, const struct pair *pair, const char *id);
/* The server refused a text of theirs: tells them so in the session. False: there is none. */
bool simple_not_delivered(struct simple *simple, const struct pair *pair, const char *why);

struct simple_counters {
        size_t watches, watchers, sessions, waiting_texts;
};
void simple_counters(const struct simple *simple, const char *domain, struct simple_counters *counters);

/* One subscription or session, for the administrator. Texts live during the call; times are by the wall clock in ms, 0: none. */
struct simple_view {
        const char *kind; /* "watch": ours of a contact there; "watcher": theirs of a user here; "session" */
        const struct pair *pair;
        const char *state;
        const char *call_id; /* NULL: no dialog yet, or none any more */
        uint32_t cseq, their_cseq;
        int64_t began; /* since we know of the dialog: this process, or the dialog's beginning */
        int64_t expires;
        char heard[64]; /* the last request of theirs or answer to one of ours; "": none */
        int64_t heard_at;
        const char *next; /* what is awaited, or will be done */
        int64_t next_at;
};
/* True: go on. */
typedef bool simple_viewed(void *arg, const struct simple_view *view);
void simple_each(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg);

#endif
