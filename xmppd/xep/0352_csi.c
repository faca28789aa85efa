/*
 * XEP-0352: Client State Indication
 *
 * While a client says that nobody looks at it, presence and chat states wait; of each address's presence only the newest. They follow, in the
 * order in which they came, when the client is active again or something comes that cannot wait.
 */
#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/session.h"

#include <string.h>

/* Of an inactive client; owned by its session. */
struct held {
        struct list waiting;
        size_t bytes;
};

struct waiting {
        struct link link;
        struct stanza *stanza; /* a small copy, which keeps nobody waiting (pledge.h) */
};

static void
drop(struct held *held, struct waiting *waiting)
{
        list_remove(&held->waiting, &waiting->link);
        held->bytes -= waiting->stanza->inside_len;
        stanza_unref(&waiting->stanza);
        mem_free(waiting);
}

static void
flush(struct session *session)
{
        struct held *held = session->held;

        for (LIST_EACH(waiting, &held->waiting, struct waiting, link)) {
                session_write(session, waiting->stanza);
                drop(held, waiting);
        }
}

static bool
is_chat_state(const struct stanza *stanza)
{
        return element_child(stanza->element, NULL, NS_CHATSTATES) != NULL &&
                element_child(stanza->element, "body", XML_CONTENT_NS) == NULL;
}

/* 4.1, 4.2 of the examples; presence that asks for something is not among it. */
static bool
can_wait(const struct stanza *stanza)
{
        switch (stanza->kind) {
        case STANZA_PRESENCE:
                return stanza->type == PRESENCE_AVAILABLE || stanza->type == PRESENCE_UNAVAILABLE;
        case STANZA_MESSAGE:
                return is_chat_state(stanza);
        default:
                return false;
        }
}

static void
drop_older(struct held *held, const struct stanza *presence)
{
        for (LIST_EACH(waiting, &held->waiting, struct waiting, link))
                if (waiting->stanza->kind == STANZA_PRESENCE && jid_equal(&waiting->stanza->from, &presence->from)) {
                        drop(held, waiting);
                        return;
                }
}

static enum verdict
hold(struct session *session, struct stanza *stanza)
{
        struct held *held = session->held;

        if (held == NULL)
                return PASS;
        if (!can_wait(stanza)) {
                flush(session);
                return PASS;
        }
        if (stanza->kind == STANZA_PRESENCE && stanza->from.full != NULL)
                drop_older(held, stanza);
        struct waiting *waiting = MEM_NEW(waiting);
        waiting->stanza = stanza_keep(stanza);
        held->bytes += waiting->stanza->inside_len;
        list_append(&held->waiting, &waiting->link);
        bool are_many = held->waiting.count > (size_t)limit_value(LIMIT_HELD);
        if (are_many || held->bytes > (size_t)limit_value(LIMIT_HELD_BYTES)) {
                limit_note(are_many ? LIMIT_HELD : LIMIT_HELD_BYTES);
                flush(session);
        }
        return STOP;
}

static void
become_inactive(struct session *session, const struct element *unused)
{
        if (session->held == NULL)
                session->held = MEM_NEW(session->held);
}

static void
become_active(struct session *session, const struct element *unused)
{
        if (session->held == NULL)
                return;
        flush(session);
        mem_free(session->held);
        session->held = NULL;
}

/* A resumed client is active until it says otherwise (5). */
static enum verdict
see_lost(struct session *session, struct stanza *unused)
{
        become_active(session, NULL);
        return PASS;
}

static enum verdict
see_closed(struct session *session, struct stanza *unused)
{
        struct held *held = session->held;

        if (held == NULL)
                return PASS;
        for (LIST_EACH(waiting, &held->waiting, struct waiting, link))
                drop(held, waiting);
        mem_free(held);
        session->held = NULL;
        return PASS;
}

static void
offer(struct buf *out)
{
        buf_puts(out, "<csi xmlns=\"" NS_CSI "\"/>");
}

const struct extension xep_0352_csi = {
        .name = "csi",
        .xep = 352,
        .version = "1.0.0",
        .offer = offer,
        .nonzas = (const struct nonza_handler[]){ { NS_CSI, "active", become_active }, { NS_CSI, "inactive", become_inactive },
                { 0 } },
        .hooks = (const struct hook[]){ { HOOK_TO_SESSION, 90, hold }, { HOOK_SESSION_LOST, 50, see_lost },
                { HOOK_SESSION_CLOSE, 50, see_closed }, { 0 } },
};
