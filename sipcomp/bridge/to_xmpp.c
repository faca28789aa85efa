/*
 * to_xmpp.c - what happens on the SIP side, as stanzas
 *
 * Presence and messages come from the bare JID with the resource `sip`; subscriptions from the bare JID (2.1 of the dialects).
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"

#include <string.h>

#define RESOURCE    "sip"
#define NS_RECEIPTS "urn:xmpp:receipts"
#define NS_NICK     "http://jabber.org/protocol/nick"

/* A stanza from the foreign user to the local one; NULL where the domain is served no more. */
static struct stanza *
begin(const struct gateway *gateway, const struct pair *pair, const char *resource, enum stanza_kind kind, enum stanza_type type,
        struct edge **edge)
{
        struct arena *arena = arena_new(512);
        struct jid from, to;
        struct stanza *stanza = NULL;
        *edge = edge_of(gateway, pair->domain);
        if (*edge != NULL && people_foreign(gateway, arena, &from, pair, resource) && people_local(arena, &to, pair))
                stanza = stanza_new(kind, type, &from, &to);
        arena_free(&arena);
        return stanza;
}

static void
send_presence(struct gateway *gateway, const struct pair *pair, enum stanza_type type, bool keep)
{
        struct edge *edge;
        struct stanza *stanza = begin(gateway, pair, NULL, STANZA_PRESENCE, type, &edge);
        if (stanza != NULL)
                component_send(edge->component, stanza, keep);
}

static void
watch_accepted(void *owner, const struct pair *pair)
{
        send_presence(owner, pair, PRESENCE_SUBSCRIBED, true);
}

static void
watch_ended(void *owner, const struct pair *pair)
{
        send_presence(owner, pair, PRESENCE_UNSUBSCRIBED, true);
}

static void
add_state(struct stanza *stanza, const struct dialect *dialect, const struct pidf *state)
{
        char words[64];
        const char *status, *show = dialect_show(dialect, state->activity, words, &status);
        if (show[0] != '\0')
                element_add_text(stanza->arena, stanza->element, "show", NULL, show);
        for (size_t i = 0; i < state->note_count; i++) {
                struct element *note = element_add_text(stanza->arena, stanza->element, "status", NULL, state->notes[i].text);
                if (state->notes[i].lang != NULL)
                        element_set_ns(stanza->arena, note, "lang", XML_NS_XML, state->notes[i].lang);
        }
        if (state->note_count == 0 && status != NULL)
                element_add_text(stanza->arena, stanza->element, "status", NULL, status);
        if (state->display_name != NULL && state->display_name[0] != '\0')
                element_add_text(stanza->arena, stanza->element, "nick", NS_NICK, state->display_name);
}

static void
watch_state(void *owner, const struct pair *pair, const struct pidf *state)
{
        struct gateway *gateway = owner;
        struct edge *edge;
        const struct foreign_domain *domain = federation_domain(gateway->federation, pair->domain);
        struct stanza *stanza =
                begin(gateway, pair, RESOURCE, STANZA_PRESENCE, state->open ? PRESENCE_AVAILABLE : PRESENCE_UNAVAILABLE, &edge);
        if (stanza == NULL)
                return;
        if (state->display_name != NULL && state->display_name[0] != '\0')
                people_keep_name(gateway, pair->foreign, state->display_name);
        if (state->open && domain != NULL)
                add_state(stanza, domain->dialect, state);
        component_send(edge->component, stanza, false); /* told anew when the stream is back */
}

/* An error that no stanza at hand caused: <error type><condition/><text/></error>. */
static void
add_error(struct stanza *stanza, enum stanza_condition condition, const char *type, const char *text)
{
        struct element *error = element_add(stanza->arena, stanza->element, "error", NULL);
        element_set(stanza->arena, error, "type", type);
        element_add(stanza->arena, error, stanza_condition_name(condition), NS_STANZA_ERRORS);
        element_add_text(stanza->arena, error, "text", NS_STANZA_ERRORS, text);
}

static void
watch_failed(void *owner, const struct pair *pair, enum stanza_condition condition, const char *type, const char *text)
{
        struct edge *edge;
        struct stanza *stanza = begin(owner, pair, NULL, STANZA_PRESENCE, PRESENCE_ERROR, &edge);
        if (stanza == NULL)
                return;
        add_error(stanza, condition, type, text);
        component_send(edge->component, stanza, true);
}

static void
watcher_asks(void *owner, const struct pair *pair)
{
        send_presence(owner, pair, PRESENCE_SUBSCRIBE, true);
}

static void
watcher_probes(void *owner, const struct pair *pair)
{
        send_presence(owner, pair, PRESENCE_PROBE, false); /* asked anew when the stream is back */
}

static bool
may_tell(void *owner, const char *domain)
{
        const struct edge *edge = edge_of(owner, domain);
        return edge != NULL && component_may_take(edge->component);
}

static void
take_text(void *owner, const struct pair *pair, const char *thread, const char *body, const char *receipt, uint64_t server)
{
        struct gateway *gateway = owner;
        struct edge *edge;
        char own[32];
        const char *id = receipt != NULL ? receipt : random_hex(own, 12);
        struct stanza *stanza = begin(gateway, pair, RESOURCE, STANZA_MESSAGE, MESSAGE_CHAT, &edge);
        if (stanza == NULL) {
                simple_vouch(gateway->simple, server, 500);
                return;
        }
        stanza_set_id(stanza, id);
        element_add_text(stanza->arena, stanza->element, "body", NULL, body);
        if (receipt != NULL)
                element_add(stanza->arena, stanza->element, "request", NS_RECEIPTS);
        if (thread != NULL && text_is_xml(thread, strlen(thread)))
                element_add_text(stanza->arena, stanza->element, "thread", NULL, thread);
        struct arena *arena = arena_new(256);
        struct jid to = jid_copy(&stanza->to, arena);
        if (component_send(edge->component, stanza, false))
                barrier_add(edge, &to, server, id);
        else
                simple_vouch(gateway->simple, server, 500);
        arena_free(&arena);
}

static void
tell_typing(void *owner, const struct pair *pair, enum simple_typing typing)
{
        static const char *const states[] = { [TYPING_ACTIVE] = "composing", [TYPING_PAUSED] = "paused", [TYPING_GONE] = "gone" };
        struct edge *edge;
        struct stanza *stanza = begin(owner, pair, RESOURCE, STANZA_MESSAGE, MESSAGE_CHAT, &edge);
        if (stanza == NULL)
                return;
        stanza_set_id(stanza, TYPING_ID);
        element_add(stanza->arena, stanza->element, states[typing], NS_CHATSTATES);
        element_add(stanza->arena, stanza->element, "no-store", NS_HINTS);
        component_send(edge->component, stanza, false);
}

/* To the very client that sent it. */
static struct stanza *
begin_reply(
        struct gateway *gateway, const struct pair *pair, const struct simple_text *text, enum stanza_type type, struct edge **edge)
{
        struct arena *arena = arena_new(256);
        struct jid to;
        struct stanza *stanza = begin(gateway, pair, type == MESSAGE_ERROR ? NULL : RESOURCE, STANZA_MESSAGE, type, edge);
        if (stanza != NULL && jid_parse(&to, arena, text->sender))
                stanza_set_to(stanza, &to);
        arena_free(&arena);
        return stanza;
}

static void
text_failed(void *owner, const struct pair *pair, const struct simple_text *text, enum stanza_condition condition, const char *type,
        const char *why)
{
        struct edge *edge;
        struct stanza *stanza = begin_reply(owner, pair, text, MESSAGE_ERROR, &edge);
        if (stanza == NULL)
                return;
        if (text->id != NULL)
                stanza_set_id(stanza, text->id);
        element_add_text(stanza->arena, stanza->element, "body", NULL, text->body);
        add_error(stanza, condition, type, why);
        component_send(edge->component, stanza, true);
}

static void
text_delivered(void *owner, const struct pair *pair, const struct simple_text *text)
{
        struct edge *edge;
        char id[32];
        if (!text->receipt || text->id == NULL)
                return;
        struct stanza *stanza = begin_reply(owner, pair, text, MESSAGE_CHAT, &edge);
        if (stanza == NULL)
                return;
        stanza_set_id(stanza, random_hex(id, 12));
        struct element *received = element_add(stanza->arena, stanza->element, "received", NS_RECEIPTS);
        element_set(stanza->arena, received, "id", text->id);
        component_send(edge->component, stanza, true);
}

const struct simple_events to_xmpp_events = {
        .watch_accepted = watch_accepted,
        .watch_ended = watch_ended,
        .watch_state = watch_state,
        .watch_failed = watch_failed,
        .watcher_asks = watcher_asks,
        .watcher_probes = watcher_probes,
        .may_tell = may_tell,
        .text = take_text,
        .typing = tell_typing,
        .text_failed = text_failed,
        .text_delivered = text_delivered,
};
