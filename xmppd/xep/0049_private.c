/*
 * XEP-0049: Private XML Storage
 *
 * Each client may keep documents with the account, by the name and namespace of their root; nobody else sees them.
 */
#include "shared/base/buf.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/data.h"

#include <string.h>

#define NS_PRIVATE "jabber:iq:private"

enum { NAME_BYTES = 1024 };

/* The one document it is about; NULL: the request has been refused (2.1, 2.3). */
static struct element *
find_document(struct stanza *iq, char name[NAME_BYTES])
{
        struct element *document = element_first(stanza_payload(iq));

        bool fits = document != NULL && strlen(document->name) + strlen(document->ns) + 2 <= NAME_BYTES;
        if (!fits || element_next(document) != NULL || strcmp(document->ns, NS_PRIVATE) == 0 || document->ns[0] == '\0') {
                route_error(iq, document == NULL ? BAD_REQUEST : NOT_ACCEPTABLE, "One document with a namespace of its own.");
                return NULL;
        }
        strcpy(name, document->name);
        strcat(name, " ");
        strcat(name, document->ns);
        return document;
}

static void
tell(struct stanza *iq, struct element *stored)
{
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_PRIVATE);
        const struct element *asked = element_first(stanza_payload(iq));

        if (stored != NULL)
                element_append(query, element_copy(result->arena, stored));
        else
                element_add(result->arena, query, asked->name, asked->ns);
        route(result);
}

static void
get(struct stanza *iq)
{
        char name[NAME_BYTES];

        if (find_document(iq, name) != NULL)
                data_get(iq, DATA_PRIVATE, name, tell);
}

static void
set(struct stanza *iq)
{
        size_t most = (size_t)limit_value(LIMIT_PRIVATE);
        char name[NAME_BYTES];
        struct element *document = find_document(iq, name);
        struct buf bytes = { 0 };

        if (document == NULL)
                return;
        xml_write(&bytes, document, "");
        if (bytes.len + data_size(&iq->to, DATA_PRIVATE, name) > most) {
                limit_note(LIMIT_PRIVATE);
                route_error(iq, RESOURCE_CONSTRAINT, "More than limits.max-private allows.");
        } else {
                data_set(iq, DATA_PRIVATE, name, document);
        }
        buf_free(&bytes);
}

const struct extension xep_0049_private = {
        .name = "private",
        .xep = 49,
        .version = "1.2",
        .features = (const char *const[]){ NS_PRIVATE, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_OWN, NS_PRIVATE, "query", get },
                { IQ_SET, TO_OWN, NS_PRIVATE, "query", set }, { 0 } },
};
