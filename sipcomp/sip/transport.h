/* transport.h - listeners and connections that carry SIP over TCP and TLS (RFC 3261 18, RFC 5626 4.4.1, RFC 5923)
 *
 * A flow is one connection in either direction. It has an identity (what its certificate proved, where it comes from), never any state of
 * a dialog. Between two turns remember its id, not the pointer.
 */
#ifndef SIPCOMP_SIP_TRANSPORT_H
#define SIPCOMP_SIP_TRANSPORT_H

#include "shared/base/err.h"
#include "shared/dns/dns.h"
#include "shared/loop/address.h"
#include "shared/tls/context.h"
#include "shared/tls/peer.h"
#include "sipcomp/sip/message.h"
#include "sipcomp/sip/refusals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sip_transport;
struct sip_flow;

enum sip_wire { SIP_TCP, SIP_TLS };
const char *sip_wire_name(enum sip_wire wire); /* "TCP", "TLS" */

/* One place where requests for a domain may go. */
struct sip_hop {
        char host[256]; /* a name or an IP literal; for TLS also the name the certificate is held against */
        uint16_t port;
        enum sip_wire wire;
        bool named_by_dns;       /* SRV named it: the certificate must be a sip-peer's, its fitting the name alone proves nothing */
        struct tls_context *tls; /* for this peer; NULL: the transport's. Not referenced: must live while the hop is in use */
};

struct sip_transport_options {
        const char *fqdn;        /* routing-fqdn: in Via, Contact, Record-Route */
        struct tls_context *tls; /* what we show when we dial; NULL: no TLS. Referenced. */
        struct dns *dns;         /* of this worker; must outlive the transport */
        bool record_route;  /* record-route-transport: a Record-Route of our own with the transport parameter (DIALECTS.md 3.4) */
        unsigned max_flows; /* 0: 4096; further incoming connections take the place of strangers, or are closed at once */
        unsigned max_flows_per_address; /* 0: 256; likewise */
};

/* What the room above fills in. Any of them may be NULL where noted. */
struct sip_transport_events {
        /* May requests for this foreign domain leave on a connection with this identity (a certificate name that equals the hop's host has
         * already been found not to hold when peer != NULL)? True when a sip-peer subject of the domain is among its names, or, for
         * TCP (peer NULL), when the address belongs to a hop of the domain's route. NULL: no. */
        bool (*may_carry)(void *owner, const char *domain, const struct tls_peer *peer, const struct address *address);
        /* A complete message that could be read; takes it. */
        void (*message)(void *owner, struct sip_flow *flow, struct sip_message *message);
        /* A request that cannot be served as it stands: answer fault->status (it has one). Does not take the message. */
        void (*refused)(void *owner, struct sip_flow *flow, const struct sip_message *message, const struct sip_fault *fault);
        /* The connection is gone; nothing sent on it that is unanswered will be answered. Its id is not found any more. */
        void (*lost)(void *owner, uint64_t flow);
        /* A hop that could not be reached, or to which a connection broke, can be reached again: once for each domain whose requests went
         * there. NULL: nobody cares. */
        void (*back)(void *owner, const char *domain);
        /* How TLS is spoken with who connects from this address, in place of the listener's way; NULL: as with everybody. May be NULL. */
        struct tls_context *(*choose_tls)(void *owner, const struct address *address, enum tls_ask ask);
        /* Is this domain still served, and this hop still one of its? Others are not probed, and their connections not kept. NULL: yes. */
        bool (*is_wanted)(void *owner, const char *domain, const struct sip_hop *hop);
        /* May whoever is at the other end speak for anybody? Asked in sip_transport_review. NULL: yes. */
        bool (*is_known)(void *owner, const struct sip_flow *flow);
};

/* On the worker that will use it. */
struct sip_transport *
sip_transport_new(const struct sip_transport_options *options, const struct sip_transport_events *events, void *owner);
/* Closes everything; no event comes. */
void sip_transport_free(struct sip_transport **transport);
/* Whose connections begin with a PROXY head that says where they come from; copied. Other addresses have no right to one. */
void sip_transport_set_balancers(struct sip_transport *transport, const struct network *networks, size_t count);
/* Our name in messages from now on, and whether a Record-Route of ours goes along. */
void sip_transport_set_name(struct sip_transport *transport, const char *fqdn, bool record_route);
/* A reload: connections keep what they began with. */
void sip_transport_set_tls(struct sip_transport *transport, struct tls_context *tls);

/* A listener. With TLS_ASK_REQUIRED an invalid certificate ends the connection, with OPTIONAL it counts as none. */
struct sip_listen {
        const char *name;
        struct address address;
        enum sip_wire wire;
        struct tls_context *tls; /* SIP_TLS: what it shows and demands; referenced */
        enum tls_ask ask;
        uint16_t advertise; /* the public port; 0: the bound one */
};
/* Listens at these places and no others. A place that was listened at before stays open, and what has changed about it counts from the next
 * connection on; connections that are up never notice. All or nothing: on -1, with a sentence, all is as it was. */
int sip_transport_listen(struct sip_transport *transport, const struct sip_listen *wanted, size_t count, struct err *err);
/* Stops accepting; for the stop of the program. */
void sip_transport_close_listeners(struct sip_transport *transport);

/* What we show when we dial; NULL: no TLS is configured. */
struct tls_context *sip_transport_tls(const struct sip_transport *transport);
bool sip_transport_listens(const struct sip_transport *transport, enum sip_wire wire);

/* "sip.example.com" and the advertised port of this wire. */
const char *sip_transport_fqdn(const struct sip_transport *transport);
uint16_t sip_transport_port(const struct sip_transport *transport, enum sip_wire wire);

struct sip_flow *sip_flow_find(struct sip_transport *transport, uint64_t id);
uint64_t sip_flow_id(const struct sip_flow *flow);
enum sip_wire sip_flow_wire(const struct sip_flow *flow);
/* What the other side proved; NULL for TCP, before the handshake, and where the certificate is missing or invalid. */
const struct tls_peer *sip_flow_peer(const struct sip_flow *flow);
const struct address *sip_flow_address(const struct sip_flow *flow);
/* "edge.lync.test 192.0.2.7:41522 TLS in": for the log. Valid until the next call. */
const char *sip_flow_text(const struct sip_flow *flow);
/* What `status` and `peers` tell of it. Valid until the next turn. */
struct sip_flow_view {
        uint64_t id;
        enum sip_wire wire;
        bool is_outgoing, is_ready;
        const char *host; /* that was dialled; of an incoming one the name of the listener */
        const struct address *address;
        const struct tls_peer *peer; /* also where it is not valid; NULL: none */
        int64_t opened;              /* wall clock, ms */
        uint64_t received, sent;     /* messages */
        uint64_t quiet_ms;           /* since the last byte either way */
};
void sip_flow_look(const struct sip_flow *flow, struct sip_flow_view *view);
/* A request that came on it was let in. Others are strangers: a minute of silence ends them, and they make room when there are too many connections. */
void sip_flow_welcome(struct sip_flow *flow);
/* Dialogs live on it: it is pinged after 120 s of silence (DIALECTS.md 3.1). */
void sip_flow_keep(struct sip_flow *flow);
void sip_flow_close(struct sip_flow *flow);

/* Prints and sends. Writes Via (requests; with this branch), Contact (contact_user) and our Record-Route (record_route) for this flow's
 * wire. False if the flow is closing. */
bool sip_flow_send(struct sip_flow *flow, struct sip_message *message, const char *branch);

/* A ready connection to this hop, or one that is being made. domain: whose requests will go there. hint: a flow (usually an incoming one) a
 * request of the same dialog came on, used while it lives and fits; in_dialog: any fitting incoming TLS connection will do. ready is called
 * exactly once, never from inside this call: with the flow, or with NULL and why. */
struct sip_dial;
typedef void sip_dial_ready(void *owner, struct sip_flow *flow, const char *why);
struct sip_dial *sip_transport_dial(struct sip_transport *transport, const struct sip_hop *hop, const char *domain, uint64_t hint,
        bool in_dialog, sip_dial_ready *ready, void *owner);
void sip_dial_cancel(struct sip_dial **dial); /* ready will not come */

/* Could this hop not be reached when it was tried last? Then others are tried first. It is probed meanwhile, every 0.5 to 5 s. */
bool sip_transport_shuns(const struct sip_transport *transport, const struct sip_hop *hop);
/* This domain has just spoken to us: its hops that are down are probed now. */
void sip_transport_heard(struct sip_transport *transport, const char *domain);

enum sip_hop_state { SIP_HOP_UNTRIED, SIP_HOP_UP, SIP_HOP_DOWN };
struct sip_hop_report {
        enum sip_hop_state state;
        uint64_t since_ms;    /* it has been so for this long */
        const char *why;      /* what failed last, "" for nothing; valid until the next turn */
        unsigned failures;    /* in a row */
        uint64_t probe_in_ms; /* 0: none is planned */
};
void sip_transport_report(const struct sip_transport *transport, const struct sip_hop *hop, struct sip_hop_report *report);

/* After a reload, in the turns that follow: closes the connections that belong to nobody any more, that is those on which no domain's requests may go out and whose other end
 * may speak for nobody. One to a hop that has left the routes goes on while its peer uses it. */
void sip_transport_review(struct sip_transport *transport);

/* Visits all flows (for `status`): start with *at = 0, NULL at the end. */
struct sip_flow *sip_transport_each(const struct sip_transport *transport, size_t *at);

/* A host and port as a URI names them. */
struct sip_place {
        char host[256]; /* "": none */
        uint16_t port;  /* 0: not said */
};
/* Who was turned away of late, and which hops were not reached; the transport's own, for others to add to. */
struct refusals *sip_transport_refusals(struct sip_transport *transport);

/* A tap hears each message that is read or sent, as it is on the wire. message is NULL where it could not be read. tap NULL: nobody listens. */
struct sip_tapped {
        const struct sip_flow *flow;
        const struct sip_message *message;
        bool is_sent;
        const char *head, *body;
        size_t head_len, body_len;
};
typedef void sip_tap(void *owner, const struct sip_tapped *tapped);
void sip_transport_tap(struct sip_transport *transport, sip_tap *tap, void *owner);

/* The hop rule of DIALECTS.md 3.4: the place a dialog's route or target names is put first when it is one of these hops, or when it equals one of
 * the peer's subjects (then it becomes a hop of its own, same wire and tls as the first); any other name changes nothing, it is only written into the message. hops has
 * room for one more. Returns the new count. */
size_t sip_hops_prefer(
        struct sip_hop *hops, size_t count, const struct sip_place *wanted, const char *const *subjects, size_t subject_count);

#endif
