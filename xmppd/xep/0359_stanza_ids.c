/*
 * XEP-0359: Unique and Stable Stanza IDs
 *
 * Nothing is archived yet, so no ids are given; but whoever finds one of ours must be able to believe it, so clients cannot write them. The
 * same holds for all else that only a server says.
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/user/session.h"

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

/* Does the author it names stand for us: the server or the account? */
static bool
is_ours(const struct session *session, const char *author)
{
        return author == NULL || text_equal(author, session->jid.domain) || jid_has_bare(&session->jid, author, strlen(author));
}

static bool
is_owned(const struct session *session, const struct element *child)
{
        for (size_t i = 0; i < array_len(owned); i++)
                if (element_is(child, owned[i].name, owned[i].ns))
                        return owned[i].whose == NULL || is_ours(session, element_attribute(child, owned[i].whose));
        return false;
}

static enum verdict
strip(struct session *session, struct stanza *stanza)
{
        if (stanza->kind == STANZA_IQ)
                return PASS;
        for (struct element *child = stanza_payload(stanza), *next; child != NULL; child = next) {
                next = element_next(child);
                if (strcmp(child->ns, XML_CONTENT_NS) != 0 && is_owned(session, child))
                        stanza_strip(stanza, child);
        }
        return PASS;
}

const struct extension xep_0359_stanza_ids = {
        .name = "stanza-ids",
        .xep = 359,
        .version = "0.7.0",
        .account_features = (const char *const[]){ NS_STANZA_ID, NULL },
        .hooks = (const struct hook[]){ { HOOK_FROM_CLIENT, 10, strip }, { 0 } },
};
