/* bridge_private.h - what the files of the bridge share */
#ifndef SIPCOMP_BRIDGE_BRIDGE_PRIVATE_H
#define SIPCOMP_BRIDGE_BRIDGE_PRIVATE_H

#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/dns/dns.h"
#include "shared/loop/timer.h"
#include "shared/tls/context.h"
#include "sipcomp/bridge/address.h"
#include "sipcomp/bridge/gateway.h"
#include "sipcomp/component/component.h"

enum { RESOURCE_MAX = 64 };
#define TYPING_ID "typing" /* of what nobody misses when it is refused */

struct gateway {
        struct config *config;
        struct store *store;
        struct dns *dns;
        struct federation *federation, *retired; /* the one before lives until its requests are over */
        struct timer retire;
        struct sip_transactions *transactions;
        struct simple *simple;
        struct msrp *msrp;   /* NULL: not spoken */
        struct map *edges;   /* struct edge by domain */
        struct map *aliases; /* struct alias by pair key */
        struct map *names;   /* struct known_name by foreign JID */
        struct timer patience;
        uint64_t patience_ends;
        bool closed_streams;
        void (*stopped)(void *owner);
        void *stopped_owner;
        bool stopping;
};

/* One SIP domain: its component stream, and the texts that wait for the server's word on that stream. */
struct edge {
        struct gateway *gateway;
        char *domain;
        struct component *component;
        struct map *barriers; /* struct barrier by local domain */
        struct map *crowds;   /* struct crowd by pair key */
        int64_t granted;      /* wall clock, ms: the last request of ours that was; 0: none yet */
        struct timer hide;    /* the server has been away long enough: our users are shown offline */
};

/* gateway.c */
struct edge *edge_of(const struct gateway *gateway, const char *domain);

/* listen.c: the listeners, certificates and names of this configuration from now on. All or nothing: on -1, with a sentence, all is as it was. */
int listen_apply(struct gateway *gateway, const struct section *top, struct err *err);
/* At the start: gateway->msrp, which stays NULL where no port is given. */
int listen_msrp(struct gateway *gateway, const struct section *top, struct err *err);

/* people.c: pairs and the JIDs that make them. Texts in the arena. */
bool people_pair(
        const struct gateway *gateway, struct arena *arena, struct pair *pair, const struct jid *local, const struct jid *foreign);
/* The foreign JID as this local user knows it; with a resource or NULL. */
bool
people_foreign(const struct gateway *gateway, struct arena *arena, struct jid *jid, const struct pair *pair, const char *resource);
/* The name a contact shows in his presence (CIPID); NULL where none is known. */
void people_keep_name(struct gateway *gateway, const char *foreign, const char *name);
const char *people_name(const struct gateway *gateway, const char *foreign);
bool people_local(struct arena *arena, struct jid *jid, const struct pair *pair);
void people_free_all(struct gateway *gateway);

/* front.c: the door on the SIP side. */
extern const struct sip_user front_user;

/* to_xmpp.c */
extern const struct simple_events to_xmpp_events;

/* from_xmpp.c */
void from_xmpp(struct edge *edge, struct stanza *stanza); /* takes it */

/* crowd.c: which of a user's resources a watcher sees. */
void crowd_presence(struct edge *edge, const struct pair *pair, const struct stanza *presence, const struct dialect *dialect);
/* The stream broke: what the users' resources said on it is stale. */
void crowd_forget_all(struct edge *edge);

/* barrier.c: a text from SIP is safe when the server behind it has answered a ping that followed it. */
void barrier_add(struct edge *edge, const struct jid *local, uint64_t server, const char *message_id);
/* A reply to one of our pings? */
bool barrier_reply(struct edge *edge, const struct stanza *iq);
/* The server refused this text before it was safe: it will be answered with the status. False: it is known no more. */
bool barrier_refuse(struct edge *edge, const struct stanza *error, int status);
/* The stream broke: nothing that waits is safe. */
void barrier_break(struct edge *edge);
void barrier_free_all(struct edge *edge);

#endif
