/*
 * flow_view.c - what others may know of a connection: whom it has proved to be, where it comes from, which requests may take it
 */
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>

const char *
sip_wire_name(enum sip_wire wire)
{
        return wire == SIP_TLS ? "TLS" : "TCP";
}

bool
transport_may_carry(const struct sip_transport *transport, const struct sip_hop *hop, const char *domain,
        const struct tls_peer *peer, const struct address *address)
{
        if (hop->wire == SIP_TLS && (peer == NULL || !peer->valid))
                return false;
        if (hop->wire == SIP_TLS && !hop->named_by_dns && tls_peer_is(peer, hop->host))
                return true;
        return transport->events->may_carry != NULL && transport->events->may_carry(transport->owner, domain, peer, address);
}

bool
flow_fits(const struct sip_flow *flow, const struct sip_hop *hop, const char *domain)
{
        if (flow->state != FLOW_READY || flow->wire != hop->wire)
                return false;
        if (flow->wire == SIP_TCP && flow->outgoing)
                return true;
        return transport_may_carry(flow->transport, hop, domain, sip_flow_peer(flow), &flow->peer);
}

uint64_t
sip_flow_id(const struct sip_flow *flow)
{
        return flow->id;
}

enum sip_wire
sip_flow_wire(const struct sip_flow *flow)
{
        return flow->wire;
}

const struct tls_peer *
sip_flow_peer(const struct sip_flow *flow)
{
        if (flow->wire != SIP_TLS || flow->conn == NULL || !conn_is_secure(flow->conn))
                return NULL;
        const struct tls_peer *peer = conn_peer(flow->conn);
        return peer != NULL && peer->has_certificate && peer->valid ? peer : NULL;
}

const struct address *
sip_flow_address(const struct sip_flow *flow)
{
        return &flow->peer;
}

const char *
sip_flow_text(const struct sip_flow *flow)
{
        static _Thread_local char text[256];
        char address[ADDRESS_TEXT];
        const struct tls_peer *peer = sip_flow_peer(flow);
        const char *name = flow->outgoing ? flow->hop.host : peer != NULL && peer->name_count > 0 ? peer->names[0].text : "-";
        snprintf(text, sizeof text, "%.120s %s %s %s", name, address_format(address, &flow->peer), sip_wire_name(flow->wire),
                flow->outgoing ? "out" : "in");
        return text;
}

void
sip_flow_look(const struct sip_flow *flow, struct sip_flow_view *view)
{
        bool is_secure = flow->conn != NULL && conn_tls(flow->conn) != NULL && conn_is_secure(flow->conn);
        const struct tls_peer *peer = is_secure ? conn_peer(flow->conn) : NULL;
        uint64_t heard = flow->conn != NULL ? conn_last_heard(flow->conn) : 0, now = worker_now();
        uint64_t quiet_since = heard > flow->last_sent ? heard : flow->last_sent;

        *view = (struct sip_flow_view){ .id = flow->id,
                .wire = flow->wire,
                .is_outgoing = flow->outgoing,
                .is_ready = flow->state == FLOW_READY,
                .host = flow->outgoing ? flow->hop.host : flow->listener,
                .address = &flow->peer,
                .peer = peer,
                .opened = flow->opened,
                .received = flow->messages_received,
                .sent = flow->messages_sent,
                .quiet_ms = now > quiet_since ? now - quiet_since : 0 };
}
