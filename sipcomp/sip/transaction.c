/*
 * transaction.c - the layer itself: what comes from the transport finds its transaction, or is answered at the door
 */
#include "sipcomp/sip/transaction.h"

#include "shared/base/mem.h"
#include "sipcomp/sip/transaction_private.h"
#include "sipcomp/sip/transport_private.h"

#include <string.h>

/* May what belongs to the sender of this request leave on another connection than the one it came on? */
static bool
may_answer_on(struct sip_transactions *layer, const struct sip_flow *flow, const struct sip_message *request)
{
        const struct tls_peer *peer = sip_flow_peer(flow);
        bool has_proof = peer != NULL || sip_flow_wire(flow) == SIP_TCP;

        return has_proof && request->from.uri.host != NULL && layer->user->may_carry != NULL &&
                layer->user->may_carry(layer->owner, request->from.uri.host, peer, sip_flow_address(flow));
}

void
transactions_send(struct sip_transactions *layer, const struct sip_message *request, struct sip_message *response)
{
        if (sip_message_is(request, "ACK") || sip_message_is(request, "BENOTIFY"))
                return;
        struct sip_flow *flow = sip_flow_find(layer->transport, request->flow);
        size_t at = 0;
        /* RFC 3261 18.2.2 would dial the Via; a Via can name anybody, so only a connection that has proved itself is used. */
        for (struct sip_flow *other; flow == NULL && (other = sip_transport_each(layer->transport, &at)) != NULL;)
                if (sip_flow_find(layer->transport, sip_flow_id(other)) != NULL && may_answer_on(layer, other, request))
                        flow = other;
        if (flow == NULL || !sip_flow_send(flow, response, NULL))
                log_debug(&layer->log, "no connection for the answer %d to %s", response->status, request->method);
}

void
transactions_respond(struct sip_transactions *layer, const struct sip_message *request, struct sip_message *response)
{
        transactions_send(layer, request, response);
        sip_message_free(&response);
}

static void
refuse(struct sip_transactions *layer, const struct sip_message *request, int status)
{
        transactions_respond(layer, request, sip_response_new(request, status, NULL, NULL));
}

static bool
has_looped(const struct sip_transactions *layer, const struct sip_message *request)
{
        const char *fqdn = sip_transport_fqdn(layer->transport);
        return sip_message_has_looped(request, fqdn, sip_transport_port(layer->transport, SIP_TLS)) ||
                sip_message_has_looped(request, fqdn, sip_transport_port(layer->transport, SIP_TCP));
}

static void
receive_request(struct sip_transactions *layer, struct sip_flow *flow, struct sip_message *request)
{
        int status = 400;

        if (request->from.uri.host != NULL)
                status = layer->user->access(layer->owner, flow, request);
        if (status == 0 && has_looped(layer, request))
                status = 482;
        if (status != 0) {
                /* A 403 has had its line, with the setting that is missing. */
                if (status != 403 && flow_may_complain(flow))
                        log_info(&layer->log, "refused: %s from %s with %d, on %s", request->method, request->from.uri.text, status,
                                sip_flow_text(flow));
                refuse(layer, request, status);
                sip_message_free(&request);
                return;
        }
        sip_flow_welcome(flow);
        sip_transport_heard(layer->transport, request->from.uri.host);
        if (sip_message_is(request, "ACK")) {
                server_receive_ack(layer, request);
        } else if (sip_message_is(request, "CANCEL")) {
                server_receive_cancel(layer, request);
        } else {
                server_receive(layer, request);
        }
}

/* --- what the transport tells */

static void
hear_message(void *owner, struct sip_flow *flow, struct sip_message *message)
{
        struct sip_transactions *layer = owner;
        if (message->status != 0)
                client_receive(layer, message);
        else
                receive_request(layer, flow, message);
}

static void
hear_refused(void *owner, struct sip_flow *flow, const struct sip_message *message, const struct sip_fault *fault)
{
        transactions_respond(owner, message, sip_response_of_fault(message, fault));
}

static void
hear_lost(void *owner, uint64_t flow)
{
        client_lost_flow(owner, flow);
}

static bool
ask_carry(void *owner, const char *domain, const struct tls_peer *peer, const struct address *address)
{
        struct sip_transactions *layer = owner;
        return layer->user->may_carry != NULL && layer->user->may_carry(layer->owner, domain, peer, address);
}

static struct tls_context *
ask_tls(void *owner, const struct address *address, enum tls_ask ask)
{
        struct sip_transactions *layer = owner;
        return layer->user->choose_tls != NULL ? layer->user->choose_tls(layer->owner, address, ask) : NULL;
}

static void
hear_back(void *owner, const char *domain)
{
        struct sip_transactions *layer = owner;
        if (layer->user->back != NULL)
                layer->user->back(layer->owner, domain);
}

static bool
ask_wanted(void *owner, const char *domain, const struct sip_hop *hop)
{
        struct sip_transactions *layer = owner;
        return layer->user->is_wanted == NULL || layer->user->is_wanted(layer->owner, domain, hop);
}

static bool
ask_known(void *owner, const struct sip_flow *flow)
{
        struct sip_transactions *layer = owner;
        return layer->user->is_known == NULL || layer->user->is_known(layer->owner, flow);
}

static const struct sip_transport_events transport_events = {
        .may_carry = ask_carry,
        .message = hear_message,
        .refused = hear_refused,
        .lost = hear_lost,
        .choose_tls = ask_tls,
        .back = hear_back,
        .is_wanted = ask_wanted,
        .is_known = ask_known,
};

/* --- life */

struct sip_transactions *
sip_transactions_new(const struct sip_transport_options *options, const struct sip_user *user, void *owner)
{
        struct sip_transactions *layer = MEM_NEW(layer);

        layer->user = user;
        layer->owner = owner;
        layer->t1 = T1_MS;
        layer->servers_by_key = map_new();
        layer->servers_by_id = map_new();
        layer->servers_by_ack = map_new();
        layer->servers_by_origin = map_new();
        layer->clients_by_branch = map_new();
        log_scope_set(&layer->log, "sip.transaction", "%s", options->fqdn);
        layer->transport = sip_transport_new(options, &transport_events, layer);
        return layer;
}

struct sip_transport *
sip_transactions_transport(struct sip_transactions *layer)
{
        return layer->transport;
}

void
transactions_set_t1(struct sip_transactions *layer, unsigned ms)
{
        layer->t1 = ms;
}

void
sip_transactions_free(struct sip_transactions **where)
{
        struct sip_transactions *layer = *where;
        if (layer == NULL)
                return;
        *where = NULL;
        while (!list_is_empty(&layer->clients))
                client_discard_first(layer);
        while (!list_is_empty(&layer->servers) || !list_is_empty(&layer->answered))
                server_discard_first(layer);
        sip_transport_free(&layer->transport);
        map_free(&layer->servers_by_key);
        map_free(&layer->servers_by_id);
        map_free(&layer->servers_by_ack);
        map_free(&layer->servers_by_origin);
        map_free(&layer->clients_by_branch);
        mem_free(layer);
}
