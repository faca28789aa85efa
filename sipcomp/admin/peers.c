/*
 * peers.c - `peers`: the connections that are there, and who was turned away of late
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/control/common.h"
#include "sipcomp/admin/admin_private.h"

#include <string.h>

enum { CONNECTIONS_SHOWN = 200, NAMES_SHOWN = 8, DOMAINS_SHOWN = 8 };

static void
add_word(struct buf *words, const char *word)
{
        buf_printf(words, "%s%.255s", words->len > 0 ? ", " : "", word);
}

/* The names it has proved, or would have if it were valid; each once. */
static void
put_names(struct json_writer *json, const struct tls_peer *peer)
{
        struct buf names = { 0 };
        for (size_t i = 0; peer != NULL && i < peer->name_count && i < NAMES_SHOWN; i++) {
                bool is_double = false;
                for (size_t k = 0; k < i; k++)
                        is_double |= text_equal_nocase(peer->names[k].text, peer->names[i].text);
                if (!is_double)
                        add_word(&names, peer->names[i].text);
        }
        if (peer != NULL && peer->name_count > NAMES_SHOWN)
                add_word(&names, "...");
        json_put_text(json, "names", names.len > 0 ? buf_text(&names) : NULL);
        buf_free(&names);
}

/* For whom it may speak (2.4 of the dialects). */
static void
put_domains(struct json_writer *json, struct gateway *gateway, const struct sip_flow *flow)
{
        const char *names[DOMAINS_SHOWN + 1];
        struct buf domains = { 0 };
        size_t count = federation_spoken_for(gateway_federation(gateway), sip_flow_peer(flow), sip_flow_wire(flow) == SIP_TCP,
                sip_flow_address(flow), names, array_len(names));
        for (size_t i = 0; i < count; i++)
                add_word(&domains, i < DOMAINS_SHOWN ? names[i] : "...");
        json_put_text(json, "speaks_for", domains.len > 0 ? buf_text(&domains) : NULL);
        buf_free(&domains);
}

static void
put_connection(struct json_writer *json, struct gateway *gateway, const struct sip_flow *flow)
{
        struct sip_flow_view view;
        char address[ADDRESS_TEXT];

        sip_flow_look(flow, &view);
        json_open_object(json, NULL);
        json_put_text(json, "direction", view.is_outgoing ? "out" : "in");
        json_put_text(json, "host", view.host);
        json_put_text(json, "address", view.address->len > 0 ? address_format(address, view.address) : NULL);
        json_put_text(json, "transport", view.wire == SIP_TLS ? "tls" : "tcp");
        json_put_text(json, "state", view.is_ready ? "open" : "opening");
        json_put_text(json, "tls", view.peer != NULL ? view.peer->version : NULL);
        json_put_text(json, "cipher", view.peer != NULL ? view.peer->cipher : NULL);
        json_put_text(json, "certificate",
                view.peer == NULL || !view.peer->has_certificate ? NULL
                        : view.peer->valid                       ? "valid"
                                                                 : view.peer->problem);
        put_names(json, view.peer);
        put_domains(json, gateway, flow);
        json_put_number(json, "opened", view.opened);
        json_put_number(json, "received", (int64_t)view.received);
        json_put_number(json, "sent", (int64_t)view.sent);
        json_put_number(json, "quiet", (int64_t)(view.quiet_ms / 1000));
        json_close_object(json);
}

static void
put_refusal(struct json_writer *json, const struct refusal *refusal)
{
        static const char *const kinds[] = { [REFUSAL_CONNECTION] = "their connection",
                [REFUSAL_REQUEST] = "their request",
                [REFUSAL_HOP] = "our connection",
                [REFUSAL_ANSWER] = "our request" };

        json_open_object(json, NULL);
        json_put_text(json, "refused", kinds[refusal->kind]);
        json_put_text(json, "place", refusal->place);
        json_put_text(json, "domain", refusal->domain);
        json_put_text(json, "method", refusal->what);
        json_put_number(json, "opened", refusal->last);
        json_put_number(json, "times", (int64_t)refusal->count);
        json_put_text(json, "why", refusal->why);
        json_close_object(json);
}

void
peers_put_refusals(struct json_writer *json, const char *name, struct gateway *gateway, const char *domain)
{
        const struct refusals *refusals = sip_transport_refusals(sip_transactions_transport(gateway_transactions(gateway)));
        const struct refusal *refusal;

        json_open_array(json, name);
        for (size_t at = 0; (refusal = refusals_each(refusals, &at)) != NULL;)
                if (domain == NULL || (refusal->domain != NULL && text_equal_nocase(refusal->domain, domain)))
                        put_refusal(json, refusal);
        json_close_array(json);
}

void
peers_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(gateway));
        const struct sip_flow *flow;
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };
        size_t count = 0;

        json_open_object(&json, NULL);
        json_open_array(&json, "connections");
        for (size_t at = 0; (flow = sip_transport_each(transport, &at)) != NULL; count++)
                if (count < CONNECTIONS_SHOWN)
                        put_connection(&json, gateway, flow);
        json_close_array(&json);
        if (count > CONNECTIONS_SHOWN)
                json_put_number(&json, "more", (int64_t)(count - CONNECTIONS_SHOWN));
        peers_put_refusals(&json, "refusals", gateway, NULL);
        json_close_object(&json);
        common_answer(request, &out);
}
