/*
 * XEP-0115: Entity Capabilities
 *
 * The server's own stand in the features of a client's stream (6.3). What clients can do is learned from the hash in their presence
 * (user/caps.h).
 */
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/disco.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/caps.h"
#include "xmppd/xep/xep_private.h"

#include <string.h>

#define NODE "urn:xmppd:" PACKAGE_VERSION

/* ---- the server's own ---- */

/* Of this worker: the hash of what the configuration of this number makes the server say. */
static _Thread_local struct {
        uint64_t configuration;
        char ver[DISCO_HASH_TEXT];
} own;

static const char *
own_ver(void)
{
        if (own.configuration == snapshot_now()->number)
                return own.ver;
        struct arena *arena = arena_new(4096);
        struct element *query = element_new(arena, "query", NS_DISCO_INFO);
        struct disco disco;

        extend_describe(arena, query, false);
        must(disco_read(&disco, arena, query));
        disco_hash(&disco, DIGEST_SHA1, own.ver);
        own.configuration = snapshot_now()->number;
        arena_free(&arena);
        return own.ver;
}

bool
caps_is_own_node(const char *node)
{
        size_t len = strlen(NODE);

        return strncmp(node, NODE "#", len + 1) == 0 && text_equal(node + len + 1, own_ver());
}

static void
offer(struct buf *out)
{
        buf_printf(out, "<c xmlns=\"" NS_CAPS "\" hash=\"sha-1\" node=\"" NODE "\" ver=\"%s\"/>", own_ver());
}

/* ---- those of clients ---- */

static enum verdict
learn(struct session *session, struct stanza *stanza)
{
        if (stanza->type == PRESENCE_AVAILABLE && stanza->to.full == NULL)
                caps_see(session, stanza);
        else if (stanza->type == PRESENCE_UNAVAILABLE && stanza->to.full == NULL)
                caps_leave(session);
        else if ((stanza->type == IQ_RESULT || stanza->type == IQ_ERROR) && caps_hear(session, stanza))
                return STOP;
        return PASS;
}

/* A session that was in the store has forgotten what its client can do; the presence it has kept says it again. */
static enum verdict
learn_again(struct session *session, struct stanza *unused)
{
        struct buf document = { 0 };

        if (session->caps != 0 || session->presence == NULL)
                return PASS;
        stanza_write_document(&document, session->presence);
        struct stanza *presence = stanza_read_document(buf_data(&document), document.len);
        if (presence != NULL)
                caps_see(session, presence);
        stanza_unref(&presence);
        buf_free(&document);
        return PASS;
}

static enum verdict
leave(struct session *session, struct stanza *unused)
{
        caps_leave(session);
        return PASS;
}

const struct extension xep_0115_caps = {
        .name = "caps",
        .xep = 115,
        .version = "1.6.0",
        .features = (const char *const[]){ NS_CAPS, NULL },
        .offer = offer,
        .hooks = (const struct hook[]){ { HOOK_FROM_CLIENT, 70, learn }, { HOOK_SESSION_RESUMED, 50, learn_again },
                { HOOK_SESSION_CLOSE, 50, leave }, { 0 } },
};
