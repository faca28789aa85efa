/*
 * XEP-0359: Unique and Stable Stanza IDs
 *
 * Nothing is archived yet, so no ids are given; but whoever finds one of ours must be able to believe it, so clients cannot write them. The
 * same holds for all else that only a server says.
 */
#include "shared/base/mem.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

#include <string.h>

static const struct {
        const char *ns, *name;
        const char *whose; /* the attribute that names its author; NULL: it is always the server */
} owned[] = {
        { NS_STANZA_ID, "stanza-id", "by" },                                    /* XEP-0359, 3.1 */
        { NS_DELAY, "delay", "from" },                                          /* XEP-0203, 4 */
        { "urn:xmpp:occupant-id:0", "occupant-id", NULL },                      /* XEP-0421, 3.1 */
        { NS_CARBONS, "sent", NULL },                                           /* XEP-0280, 11 */
        { NS_CARBONS, "received", NULL }, { "urn:xmpp:mam:2", "result", NULL }, /* XEP-0313: forwarded as by the archive */
};

/* Does the author it names stand for this server: one of its domains, or an account, whoever's? The recipient believes his own. A full address is
 * a client's. */
static bool
is_ours(const char *author)
{
        struct arena *arena = arena_new(256);
        struct jid jid;
        const struct domain *domain = jid_parse(&jid, arena, author) && jid.resource == NULL ? snapshot_domain(jid.domain) : NULL;

        arena_free(&arena);
        return domain != NULL && domain->kind == DOMAIN_LOCAL;
}

static bool
is_owned(const struct element *child, bool from_client)
{
        for (size_t i = 0; i < array_len(owned); i++) {
                if (!element_is(child, owned[i].name, owned[i].ns))
                        continue;
                const char *author = owned[i].whose == NULL ? NULL : element_attribute(child, owned[i].whose);
                return author == NULL ? from_client : is_ours(author);
        }
        return false;
}

static void
strip(struct stanza *stanza, bool from_client)
{
        if (stanza->kind == STANZA_IQ)
                return;
        for (struct element *child = stanza_payload(stanza), *next; child != NULL; child = next) {
                next = element_next(child);
                if (strcmp(child->ns, XML_CONTENT_NS) != 0 && is_owned(child, from_client))
                        stanza_strip(stanza, child);
        }
}

static enum verdict
strip_from_client(struct session *session, struct stanza *stanza)
{
        strip(stanza, true);
        return PASS;
}

/* A room or another server speaks for itself, but not for this one. */
static enum verdict
strip_from_outside(struct session *unused, struct stanza *stanza)
{
        strip(stanza, false);
        return PASS;
}

const struct extension xep_0359_stanza_ids = {
        .name = "stanza-ids",
        .xep = 359,
        .version = "0.7.0",
        .account_features = (const char *const[]){ NS_STANZA_ID, NULL },
        .hooks = (const struct hook[]){ { HOOK_FROM_CLIENT, 10, strip_from_client }, { HOOK_FROM_OUTSIDE, 10, strip_from_outside },
                { 0 } },
};
