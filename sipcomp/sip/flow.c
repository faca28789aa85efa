/*
 * flow.c - one connection: from nothing to ready, bytes to messages, silence to the end
 *
 * A flow that goes away tells three parties in this order: who waits for it to be ready, the room above (lost), and then it is freed. It goes
 * from conn's closed() or from a chore, never from inside a call of somebody who may still hold the pointer.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sip_private.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>

enum { TICKS_PER_PING = 24 };

bool
flow_may_complain(struct sip_flow *flow)
{
        uint64_t now = worker_now();
        if (flow->last_complaint != 0 && now - flow->last_complaint < 1000)
                return false;
        flow->last_complaint = now;
        return true;
}

void
flow_turn_down(struct sip_flow *flow, enum sip_cause cause, const char *domain, const char *detail)
{
        const struct tls_peer *peer = flow->conn != NULL && conn_tls(flow->conn) != NULL ? conn_peer(flow->conn) : NULL;
        const struct sip_dial *dial = LIST_ITEM(flow->waiting.first, struct sip_dial, waiting);
        const struct sip_case of = { .domain = domain != NULL ? domain
                        : dial != NULL                        ? dial->domain
                                                              : NULL,
                .host = flow->outgoing ? flow->hop.host : NULL,
                .subject = peer != NULL && peer->name_count > 0 ? peer->names[0].text
                        : flow->outgoing                        ? flow->hop.host
                                                                : NULL };
        char place[sizeof flow->hop.host + 8];
        struct buf why = { 0 };

        if (flow->outgoing)
                snprintf(place, sizeof place, "%s:%u", flow->hop.host, flow->hop.port);
        else
                address_format_host(place, &flow->peer);
        sip_cause_say(&why, cause, &of, detail);
        const struct refusal refusal = { .kind = flow->outgoing ? REFUSAL_HOP : REFUSAL_CONNECTION,
                .cause = cause,
                .domain = of.domain,
                .place = place,
                .why = buf_text(&why) };
        if (refusals_note(flow->transport->refusals, &refusal))
                log_warn(&flow->log, "%s: %s", flow->outgoing ? "no connection" : "turned away", buf_text(&why));
        buf_free(&why);
}

void
flow_end(struct sip_flow *flow, const char *why)
{
        if (flow->state == FLOW_ENDING)
                return;
        snprintf(flow->why, sizeof flow->why, "%s", why);
        flow->state = FLOW_ENDING;
        if (flow->conn != NULL)
                conn_close(flow->conn);
        else
                worker_at_turn_end(&flow->fail);
}

static void
free_flow(struct sip_flow *flow)
{
        timer_stop(&flow->tick);
        worker_forget_chore(&flow->fail);
        dns_cancel(&flow->query);
        if (flow->conn != NULL)
                conn_free(&flow->conn);
        list_remove(&flow->transport->flows, &flow->link);
        map_remove(flow->transport->by_id, &flow->id, sizeof flow->id);
        tls_context_unref(&flow->hop.tls);
        tls_context_unref(&flow->tls);
        mem_free(flow);
}

/* The end of a flow whose connection is gone already. */
static void
bury(struct sip_flow *flow)
{
        struct sip_transport *transport = flow->transport;
        uint64_t id = flow->id;

        transport_settle(flow, flow->why);
        free_flow(flow);
        if (transport->events->lost != NULL)
                transport->events->lost(transport->owner, id);
}

static void
run_fail(struct chore *chore)
{
        bury(container_of(chore, struct sip_flow, fail));
}

void
flow_discard(struct sip_flow *flow)
{
        for (LIST_EACH(dial, &flow->waiting, struct sip_dial, waiting)) {
                list_remove(&flow->waiting, &dial->waiting);
                dial->at = NULL;
        }
        free_flow(flow);
}

static void
become_ready(struct sip_flow *flow)
{
        conn_limit_unheard(flow->conn, FLOW_UNHEARD_MS);
        flow->state = FLOW_READY;
        flow->was_ready = true;
        if (flow->outgoing)
                hop_up(flow->transport, &flow->hop);
        const struct tls_peer *peer = sip_flow_peer(flow);
        log_debug(&flow->log, "open %s", peer != NULL ? peer->subject : sip_wire_name(flow->wire));
        transport_settle(flow, NULL);
}

/* --- what conn tells */

static void
hear_connected(void *owner)
{
        struct sip_flow *flow = owner;
        struct tls_context *tls = transport_client_tls(flow->transport, &flow->hop);
        struct address literal;

        if (flow->state != FLOW_MAKING)
                return;
        flow->peer = *conn_peer_address(flow->conn);
        if (flow->wire == SIP_TCP) {
                become_ready(flow);
                return;
        }
        if (tls == NULL) {
                flow_turn_down(flow, SIP_CAUSE_NO_TLS_HERE, NULL, NULL);
                flow_end(flow, "no TLS is configured");
                return;
        }
        conn_start_tls(flow->conn, tls, TLS_CLIENT, address_from_host(&literal, flow->hop.host, 0) ? NULL : flow->hop.host);
}

/* Who is at the other end is known: counted, named in the log, and shown our certificate. */
static void
begin_incoming(struct sip_flow *flow)
{
        char text[ADDRESS_TEXT];

        log_scope_set(&flow->log, "sip.flow", "%s#%llu", address_format(text, &flow->peer), (unsigned long long)flow->id);
        if (!transport_make_room(flow->transport, flow)) {
                log_debug(&flow->log, "too many connections from one address");
                flow_end(flow, "too many connections from one address");
        } else if (flow->wire == SIP_TLS) {
                const struct sip_transport *transport = flow->transport;
                struct tls_context *own = transport->events->choose_tls != NULL
                        ? transport->events->choose_tls(transport->owner, &flow->peer, flow->ask)
                        : NULL;
                conn_start_tls(flow->conn, own != NULL ? own : flow->tls, TLS_SERVER, NULL);
                tls_context_unref(&flow->tls);
        } else {
                become_ready(flow);
        }
}

static void
hear_proxied(void *owner)
{
        struct sip_flow *flow = owner;

        if (flow->state != FLOW_MAKING)
                return;
        flow->peer = *conn_peer_address(flow->conn);
        begin_incoming(flow);
}

static void
hear_secured(void *owner)
{
        struct sip_flow *flow = owner;
        const struct tls_peer *peer = conn_peer(flow->conn);
        bool proven = peer != NULL && peer->has_certificate && peer->valid;

        if (flow->state != FLOW_MAKING)
                return;
        if (!proven && (flow->outgoing || flow->ask == TLS_ASK_REQUIRED)) {
                char why[256];
                snprintf(why, sizeof why, "certificate refused: %.160s",
                        peer != NULL && peer->has_certificate ? peer->problem : "none was shown");
                flow_turn_down(flow,
                        peer != NULL && peer->has_certificate ? sip_cause_of_fault(peer->fault) : SIP_CAUSE_NO_CERTIFICATE, NULL,
                        peer != NULL && peer->has_certificate ? peer->problem : NULL);
                flow_end(flow, why);
                return;
        }
        become_ready(flow);
}

static bool dial_next(struct sip_flow *flow);

/* The other end has gone, not we, and not after a silence: what it knew of our dialogs may be gone with it. */
static bool
is_a_loss(const struct sip_flow *flow)
{
        uint64_t heard = conn_last_heard(flow->conn), last = heard > flow->last_sent ? heard : flow->last_sent;
        return flow->state == FLOW_READY && flow->kept && flow->hop.host[0] != '\0' && worker_now() - last < FLOW_QUIET_MS;
}

/* Nobody is blamed for a bare connect-and-close (DIALECTS.md 3.7): it looks like a handshake that was not begun. */
static void
explain_end(struct sip_flow *flow, const char *why)
{
        const struct tls_session *tls = conn_tls(flow->conn);
        bool is_last = flow->next_address == flow->address_count;

        if (flow->state == FLOW_MAKING && flow->outgoing && tls != NULL)
                flow_turn_down(flow, sip_cause_of_handshake(tls, why), NULL, why);
        else if (flow->state == FLOW_MAKING && flow->outgoing && is_last)
                flow_turn_down(flow, sip_cause_of_connect(why), NULL, why);
        else if (flow->state == FLOW_MAKING && tls != NULL && text_starts(why, "TLS:"))
                flow_turn_down(flow, sip_cause_of_handshake(tls, why), NULL, why);
        else if (flow->state == FLOW_READY && tls != NULL && tls_session_is_refused(tls))
                flow_turn_down(flow, SIP_CAUSE_OUR_CERTIFICATE, NULL, why); /* TLS 1.3 says so after the handshake */
}

static void
hear_closed(void *owner, const char *why)
{
        struct sip_flow *flow = owner;
        bool lost = is_a_loss(flow);

        explain_end(flow, why);
        flow->conn = NULL;
        if (flow->outgoing && flow->state == FLOW_MAKING && dial_next(flow))
                return;
        if (flow->state != FLOW_ENDING)
                snprintf(flow->why, sizeof flow->why, "%s", why);
        log_debug(&flow->log, "closed: %s", flow->why);
        if (flow->outgoing && !flow->was_ready)
                hop_down(flow->transport, &flow->hop, flow->why);
        else if (lost)
                hop_broken(flow->transport, &flow->hop, flow->why);
        flow->state = FLOW_ENDING;
        bury(flow);
}

static const struct conn_events events = {
        .connected = hear_connected,
        .proxied = hear_proxied,
        .secured = hear_secured,
        .data = flow_hear_data,
        .closed = hear_closed,
};

/* --- time */

static void
give_up_waiting(struct sip_flow *flow)
{
        if (flow->outgoing)
                flow_turn_down(flow, flow->conn != NULL && conn_tls(flow->conn) != NULL ? SIP_CAUSE_TLS_SILENT : SIP_CAUSE_SILENT,
                        NULL, NULL);
        flow_end(flow, "no answer to the handshake");
}

/* Whoever has answered pings and does so no more is gone, though TCP may not know: a balancer in between answers for it. Others may ignore them
 * (RFC 3261 7.5). */
static void
await_pong(struct sip_flow *flow, uint64_t now)
{
        if (now - flow->pinged < flow->transport->ping_ms / FLOW_PONG_PARTS)
                return;
        if (flow->answers_pings && conn_last_heard(flow->conn) < flow->pinged) {
                if (flow->hop.host[0] != '\0')
                        hop_broken(flow->transport, &flow->hop, "a ping was not answered");
                flow_end(flow, "a ping was not answered");
        }
        flow->pinged = 0;
}

static uint64_t
idle_limit(const struct sip_flow *flow)
{
        uint64_t ping = flow->transport->ping_ms;
        return flow->is_welcome ? ping * FLOW_IDLE_PINGS : ping / FLOW_STRANGER_PARTS;
}

static void
keep_time(struct timer *timer)
{
        struct sip_flow *flow = container_of(timer, struct sip_flow, tick);
        uint64_t now = worker_now();

        timer_start(&flow->tick, flow->transport->ping_ms / TICKS_PER_PING, keep_time);
        if (flow->state == FLOW_MAKING) {
                /* Several addresses may be tried one after the other. */
                if (now - flow->born > FLOW_HANDSHAKE_MS + (flow->outgoing ? FLOW_ADDRESSES * FLOW_CONNECT_MS / 2 : 0))
                        give_up_waiting(flow);
                return;
        }
        if (flow->state != FLOW_READY)
                return;
        if (flow->message_since != 0 && now - flow->message_since > FLOW_MESSAGE_MS) {
                flow_end(flow, "a message that does not end");
                return;
        }
        uint64_t heard = conn_last_heard(flow->conn), quiet_since = heard > flow->last_sent ? heard : flow->last_sent;
        uint64_t quiet = now > quiet_since ? now - quiet_since : 0;
        if (flow->pinged != 0)
                await_pong(flow, now);
        if (flow->state != FLOW_READY)
                return;
        if (flow->kept && quiet >= flow->transport->ping_ms) {
                flow->last_sent = flow->pinged = now;
                conn_send(flow->conn, "\r\n\r\n", 4);
        } else if (!flow->kept && quiet >= idle_limit(flow)) {
                flow_end(flow, "idle");
        }
}

/* --- beginnings */

static struct sip_flow *
new_flow(struct sip_transport *transport, enum sip_wire wire)
{
        struct sip_flow *flow = MEM_NEW(flow);
        flow->transport = transport;
        flow->id = ++transport->last_id;
        flow->wire = wire;
        flow->born = flow->last_sent = worker_now();
        flow->opened = clock_wall_ms();
        flow->fail.run = run_fail;
        list_append(&transport->flows, &flow->link);
        map_put(transport->by_id, &flow->id, sizeof flow->id, flow);
        timer_start(&flow->tick, flow->transport->ping_ms / TICKS_PER_PING, keep_time);
        return flow;
}

static bool
dial_next(struct sip_flow *flow)
{
        if (flow->next_address == flow->address_count)
                return false;
        flow->peer = flow->addresses[flow->next_address++];
        flow->conn = conn_dial(&flow->peer, FLOW_CONNECT_MS, &events, flow);
        return true;
}

static void
hear_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct sip_flow *flow = owner;

        flow->resolved = true;
        flow->query = NULL;
        flow->address_count = count < FLOW_ADDRESSES ? count : FLOW_ADDRESSES;
        if (outcome == DNS_FOUND && count > 0)
                memcpy(flow->addresses, addresses, flow->address_count * sizeof *addresses);
        else
                flow->address_count = 0;
        if (flow->state != FLOW_MAKING || outcome == DNS_CANCELLED)
                return;
        if (!dial_next(flow)) {
                const char *why = outcome == DNS_FAILED ? "its address could not be looked up" : "its name has no address";
                flow_turn_down(flow, outcome == DNS_FAILED ? SIP_CAUSE_DNS_FAILED : SIP_CAUSE_NO_ADDRESS, NULL, NULL);
                hop_down(flow->transport, &flow->hop, why);
                flow_end(flow, why);
        }
}

struct sip_flow *
flow_dial(struct sip_transport *transport, const struct sip_hop *hop)
{
        struct sip_flow *flow = new_flow(transport, hop->wire);
        struct address literal;

        flow->outgoing = flow->is_welcome = true;
        flow->hop = *hop;
        if (hop->tls != NULL)
                flow->hop.tls = tls_context_ref(hop->tls);
        log_scope_set(&flow->log, "sip.flow", "%.50s:%u#%llu", hop->host, hop->port, (unsigned long long)flow->id);
        if (address_from_host(&literal, hop->host, hop->port)) {
                hear_addresses(flow, DNS_FOUND, &literal, 1);
        } else if (transport->dns == NULL) {
                hear_addresses(flow, DNS_FAILED, NULL, 0);
        } else {
                /* The answer may come before the call returns. */
                struct dns_query *query = dns_lookup(transport->dns, hop->host, hop->port, hear_addresses, flow);
                if (!flow->resolved)
                        flow->query = query;
        }
        return flow;
}

static bool
is_balancer(const struct sip_transport *transport, const struct address *peer)
{
        for (size_t i = 0; i < transport->balancer_count; i++)
                if (network_holds(&transport->balancers[i], peer))
                        return true;
        return false;
}

void
flow_accept(struct sip_listener *listener, int fd, const struct address *peer)
{
        struct sip_flow *flow = new_flow(listener->transport, listener->wire);
        char text[ADDRESS_TEXT];

        flow->ask = listener->ask;
        flow->tls = listener->tls != NULL ? tls_context_ref(listener->tls) : NULL;
        flow->peer = *peer;
        snprintf(flow->listener, sizeof flow->listener, "%s", listener->name);
        flow->conn = conn_accept(fd, &events, flow);
        if (!is_balancer(listener->transport, peer)) {
                begin_incoming(flow);
                return;
        }
        log_scope_set(&flow->log, "sip.flow", "%s#%llu", address_format(text, peer), (unsigned long long)flow->id);
        conn_expect_proxy(flow->conn);
}

/* --- what it is good for */

void
flow_retire(struct sip_flow *flow)
{
        flow->kept = flow->is_welcome = false;
}

void
flow_leads_to(struct sip_flow *flow, const struct sip_hop *hop)
{
        flow->is_welcome = true;
        if (flow->hop.host[0] != '\0')
                return;
        flow->hop = *hop;
        if (hop->tls != NULL)
                flow->hop.tls = tls_context_ref(hop->tls);
}

void
sip_flow_welcome(struct sip_flow *flow)
{
        flow->is_welcome = true;
}

void
sip_flow_keep(struct sip_flow *flow)
{
        flow->kept = true;
}

void
sip_flow_close(struct sip_flow *flow)
{
        flow_end(flow, "closed by us");
}
