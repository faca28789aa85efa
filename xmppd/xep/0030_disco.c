/*
 * XEP-0030: Service Discovery
 *
 * What the server and an account are and can do: the features that the other extensions have registered. The components are the server's
 * items. An account tells its owner and those who see its presence; others get the answer that a server gives for an account that does not
 * exist (8).
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/user.h"
#include "xmppd/xep/xep_private.h"

#include <string.h>

/* The server has the node of its capabilities (XEP-0115) and no other, an account has none: an answer to be filled, or NULL when the question has
 * been refused. */
static struct stanza *
begin_answer(const struct stanza *iq, const char *ns, struct element **query)
{
        const char *node = element_attribute(stanza_payload(iq), "node");

        if (iq->to.local != NULL && !user_is_seen_by(&iq->to, &iq->from)) {
                route_error(iq, SERVICE_UNAVAILABLE, NULL);
                return NULL;
        }
        bool is_own = iq->to.local == NULL && node != NULL && strcmp(ns, NS_DISCO_INFO) == 0 && caps_is_own_node(node);
        if (node != NULL && node[0] != '\0' && !is_own) {
                route_error(iq, ITEM_NOT_FOUND, "There is no such node.");
                return NULL;
        }
        struct stanza *result = stanza_result(iq);
        *query = element_add(result->arena, result->element, "query", ns);
        if (is_own)
                element_set(result->arena, *query, "node", node);
        return result;
}

static void
tell_info(struct stanza *iq)
{
        struct element *query;
        struct stanza *result = begin_answer(iq, NS_DISCO_INFO, &query);

        if (result == NULL)
                return;
        extend_describe(result->arena, query, iq->to.local != NULL);
        route(result);
}

static void
add_components(struct stanza *result, struct element *query)
{
        size_t at = 0;

        for (const struct domain *domain; (domain = map_next(snapshot_now()->domains, &at)) != NULL;) {
                if (domain->kind != DOMAIN_COMPONENT)
                        continue;
                struct element *item = element_add(result->arena, query, "item", NULL);
                element_set(result->arena, item, "jid", domain->name);
                if (domain->description != NULL && domain->description[0] != '\0')
                        element_set(result->arena, item, "name", domain->description);
        }
}

static void
tell_items(struct stanza *iq)
{
        struct element *query;
        struct stanza *result = begin_answer(iq, NS_DISCO_ITEMS, &query);

        if (result == NULL)
                return;
        if (iq->to.local == NULL)
                add_components(result, query);
        route(result);
}

const struct extension xep_0030_disco = {
        .name = "disco",
        .xep = 30,
        .version = "2.5.0",
        .features = (const char *const[]){ NS_DISCO_INFO, NS_DISCO_ITEMS, NULL },
        .account_features = (const char *const[]){ NS_DISCO_INFO, NS_DISCO_ITEMS, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER | TO_ACCOUNT, NS_DISCO_INFO, "query", tell_info },
                { IQ_GET, TO_SERVER | TO_ACCOUNT, NS_DISCO_ITEMS, "query", tell_items }, { 0 } },
};
