/*
 * XEP-0016: Privacy Lists
 *
 * The lists and what they keep away live in user/. The blocking command (XEP-0191) works on the default list.
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/user/privacy.h"

const struct extension xep_0016_privacy = {
        .name = "privacy",
        .xep = 16,
        .version = "1.7",
        .features = (const char *const[]){ NS_PRIVACY, NULL },
        .account_features = (const char *const[]){ NS_PRIVACY, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_OWN, NS_PRIVACY, "query", privacy_tell },
                { IQ_SET, TO_OWN, NS_PRIVACY, "query", privacy_change }, { 0 } },
};
