/*
 * XEP-0030: Service Discovery
 *
 * What the server and an account are and can do: the features that the other extensions have registered. The components are the server's
 * items, in pages if one likes (XEP-0059). An account tells its owner and those who see its presence; others get the answer that a server gives for an account that does not
 * exist (8).
 */
#include "shared/xmpp/ns.h"
#include "shared/xmpp/rsm.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/user.h"
#include "xmppd/xep/xep_private.h"

#include <stdlib.h>
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

static int
compare_names(const void *a, const void *b)
{
        return strcmp((*(const struct domain *const *)a)->name, (*(const struct domain *const *)b)->name);
}

/* The components by name. */
static const struct domain **
list_components(struct arena *arena, size_t *count)
{
        const struct domain **all = arena_alloc(arena, (map_count(snapshot_now()->domains) + 1) * sizeof(struct domain *));
        size_t at = 0;

        *count = 0;
        for (const struct domain *domain; (domain = map_next(snapshot_now()->domains, &at)) != NULL;)
                if (domain->kind == DOMAIN_COMPONENT)
                        all[(*count)++] = domain;
        if (*count > 1)
                qsort(all, *count, sizeof(*all), compare_names);
        return all;
}

static void
add_item(struct arena *arena, struct element *query, const struct domain *domain)
{
        struct element *item = element_add(arena, query, "item", NULL);

        element_set(arena, item, "jid", domain->name);
        if (domain->description != NULL && domain->description[0] != '\0')
                element_set(arena, item, "name", domain->description);
}

/* An account has no items. */
static void
tell_items(struct stanza *iq)
{
        struct element *query;
        struct stanza *result = begin_answer(iq, NS_DISCO_ITEMS, &query);
        struct rsm rsm;
        struct rsm_page page;
        size_t count = 0;

        if (result == NULL)
                return;
        const struct domain **all = iq->to.local == NULL ? list_components(result->arena, &count) : NULL;
        const char **names = arena_alloc(result->arena, (count + 1) * sizeof(*names));
        for (size_t i = 0; i < count; i++)
                names[i] = all[i]->name;
        bool is_readable = rsm_read(&rsm, result->arena, stanza_payload(iq));
        if (!is_readable || !rsm_cut(&rsm, names, count, &page)) {
                route_error(iq, is_readable ? ITEM_NOT_FOUND : BAD_REQUEST, NULL);
                stanza_unref(&result);
                return;
        }
        for (size_t i = 0; i < page.count; i++)
                add_item(result->arena, query, all[page.first + i]);
        rsm_describe(&rsm, result->arena, query, names, count, &page);
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
