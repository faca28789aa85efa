/*
 * XEP-0004: Data Forms
 *
 * Forms are written and read with shared/xmpp/form.h. Those that clients fill in are about new accounts (c2s/register.c); while none can be made
 * the server has no use for a form.
 */
#include "shared/xmpp/form.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

static bool
is_on(void)
{
        return config_bool(snapshot_section("register"), "accounts");
}

const struct extension xep_0004_forms = {
        .name = "forms",
        .xep = 4,
        .version = "2.13.1",
        .is_on = is_on,
        .features = (const char *const[]){ NS_DATA, NULL },
};
