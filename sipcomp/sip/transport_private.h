/* transport_private.h - what listen.c, transport.c (who goes where), hop.c and flow.c (one connection) share */
#ifndef SIPCOMP_SIP_TRANSPORT_PRIVATE_H
#define SIPCOMP_SIP_TRANSPORT_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/loop/conn.h"
#include "shared/loop/listener.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "sipcomp/sip/cause.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/transport.h"

enum {
        FLOW_CONNECT_MS = 5 * 1000,    /* one address, TCP only */
        FLOW_HANDSHAKE_MS = 10 * 1000, /* from the first byte to TLS that stands */
        FLOW_MESSAGE_MS = 30 * 1000,   /* from the first byte of a message to its last */
        FLOW_PING_MS = 120 * 1000,     /* silence on a connection that carries dialogs */
        FLOW_PONG_PARTS = 12,          /* of that time: how long the answer may take; 10 s (RFC 5626 4.4.1) */
        FLOW_UNHEARD_MS = 32 * 1000, /* bytes of ours that the other machine has not acknowledged; as long as a request may take */
        FLOW_IDLE_PINGS = 15,        /* times FLOW_PING_MS: silence on one that carries none; half an hour */
        FLOW_STRANGER_PARTS = 2,     /* of FLOW_PING_MS: silence of a stranger; a minute */
        FLOW_QUEUE_MAX = 4 << 20,    /* bytes a peer may leave unread */
        FLOW_ADDRESSES = 8,
        FLOW_QUIET_MS = 60 * 1000, /* whoever closes after this long a silence only tidies up */
};

/* Owned by the transport. */
struct sip_listener {
        struct link link;
        struct sip_transport *transport;
        struct address address;          /* as it was asked for: with port 0 the socket has another */
        struct listener *socket;         /* NULL only inside sip_transport_listen */
        const struct sip_listen *wanted; /* inside sip_transport_listen */
        bool is_new;
        struct tls_context *tls;
        enum sip_wire wire;
        enum tls_ask ask;
        uint16_t advertise;
        char name[64];
};

struct sip_transport {
        char fqdn[256];
        uint16_t port[2]; /* as advertised, by enum sip_wire; 0: there is no listener */
        struct tls_context *tls;
        struct dns *dns;
        bool record_route;
        unsigned max_flows, max_flows_per_address, ping_ms;
        struct network *balancers;
        size_t balancer_count;
        const struct sip_transport_events *events;
        void *owner;

        struct list flows, listeners, dials;
        struct map *by_id;
        struct map *hops;  /* struct hop_state by place */
        unsigned troubled; /* of them: down, or a connection broke */
        struct refusals *refusals;
        sip_tap *tap; /* NULL: none */
        void *tap_owner;
        uint64_t last_id, reviewed; /* id of the flow that was looked at last */
        struct timer review;
        struct log_scope log;
};

/* Somebody who wants a connection. Owned by the transport until ready() has been called. */
struct sip_dial {
        struct link link, waiting; /* among all; at its flow while that is being made */
        struct sip_transport *transport;
        struct sip_flow *at; /* where it waits; NULL: it does not */
        struct sip_hop hop;
        char *domain;
        sip_dial_ready *ready;
        void *owner;
        uint64_t flow; /* 0: it failed */
        char why[256];
        struct chore tell;
};

enum flow_state {
        FLOW_MAKING, /* resolving, connecting, TLS */
        FLOW_READY,
        FLOW_ENDING, /* nothing is read or written any more; closed() will come */
};

struct sip_flow {
        struct link link;
        struct sip_transport *transport;
        uint64_t id;
        enum flow_state state;
        enum sip_wire wire;
        bool outgoing, kept;
        bool is_welcome; /* outgoing, or it has said something that is for us, or carries requests; false: a stranger's */
        bool was_ready;
        struct conn *conn;
        struct sip_hop
                hop; /* where it leads: outgoing, and incoming once requests of ours take it (else host is empty); its context is referenced */
        char listener[64];
        struct tls_context *tls; /* incoming, through a balancer, until its PROXY head is there; referenced */
        enum tls_ask ask;
        struct address peer;
        struct dns_query *query;
        bool resolved;
        struct address addresses[FLOW_ADDRESSES];
        size_t address_count, next_address;
        struct list waiting;
        struct sip_framer framer;
        uint64_t born, message_since, last_sent, last_complaint;
        uint64_t pinged;    /* 0: nothing is owed */
        bool answers_pings; /* it has done so: should it cease, it is gone */
        int64_t opened;     /* wall clock, ms */
        uint64_t messages_received, messages_sent;
        struct timer tick;
        struct chore fail;
        char why[256];
        struct log_scope log;
};

/* For tests: pings come after so long a silence, and all that goes with them as much earlier. */
void transport_set_ping(struct sip_transport *transport, unsigned ms);

/* Begins to connect; a failure comes later. */
struct sip_flow *flow_dial(struct sip_transport *transport, const struct sip_hop *hop);
/* Room for this connection among all and among those from its address, the one that is asked for included: where there is none, the stranger
 * that has been here longest has to go. False: there is no other stranger. newcomer NULL: for one that comes next. */
bool transport_make_room(struct sip_transport *transport, const struct sip_flow *newcomer);
/* Takes fd. */
void flow_accept(struct sip_listener *listener, int fd, const struct address *peer);
/* One line per connection and second, however many faults a peer makes. */
bool flow_may_complain(struct sip_flow *flow);
/* What is shown and checked at the other end of this hop; NULL: no TLS is configured. */
struct tls_context *transport_client_tls(const struct sip_transport *transport, const struct sip_hop *hop);
/* It does not serve, or is not served: a line in the log, with the cure, and one in the memory of refusals. domain, detail: NULL where not known. */
void flow_turn_down(struct sip_flow *flow, enum sip_cause cause, const char *domain, const char *detail);
/* Nothing is read or written any more; who has to hears why at the end of this turn. */
void flow_end(struct sip_flow *flow, const char *why);
/* At once, with its connection; tells nobody. */
void flow_discard(struct sip_flow *flow);
/* Does the identity allow it that requests for this domain, meant for this hop, go there? peer NULL: TCP, or TLS that has proved nothing. */
bool transport_may_carry(const struct sip_transport *transport, const struct sip_hop *hop, const char *domain,
        const struct tls_peer *peer, const struct address *address);
/* May requests for this domain, meant for this hop, leave on it? */
bool flow_fits(const struct sip_flow *flow, const struct sip_hop *hop, const char *domain);
/* Requests of ours take it no more: it lives as long as its peer uses it. */
void flow_retire(struct sip_flow *flow);
/* A request meant for this hop takes this flow. */
void flow_leads_to(struct sip_flow *flow, const struct sip_hop *hop);

/* flow_io.c */
/* For conn: what came; returns how much was taken. */
size_t flow_hear_data(void *owner, const char *bytes, size_t len);

/* The flow is ready, or it failed (then why says how): everybody who waits for it hears at the end of this turn. */
void transport_settle(struct sip_flow *flow, const char *why);
/* A connection of ours to this hop, ready or being made; NULL: none. */
struct sip_flow *transport_outgoing(const struct sip_transport *transport, const struct sip_hop *hop);

/* hop.c */
/* Requests of this domain go there. */
void hop_used(struct sip_transport *transport, const struct sip_hop *hop, const char *domain);
/* It could not be reached; a connection to it was made; one that stood has broken. */
void hop_down(struct sip_transport *transport, const struct sip_hop *hop, const char *why);
void hop_up(struct sip_transport *transport, const struct sip_hop *hop);
void hop_broken(struct sip_transport *transport, const struct sip_hop *hop, const char *why);
/* Do requests of a domain that is still served go out on this connection? */
bool hop_is_used(const struct sip_flow *flow);
void hops_free_all(struct sip_transport *transport);

#endif
