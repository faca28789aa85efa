/*
 * XEP-0334: Message Processing Hints
 *
 * no-store and store count when a message would be kept (user/offline.c), no-copy when it would be copied (0280_carbons.c).
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"

const struct extension xep_0334_hints = {
        .name = "hints", .xep = 334, .version = "0.4.0", .features = (const char *const[]){ NS_HINTS, NULL }
};
