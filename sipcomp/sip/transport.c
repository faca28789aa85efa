/*
 * transport.c - which connection a request takes
 *
 * One outgoing connection per hop, made on demand and shared by all dialogs. A request in a dialog may also take a connection the peer
 * made, if its certificate fits the hop (the alias idea of RFC 5923); a plain TCP one only when the dialog itself came over it.
 */
#include "sipcomp/sip/transport.h"

#include "shared/base/mem.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { REVIEW_AT_ONCE = 32 };

struct sip_transport *
sip_transport_new(const struct sip_transport_options *options, const struct sip_transport_events *events, void *owner)
{
        struct sip_transport *transport = MEM_NEW(transport);

        transport->tls = options->tls != NULL ? tls_context_ref(options->tls) : NULL;
        transport->dns = options->dns;
        sip_transport_set_name(transport, options->fqdn, options->record_route);
        transport->max_flows = options->max_flows > 0 ? options->max_flows : 4096;
        transport->max_flows_per_address = options->max_flows_per_address > 0 ? options->max_flows_per_address : 256;
        transport->ping_ms = FLOW_PING_MS;
        transport->events = events;
        transport->owner = owner;
        transport->by_id = map_new();
        transport->hops = map_new();
        transport->refusals = refusals_new();
        log_scope_set(&transport->log, "sip.transport", "%s", transport->fqdn);
        return transport;
}

static void
free_dial(struct sip_dial *dial)
{
        worker_forget_chore(&dial->tell);
        list_remove(&dial->transport->dials, &dial->link);
        mem_free(dial->domain);
        mem_free(dial);
}

void
sip_transport_free(struct sip_transport **where)
{
        struct sip_transport *transport = *where;
        if (transport == NULL)
                return;
        *where = NULL;
        sip_transport_close_listeners(transport);
        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link))
                flow_discard(flow);
        for (LIST_EACH(dial, &transport->dials, struct sip_dial, link))
                free_dial(dial);
        timer_stop(&transport->review);
        tls_context_unref(&transport->tls);
        map_free(&transport->by_id);
        hops_free_all(transport);
        refusals_free(&transport->refusals);
        mem_free(transport->balancers);
        mem_free(transport);
}

void
transport_set_ping(struct sip_transport *transport, unsigned ms)
{
        transport->ping_ms = ms;
}

void
sip_transport_set_balancers(struct sip_transport *transport, const struct network *networks, size_t count)
{
        mem_free(transport->balancers);
        transport->balancers = count > 0 ? mem_dup(networks, count * sizeof(*networks)) : NULL;
        transport->balancer_count = count;
}

void
sip_transport_set_name(struct sip_transport *transport, const char *fqdn, bool record_route)
{
        snprintf(transport->fqdn, sizeof transport->fqdn, "%s", fqdn);
        transport->record_route = record_route;
}

void
sip_transport_set_tls(struct sip_transport *transport, struct tls_context *tls)
{
        struct tls_context *old = transport->tls;
        transport->tls = tls != NULL ? tls_context_ref(tls) : NULL;
        tls_context_unref(&old);
}

struct refusals *
sip_transport_refusals(struct sip_transport *transport)
{
        return transport->refusals;
}

void
sip_transport_tap(struct sip_transport *transport, sip_tap *tap, void *owner)
{
        transport->tap = tap;
        transport->tap_owner = owner;
}

struct tls_context *
transport_client_tls(const struct sip_transport *transport, const struct sip_hop *hop)
{
        return hop->tls != NULL ? hop->tls : transport->tls;
}

/* newcomer NULL: of all; otherwise of those from its address. */
static bool
oust_stranger(struct sip_transport *transport, const struct sip_flow *newcomer)
{
        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link)) {
                if (flow->outgoing || flow->is_welcome || flow == newcomer)
                        continue;
                if (newcomer != NULL && !address_same_host(&flow->peer, &newcomer->peer))
                        continue;
                log_debug(&flow->log, "closed: others want its place, and it has said nothing that is for us");
                flow_discard(flow);
                return true;
        }
        return false;
}

bool
transport_make_room(struct sip_transport *transport, const struct sip_flow *newcomer)
{
        size_t same = 0;
        if (newcomer == NULL)
                return transport->flows.count < transport->max_flows || oust_stranger(transport, NULL);
        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link))
                if (!flow->outgoing && address_same_host(&flow->peer, &newcomer->peer))
                        same++;
        return same <= transport->max_flows_per_address || oust_stranger(transport, newcomer);
}

struct tls_context *
sip_transport_tls(const struct sip_transport *transport)
{
        return transport->tls;
}

bool
sip_transport_listens(const struct sip_transport *transport, enum sip_wire wire)
{
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                if (listener->wire == wire)
                        return true;
        return false;
}

const char *
sip_transport_fqdn(const struct sip_transport *transport)
{
        return transport->fqdn;
}

uint16_t
sip_transport_port(const struct sip_transport *transport, enum sip_wire wire)
{
        if (transport->port[wire] != 0)
                return transport->port[wire];
        return wire == SIP_TLS ? 5061 : 5060;
}

static void
review(struct sip_flow *flow)
{
        const struct sip_transport *transport = flow->transport;

        if (hop_is_used(flow))
                return;
        if (transport->events->is_known == NULL || transport->events->is_known(transport->owner, flow)) {
                if (flow->outgoing)
                        flow_retire(flow);
                return;
        }
        log_info(&flow->log, "closed: it belongs to nobody any more");
        sip_flow_close(flow);
}

/* Some at a time: there may be thousands, and each asks all tables. */
static void
review_some(struct timer *timer)
{
        struct sip_transport *transport = container_of(timer, struct sip_transport, review);
        size_t looked = 0;

        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link)) {
                if (flow->id <= transport->reviewed || flow->state != FLOW_READY)
                        continue;
                if (looked++ == REVIEW_AT_ONCE) {
                        timer_start(&transport->review, 0, review_some);
                        return;
                }
                transport->reviewed = flow->id;
                review(flow);
        }
}

void
sip_transport_review(struct sip_transport *transport)
{
        transport->reviewed = 0;
        timer_start(&transport->review, 0, review_some);
}

struct sip_flow *
sip_flow_find(struct sip_transport *transport, uint64_t id)
{
        struct sip_flow *flow = map_get(transport->by_id, &id, sizeof id);
        return flow != NULL && flow->state == FLOW_READY ? flow : NULL;
}

struct sip_flow *
sip_transport_each(const struct sip_transport *transport, size_t *at)
{
        return map_next(transport->by_id, at);
}

/* --- dialling */

static void
run_tell(struct chore *chore)
{
        struct sip_dial *dial = container_of(chore, struct sip_dial, tell);
        struct sip_flow *flow = dial->flow != 0 ? sip_flow_find(dial->transport, dial->flow) : NULL;
        sip_dial_ready *ready = dial->ready;
        void *owner = dial->owner;
        char why[sizeof dial->why];

        snprintf(why, sizeof why, "%s", flow != NULL ? "" : dial->why[0] != '\0' ? dial->why : "the connection was lost");
        free_dial(dial);
        ready(owner, flow, flow != NULL ? NULL : why);
}

static void
settle_dial(struct sip_dial *dial, const struct sip_flow *flow, const char *why)
{
        if (flow != NULL)
                dial->flow = flow->id;
        else
                snprintf(dial->why, sizeof dial->why, "%s", why);
        worker_at_turn_end(&dial->tell);
}

void
transport_settle(struct sip_flow *flow, const char *why)
{
        for (LIST_EACH(dial, &flow->waiting, struct sip_dial, waiting)) {
                list_remove(&flow->waiting, &dial->waiting);
                dial->at = NULL;
                if (why == NULL && !flow_fits(flow, &dial->hop, dial->domain)) {
                        char text[256];
                        const struct tls_peer *peer = sip_flow_peer(flow);
                        snprintf(text, sizeof text, "its certificate (%.80s) is neither for this name nor a sip-peer of %.60s",
                                peer != NULL ? peer->subject : "", dial->domain);
                        flow_turn_down(flow, SIP_CAUSE_NOT_ALLOWED, dial->domain, NULL);
                        settle_dial(dial, NULL, text);
                } else {
                        if (why == NULL)
                                flow_leads_to(flow, &dial->hop);
                        settle_dial(dial, why == NULL ? flow : NULL, why);
                }
        }
}

static bool
is_same_hop(const struct sip_hop *a, const struct sip_hop *b)
{
        return a->port == b->port && a->wire == b->wire && strcasecmp(a->host, b->host) == 0;
}

struct sip_flow *
transport_outgoing(const struct sip_transport *transport, const struct sip_hop *hop)
{
        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link))
                if (flow->outgoing && flow->state != FLOW_ENDING && is_same_hop(&flow->hop, hop))
                        return flow;
        return NULL;
}

static struct sip_flow *
find_incoming(struct sip_transport *transport, const struct sip_hop *hop, const char *domain, uint64_t hint, bool in_dialog)
{
        struct sip_flow *hinted = hint != 0 ? sip_flow_find(transport, hint) : NULL;
        if (hinted != NULL && flow_fits(hinted, hop, domain))
                return hinted;
        if (!in_dialog || hop->wire != SIP_TLS)
                return NULL;
        for (LIST_EACH(flow, &transport->flows, struct sip_flow, link))
                if (!flow->outgoing && flow_fits(flow, hop, domain))
                        return flow;
        return NULL;
}

struct sip_dial *
sip_transport_dial(struct sip_transport *transport, const struct sip_hop *hop, const char *domain, uint64_t hint, bool in_dialog,
        sip_dial_ready *ready, void *owner)
{
        struct sip_dial *dial = MEM_NEW(dial);

        dial->transport = transport;
        dial->hop = *hop;
        dial->domain = mem_strdup(domain);
        dial->ready = ready;
        dial->owner = owner;
        dial->tell.run = run_tell;
        list_append(&transport->dials, &dial->link);
        hop_used(transport, hop, domain);

        struct sip_flow *flow = transport_outgoing(transport, hop);
        if (flow == NULL || !flow_fits(flow, hop, domain)) {
                struct sip_flow *incoming = find_incoming(transport, hop, domain, hint, in_dialog);
                if (incoming != NULL)
                        flow = incoming;
        }
        if (flow == NULL)
                flow = flow_dial(transport, hop);
        list_append(&flow->waiting, &dial->waiting);
        dial->at = flow;
        if (flow->state == FLOW_READY)
                transport_settle(flow, NULL);
        return dial;
}

void
sip_dial_cancel(struct sip_dial **where)
{
        struct sip_dial *dial = *where;
        if (dial == NULL)
                return;
        *where = NULL;
        if (dial->at != NULL)
                list_remove(&dial->at->waiting, &dial->waiting);
        free_dial(dial);
}

/* --- which hop first */

static bool
names_hop(const struct sip_place *wanted, const struct sip_hop *hop)
{
        return strcasecmp(wanted->host, hop->host) == 0 && (wanted->port == 0 || wanted->port == hop->port);
}

static bool
is_subject(const char *host, const char *const *subjects, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcasecmp(host, subjects[i]) == 0)
                        return true;
        return false;
}

size_t
sip_hops_prefer(
        struct sip_hop *hops, size_t count, const struct sip_place *wanted, const char *const *subjects, size_t subject_count)
{
        if (count == 0 || wanted->host[0] == '\0')
                return count;
        struct sip_hop first = hops[0];
        size_t from = 0;
        while (from < count && !names_hop(wanted, &hops[from]))
                from++;
        if (from == count) {
                if (!is_subject(wanted->host, subjects, subject_count))
                        return count;
                snprintf(first.host, sizeof first.host, "%s", wanted->host);
                first.port = wanted->port != 0 ? wanted->port : first.wire == SIP_TLS ? 5061 : 5060;
                first.named_by_dns = false;
                count++;
        } else {
                first = hops[from];
        }
        memmove(hops + 1, hops, from * sizeof *hops);
        hops[0] = first;
        return count;
}
