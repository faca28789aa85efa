/*
 * XEP-0280: Message Carbons
 *
 * Clients that have enabled them get a copy of what the user's other clients send and receive. The message is written once, whoever gets it.
 */
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/user/privacy.h"

/* ---- enabling (4, 5) ---- */

/* The session that asks; others may not (4: only for the own account). */
static void
change(struct stanza *iq, bool wants)
{
        struct session *session = jid_equal_bare(&iq->from, &iq->to) ? session_find(&iq->from) : NULL;

        if (session == NULL) {
                route_error(iq, NOT_ALLOWED, NULL);
                return;
        }
        session->wants_carbons = wants;
        session_note_change(session);
        route_result(iq);
}

static void
enable(struct stanza *iq)
{
        change(iq, true);
}

static void
disable(struct stanza *iq)
{
        change(iq, false);
}

/* ---- copies (6 to 8) ---- */

static bool
has(const struct stanza *message, const char *name, const char *ns)
{
        return element_child(message->element, name, ns) != NULL;
}

static bool
is_chat_state(const struct stanza *message)
{
        return element_child(message->element, NULL, NS_CHATSTATES) != NULL && !has(message, "body", XML_CONTENT_NS);
}

/* 6.1; a private message is one that somebody in a room sends (XEP-0045, 7.5): the room tells each client itself. */
static bool
is_eligible(const struct stanza *message)
{
        if (has(message, "private", NS_CARBONS) || has(message, "no-copy", NS_HINTS) || has(message, "sent", NS_CARBONS) ||
                has(message, "received", NS_CARBONS))
                return false;
        if (has(message, "x", "http://jabber.org/protocol/muc#user") && !has(message, "body", XML_CONTENT_NS))
                return false;
        switch (message->type) {
        case MESSAGE_CHAT:
                return true;
        case MESSAGE_NORMAL:
                return has(message, "body", XML_CONTENT_NS) || element_child(message->element, NULL, "urn:xmpp:receipts") != NULL ||
                        element_child(message->element, NULL, "urn:xmpp:chat-markers:0") != NULL;
        case MESSAGE_ERROR: /* of a message that was copied when it was sent */
                return has(message, "body", XML_CONTENT_NS);
        default:
                return false;
        }
}

struct copies {
        struct stanza *message;
        const char *kind;     /* "sent" or "received" */
        struct stanza *model; /* made for the first that wants one */
};

/* The model of all copies: whoever gets one, it is written once. */
static struct stanza *
wrap(struct session *session, const struct copies *copies)
{
        struct arena *arena = arena_new(256);
        struct jid bare = jid_bare(&session->jid, arena);
        struct stanza *wrapper = stanza_new(STANZA_MESSAGE, copies->message->type, &bare, NULL);
        struct buf inside = { 0 };

        buf_printf(&inside, "<%s xmlns=\"" NS_CARBONS "\"><forwarded xmlns=\"" NS_FORWARD "\">", copies->kind);
        stanza_write_document(&inside, copies->message);
        buf_printf(&inside, "</forwarded></%s>", copies->kind);
        if (is_chat_state(copies->message)) /* so that it is no more urgent than the message itself */
                element_add(wrapper->arena, wrapper->element, "active", NS_CHATSTATES);
        stanza_seal_as(wrapper, buf_data(&inside), inside.len);
        if (copies->message->pledge != NULL)
                pledge_take(copies->message->pledge, wrapper);
        struct stanza *model = stanza_model(wrapper, &bare);
        stanza_unref(&wrapper);
        buf_free(&inside);
        arena_free(&arena);
        return model;
}

static void
copy_to(void *arg, struct session *session)
{
        struct copies *copies = arg;

        if (!session->wants_carbons || !privacy_lets_in(session, copies->message))
                return;
        if (copies->model == NULL)
                copies->model = wrap(session, copies);
        struct jid to = jid_copy(&session->jid, copies->model->arena); /* the session may end before its copy does */
        struct stanza *copy = stanza_head(copies->model, &to);
        session_deliver(session, copy);
        stanza_unref(&copy);
}

static void
copy(struct session *session, struct stanza *message, const char *kind)
{
        struct copies copies = { message, kind, NULL };

        if (session_is_alone(session) || !is_eligible(message))
                return;
        session_each_other(session, copy_to, &copies);
        stanza_unref(&copies.model);
}

static enum verdict
copy_sent(struct session *session, struct stanza *stanza)
{
        if (stanza->kind == STANZA_MESSAGE && stanza->to.full != NULL)
                copy(session, stanza, "sent");
        return PASS;
}

static enum verdict
copy_received(struct session *session, struct stanza *message)
{
        copy(session, message, "received");
        return PASS;
}

const struct extension xep_0280_carbons = {
        .name = "carbons",
        .xep = 280,
        .version = "1.0.1",
        .features = (const char *const[]){ NS_CARBONS, "urn:xmpp:carbons:rules:0", NULL },
        .iqs = (const struct iq_handler[]){ { IQ_SET, TO_OWN, NS_CARBONS, "enable", enable },
                { IQ_SET, TO_OWN, NS_CARBONS, "disable", disable }, { 0 } },
        .hooks = (const struct hook[]){ { HOOK_FROM_CLIENT, 90, copy_sent }, { HOOK_DELIVERED, 50, copy_received }, { 0 } },
};
