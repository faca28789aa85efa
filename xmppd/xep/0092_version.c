/*
 * XEP-0092: Software Version
 *
 * Tells name and version of the server. The operating system is nobody's business (5).
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"

static void
answer(struct stanza *iq)
{
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_VERSION);

        element_add_text(result->arena, query, "name", NULL, PACKAGE_NAME);
        element_add_text(result->arena, query, "version", NULL, PACKAGE_VERSION);
        route(result);
}

const struct extension xep_0092_version = {
        .name = "version",
        .xep = 92,
        .version = "1.1",
        .features = (const char *const[]){ NS_VERSION, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER, NS_VERSION, "query", answer }, { 0 } },
};
