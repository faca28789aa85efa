/*
 * XEP-0191: Blocking Command
 *
 * The list and what it does live in user/, next to what it keeps away.
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/user/blocking.h"

const struct extension xep_0191_blocking = {
        .name = "blocking",
        .xep = 191,
        .version = "1.3",
        .features = (const char *const[]){ NS_BLOCKING, NULL },
        .account_features = (const char *const[]){ NS_BLOCKING, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_OWN, NS_BLOCKING, "blocklist", blocking_tell },
                { IQ_SET, TO_OWN, NS_BLOCKING, "block", blocking_block },
                { IQ_SET, TO_OWN, NS_BLOCKING, "unblock", blocking_unblock }, { 0 } },
};
