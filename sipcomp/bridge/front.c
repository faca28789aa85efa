/*
 * front.c - the door on the SIP side: who may come in, whom they want, and what kind of request it is (2.4, 3.6, 5.2 of the dialects)
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/diagnostics.h"
#include "sipcomp/route/search.h"
#include "sipcomp/simple/failure.h"
#include "sipcomp/sip/cause.h"

#include <string.h>

/* Kept for whoever asks afterwards, and one line now and then: who knocks in vain may knock often. */
static int
refuse(struct gateway *gateway, const struct sip_flow *flow, const struct sip_message *request, const char *why)
{
        struct refusals *refusals = sip_transport_refusals(sip_transactions_transport(gateway->transactions));
        char place[ADDRESS_TEXT];
        const struct refusal refusal = { .kind = REFUSAL_REQUEST,
                .domain = request->from.uri.host,
                .place = address_format_host(place, sip_flow_address(flow)),
                .what = request->method,
                .why = why };
        if (refusals_note(refusals, &refusal))
                log_warn(LOG_ABOUT("bridge", request->from.uri.text), "refused %s with 403 on %s: %s", request->method,
                        sip_flow_text(flow), why);
        return 403;
}

/* TLS without a certificate that counts: what is wrong with it, as far as this connection shows. */
static bool
explain_certificate(const struct sip_flow *flow, const char *domain, struct err *why)
{
        struct sip_flow_view view;
        sip_flow_look(flow, &view);
        if (view.wire != SIP_TLS || view.peer == NULL || !view.peer->has_certificate || view.peer->valid)
                return false;
        struct buf text = { 0 };
        buf_printf(&text, "only a valid certificate may speak for %s: ", domain);
        sip_cause_say(&text, sip_cause_of_fault(view.peer->fault),
                &(struct sip_case){ .domain = domain, .subject = view.peer->subject }, view.peer->problem);
        err_set(why, "%s", buf_text(&text));
        buf_free(&text);
        return true;
}

static int
access_of(void *owner, const struct sip_flow *flow, const struct sip_message *request)
{
        struct gateway *gateway = owner;
        const char *domain = request->from.uri.host;
        struct err why;
        if (domain == NULL || request->from.uri.scheme == SIP_SCHEME_OTHER)
                return refuse(gateway, flow, request, "From names no domain");
        if (federation_is_local(gateway->federation, domain)) {
                err_set(&why, "From names %s, which is a domain of ours (local-domains): nobody outside may speak for it", domain);
                return refuse(gateway, flow, request, why.text);
        }
        bool tcp = sip_flow_wire(flow) == SIP_TCP;
        if (federation_may_speak(gateway->federation, domain, sip_flow_peer(flow), tcp, sip_flow_address(flow), &why))
                return 0;
        /* An edge or a balancer asks in its own name whether we are there; no person is involved. */
        bool asks = sip_message_is(request, "OPTIONS") && request->to.tag == NULL;
        if (asks && federation_is_peer(gateway->federation, sip_flow_peer(flow), tcp, sip_flow_address(flow)))
                return 0;
        if (federation_domain(gateway->federation, domain) != NULL)
                explain_certificate(flow, domain, &why);
        return refuse(gateway, flow, request, why.text);
}

static bool
may_carry(void *owner, const char *domain, const struct tls_peer *peer, const struct address *address)
{
        struct gateway *gateway = owner;
        return federation_may_speak(gateway->federation, domain, peer, peer == NULL, address, NULL);
}

static struct tls_context *
choose_tls(void *owner, const struct address *address, enum tls_ask ask)
{
        struct gateway *gateway = owner;
        return federation_serving_context(gateway->federation, address, ask);
}

static struct sip_search *
seek(void *owner, const char *domain, const struct sip_place *wanted, sip_hops_found *found, void *client)
{
        struct gateway *gateway = owner;
        return route_search(gateway->federation, &(struct route_wish){ .domain = domain, .wanted = wanted }, found, client);
}

static void
seek_no_more(void *owner, struct sip_search *search)
{
        route_search_end(&search);
}

static void
hear_back(void *owner, const char *domain)
{
        struct gateway *gateway = owner;
        simple_domain_back(gateway->simple, domain);
}

static bool
is_wanted(void *owner, const char *domain, const struct sip_hop *hop)
{
        struct gateway *gateway = owner;
        return federation_leads_to(gateway->federation, domain, hop);
}

static bool
is_known(void *owner, const struct sip_flow *flow)
{
        struct gateway *gateway = owner;
        return federation_is_peer(gateway->federation, sip_flow_peer(flow), sip_flow_wire(flow) == SIP_TCP, sip_flow_address(flow));
}

static const char *
own_name(const struct gateway *gateway)
{
        return sip_transport_fqdn(sip_transactions_transport(gateway->transactions));
}

/* A host of ours: a local domain, or for what asks the gateway itself, its own name. */
static bool
is_ours(const struct gateway *gateway, const struct sip_uri *uri, bool gateway_too)
{
        if (uri->host == NULL)
                return false;
        return federation_is_local(gateway->federation, uri->host) || (gateway_too && text_equal(uri->host, own_name(gateway)));
}

/* 0 and the pair, or the status to answer. */
static int
find_people(const struct gateway *gateway, struct arena *arena, const struct sip_message *request, struct pair *pair)
{
        const struct foreign_domain *domain = federation_domain(gateway->federation, request->from.uri.host);
        bool asks_gateway = sip_message_is(request, "OPTIONS");
        struct jid local, foreign;
        if (!is_ours(gateway, &request->target, asks_gateway) || !is_ours(gateway, &request->to.uri, asks_gateway))
                return 404; /* nothing is relayed */
        if (asks_gateway)
                return 0;
        if (!address_to_jid(&foreign, arena, &request->from.uri, domain == NULL ? NULL : domain->dialect))
                return 400;
        if (foreign.local == NULL)
                return 403; /* a domain without a person says nothing to anyone */
        if (!address_to_jid(&local, arena, &request->target, NULL))
                return 400;
        if (local.local == NULL)
                return 404;
        return people_pair(gateway, arena, pair, &local, &foreign) ? 0 : 400;
}

static void
take_request(void *owner, struct sip_server *server, const struct sip_message *request)
{
        struct gateway *gateway = owner;
        struct pair pair = { 0 };

        if (request->to.tag != NULL) {
                simple_request_in_dialog(gateway->simple, server, request);
                return;
        }
        struct arena *arena = arena_new(1024);
        int status = find_people(gateway, arena, request, &pair);
        if (status == 0)
                simple_request(gateway->simple, server, request, &pair);
        else if (sip_message_is(request, "BENOTIFY"))
                sip_server_drop(server);
        else
                sip_server_status(server, status);
        arena_free(&arena);
}

static void
take_ack(void *owner, const struct sip_message *ack)
{
        struct gateway *gateway = owner;
        simple_acked(gateway->simple, ack);
}

static void
miss_ack(void *owner, const char *call_id, const char *local_tag)
{
        struct gateway *gateway = owner;
        simple_unacked(gateway->simple, call_id, local_tag);
}

/* Statuses that say something about a person, not about the two systems. */
static bool
is_personal(int status)
{
        static const int statuses[] = { 404, 410, 423, 480, 481, 486, 487, 488, 489, 491, 600, 603, 604 };
        for (size_t i = 0; i < array_len(statuses); i++)
                if (statuses[i] == status)
                        return true;
        return status < 400;
}

/* What a partner refuses is kept for the troubleshooter; the line in the log is of those whose request it was. */
static void
keep_answer(void *owner, const char *domain, const struct sip_message *request, const struct sip_message *response)
{
        struct gateway *gateway = owner;
        struct sip_transport *transport = sip_transactions_transport(gateway->transactions);
        const struct sip_flow *flow = sip_flow_find(transport, response->flow);
        struct diagnostics found;
        char text[FAILURE_TEXT];
        struct buf why = { 0 };
        if (gateway->simple != NULL)
                simple_answered(gateway->simple, response);
        struct edge *edge = edge_of(gateway, domain);
        if (edge != NULL && response->status < 300)
                edge->granted = clock_wall_ms();
        if (response->local || is_personal(response->status)) /* what did not get there is remembered of the hop */
                return;
        buf_puts(&why, failure_text(text, response, NULL));
        if (diagnostics_read(&found, response) && found.advice != NULL)
                buf_printf(&why, ": %s", found.advice);
        const struct refusal refusal = { .kind = REFUSAL_ANSWER,
                .status = response->status,
                .domain = domain,
                .place = flow != NULL ? sip_flow_text(flow) : domain,
                .what = request->method,
                .why = buf_text(&why) };
        refusals_note(sip_transport_refusals(transport), &refusal);
        buf_free(&why);
}

const struct sip_user front_user = {
        .access = access_of,
        .may_carry = may_carry,
        .seek = seek,
        .seek_no_more = seek_no_more,
        .choose_tls = choose_tls,
        .back = hear_back,
        .is_wanted = is_wanted,
        .is_known = is_known,
        .request = take_request,
        .acked = take_ack,
        .unacked = miss_ack,
        .answered = keep_answer,
};
