/*
 * from_xmpp.c - stanzas for foreign users, and for the gateway itself (section 10 of the dialects)
 */
#include "sipcomp/bridge/bridge_private.h"
#include "sipcomp/bridge/errors.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"

#include <ctype.h>
#include <string.h>

#define NS_RECEIPTS "urn:xmpp:receipts"

static void
reply_error(struct edge *edge, const struct stanza *of, enum stanza_condition condition, const char *text)
{
        struct stanza *error = stanza_error(of, condition, text);
        if (error != NULL)
                component_send(edge->component, error, false);
}

/* --- IQ. */

static void
answer_disco(struct edge *edge, const struct stanza *iq)
{
        const struct foreign_domain *domain = federation_domain(edge->gateway->federation, edge->domain);
        bool is_gateway = iq->to.local == NULL;
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_DISCO_INFO);
        struct element *identity = element_add(result->arena, query, "identity", NULL);
        element_set(result->arena, identity, "category", is_gateway ? "gateway" : "account");
        element_set(result->arena, identity, "type", is_gateway ? "simple" : "registered");
        if (is_gateway && domain != NULL && domain->description[0] != '\0')
                element_set(result->arena, identity, "name", domain->description);
        static const char *const of_gateway[] = { NS_DISCO_INFO, NS_PING, "jid\\20escaping", NULL }; /* XEP-0106 */
        static const char *const of_person[] = { NS_DISCO_INFO, NS_PING, NS_CHATSTATES, NS_RECEIPTS, NULL };
        for (const char *const *feature = is_gateway ? of_gateway : of_person; *feature != NULL; feature++)
                element_set(result->arena, element_add(result->arena, query, "feature", NULL), "var", *feature);
        component_send(edge->component, result, false);
}

/* A card with the name, where presence has told one. */
static void
answer_vcard(struct edge *edge, const struct stanza *iq)
{
        const struct jid bare = jid_bare(&iq->to, iq->arena);
        const char *name = people_name(edge->gateway, bare.full);
        if (name == NULL) {
                reply_error(edge, iq, SERVICE_UNAVAILABLE, NULL);
                return;
        }
        struct stanza *result = stanza_result(iq);
        struct element *card = element_add(result->arena, result->element, "vCard", NS_VCARD);
        element_add_text(result->arena, card, "FN", NULL, name);
        component_send(edge->component, result, false);
}

static void
take_iq(struct edge *edge, const struct stanza *iq)
{
        const struct element *payload = stanza_payload(iq);
        if (!stanza_is_request(iq))
                barrier_reply(edge, iq);
        else if (iq->type == IQ_GET && payload != NULL && element_is(payload, "ping", NS_PING))
                component_send(edge->component, stanza_result(iq), false);
        else if (iq->type == IQ_GET && payload != NULL && element_is(payload, "query", NS_DISCO_INFO) &&
                element_attribute(payload, "node") == NULL)
                answer_disco(edge, iq);
        else if (iq->type == IQ_GET && payload != NULL && element_is(payload, "vCard", NS_VCARD))
                answer_vcard(edge, iq);
        else
                reply_error(edge, iq, SERVICE_UNAVAILABLE, NULL);
}

/* --- Messages. */

static bool
is_blank(const char *text)
{
        while (isspace((unsigned char)*text))
                text++;
        return *text == '\0';
}

static void
send_text(struct edge *edge, const struct stanza *message, const struct pair *pair, const char *body)
{
        const struct element *subject = element_child(message->element, "subject", XML_CONTENT_NS);
        const char *line = subject == NULL ? "" : element_text(subject, message->arena);
        struct simple_text text = { .id = message->id, .sender = message->from.full, .body = body };
        text.receipt = element_child(message->element, "request", NS_RECEIPTS) != NULL;
        if (line[0] != '\0')
                text.body = arena_printf(message->arena, "%s\n%s", line, body);
        simple_send(edge->gateway->simple, pair, &text);
}

static void
send_typing(struct edge *edge, const struct stanza *message, const struct pair *pair)
{
        static const struct {
                const char *name;
                enum simple_typing typing;
        } states[] = {
                { "composing", TYPING_ACTIVE },
                { "paused", TYPING_PAUSED },
                { "inactive", TYPING_PAUSED },
                { "active", TYPING_PAUSED },
                { "gone", TYPING_GONE },
        };
        for (size_t i = 0; i < array_len(states); i++)
                if (element_child(message->element, states[i].name, NS_CHATSTATES) != NULL)
                        simple_typing(edge->gateway->simple, pair, states[i].typing);
}

/* A text of theirs was refused. Outside a session the SIP answer says so if it has not left; inside, a notice follows the 200 (7.7). */
static void
take_refusal(struct edge *edge, const struct stanza *error, const struct pair *pair)
{
        if (text_equal(error->id, TYPING_ID))
                return;
        log_info(LOG_ABOUT("bridge", pair->local), "refused a text of %s: %s", pair->foreign, errors_condition(error));
        if (simple_not_delivered(edge->gateway->simple, pair, errors_text(error, error->arena)))
                return;
        barrier_refuse(edge, error, errors_status(errors_condition(error)));
}

static void
take_message(struct edge *edge, const struct stanza *message, const struct pair *pair)
{
        const struct element *body = element_child(message->element, "body", XML_CONTENT_NS);
        if (message->type == MESSAGE_ERROR) {
                take_refusal(edge, message, pair);
        } else if (message->type == MESSAGE_GROUPCHAT) {
                reply_error(edge, message, SERVICE_UNAVAILABLE, "group chat is not supported");
        } else if (message->type != MESSAGE_HEADLINE) {
                const char *text = body == NULL ? "" : element_text(body, message->arena);
                const struct element *received = element_child(message->element, "received", NS_RECEIPTS);
                if (received != NULL && element_attribute(received, "id") != NULL)
                        simple_receipt(edge->gateway->simple, pair, element_attribute(received, "id"));
                if (!is_blank(text))
                        send_text(edge, message, pair, text);
                else
                        send_typing(edge, message, pair);
        }
}

/* --- Presence. */

static void
confirm_unsubscribed(struct edge *edge, const struct stanza *of)
{
        struct arena *arena = arena_new(256);
        struct jid from = jid_bare(&of->to, arena), to = jid_bare(&of->from, arena);
        component_send(edge->component, stanza_new(STANZA_PRESENCE, PRESENCE_UNSUBSCRIBED, &from, &to), true);
        arena_free(&arena);
}

static void
take_presence(struct edge *edge, const struct stanza *presence, const struct pair *pair)
{
        struct simple *simple = edge->gateway->simple;
        const struct foreign_domain *domain = federation_domain(edge->gateway->federation, edge->domain);
        switch (presence->type) {
        case PRESENCE_SUBSCRIBE:
                simple_reconsider(simple, pair);
                simple_watch(simple, pair);
                break;
        case PRESENCE_UNSUBSCRIBE:
                simple_unwatch(simple, pair);
                confirm_unsubscribed(edge, presence);
                break;
        case PRESENCE_SUBSCRIBED:
                simple_decide(simple, pair, DECISION_ACCEPTED);
                break;
        case PRESENCE_UNSUBSCRIBED:
                simple_decide(simple, pair, DECISION_DENIED);
                break;
        case PRESENCE_PROBE:
                simple_watch_probe(simple, pair);
                break;
        case PRESENCE_AVAILABLE:
        case PRESENCE_UNAVAILABLE:
                crowd_presence(edge, pair, presence, domain->dialect);
                break;
        default:
                log_debug(LOG_ABOUT("bridge", pair->local), "answered %s with an error: %s", pair->foreign,
                        errors_condition(presence));
                break;
        }
}

/* --- All of them. */

static void
take(struct edge *edge, struct stanza *stanza)
{
        struct pair pair;
        if (stanza->kind == STANZA_IQ) {
                take_iq(edge, stanza);
        } else if (stanza->to.local == NULL) {
                reply_error(edge, stanza, SERVICE_UNAVAILABLE, NULL);
        } else if (!people_pair(edge->gateway, stanza->arena, &pair, &stanza->from, &stanza->to)) {
                reply_error(edge, stanza, JID_MALFORMED, NULL);
        } else if (stanza->kind == STANZA_MESSAGE) {
                take_message(edge, stanza, &pair);
        } else {
                take_presence(edge, stanza, &pair);
        }
}

void
from_xmpp(struct edge *edge, struct stanza *stanza)
{
        if (federation_is_local(edge->gateway->federation, stanza->from.domain)) {
                take(edge, stanza);
        } else { /* somebody else's users do not travel through us */
                log_info(LOG_ABOUT("bridge", stanza->from.full), "a stanza was refused: its domain is not in local-domains");
                reply_error(edge, stanza, FORBIDDEN, "this gateway does not serve your domain");
        }
        stanza_unref(&stanza);
}
