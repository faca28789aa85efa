/*
 * XEP-0059: Result Set Management
 *
 * Lists are cut into pages by those who make them, with shared/xmpp/rsm.h: the components in 0030_disco.c. Here the server says so (4).
 */
#include "shared/xmpp/rsm.h"
#include "xmppd/extend/extension.h"

const struct extension xep_0059_rsm = {
        .name = "rsm",
        .xep = 59,
        .version = "1.0.1",
        .features = (const char *const[]){ NS_RSM, NULL },
};
