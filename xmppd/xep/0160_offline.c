/*
 * XEP-0160: Best Practices for Handling Offline Messages
 *
 * The keeping is RFC 6121's (8.5.2.2) and lives in user/; here the server says that it does so (4).
 */
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

static bool
is_on(void)
{
        return limit_value(LIMIT_OFFLINE) > 0;
}

const struct extension xep_0160_offline = {
        .name = "offline",
        .xep = 160,
        .version = "1.0.1",
        .is_on = is_on,
        .features = (const char *const[]){ "msgoffline", NULL },
};
