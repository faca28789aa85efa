/*
 * XEP-0012: Last Activity
 *
 * How long the server has been up (4), and how long ago an account's last client left (3), for those who see its presence. A connected
 * client is asked itself (5).
 */
#include "shared/base/clock.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/user/data.h"
#include "xmppd/user/last.h"
#include "xmppd/user/user.h"

#include <stdio.h>

#define NS_LAST "jabber:iq:last"

enum { STATUS_MAX = 1024 };

static int64_t started;

static void
tell(const struct stanza *iq, int64_t since, const char *status)
{
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_LAST);
        int64_t passed = (clock_wall_ms() - since) / 1000;
        char seconds[24];

        snprintf(seconds, sizeof(seconds), "%lld", (long long)(passed > 0 ? passed : 0));
        element_set(result->arena, query, "seconds", seconds);
        if (status[0] != '\0')
                element_put_text(result->arena, query, status, strlen(status));
        route(result);
}

static void
answer(struct stanza *iq)
{
        char status[STATUS_MAX] = "";
        int64_t left;

        if (iq->to.local == NULL) {
                tell(iq, started, "");
        } else if (!user_is_seen_by(&iq->to, &iq->from)) {
                /* 3 has forbidden, which would tell that there is such an account; RFC 6121 8.5.1 has one answer for both. */
                route_error(iq, SERVICE_UNAVAILABLE, NULL);
        } else if (last_is_there(&iq->to)) {
                tell(iq, clock_wall_ms(), "");
        } else if (last_left(&iq->to, &left, status, sizeof(status))) {
                tell(iq, left, status);
        } else {
                route_error(iq, SERVICE_UNAVAILABLE, "This user has never been here.");
        }
}

static void
start(void)
{
        started = clock_wall_ms();
}

const struct extension xep_0012_last = {
        .name = "last",
        .xep = 12,
        .version = "2.0",
        .start = start,
        .features = (const char *const[]){ NS_LAST, NULL },
        .account_features = (const char *const[]){ NS_LAST, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER | TO_ACCOUNT, NS_LAST, "query", answer }, { 0 } },
};
