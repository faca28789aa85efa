/*
 * XEP-0199: XMPP Ping
 *
 * Answers pings to the server and to accounts (4.2, 4.3); pings clients that have been silent too long (4.1).
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/user/session.h"
#include "xmppd/user/user.h"

static void
answer(struct stanza *iq)
{
        /* Who may not see an account is not told that it exists. */
        if (iq->to.local != NULL && !user_is_seen_by(&iq->to, &iq->from))
                route_error(iq, SERVICE_UNAVAILABLE, NULL);
        else
                route_result(iq);
}

static enum verdict
ask_if_alive(struct session *session, struct stanza *unused)
{
        session_ask(session, NS_PING, "ping"); /* no answer in time closes the session */
        return PASS;
}

const struct extension xep_0199_ping = {
        .name = "ping",
        .xep = 199,
        .version = "2.0.1",
        .features = (const char *const[]){ NS_PING, NULL },
        .account_features = (const char *const[]){ NS_PING, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER | TO_ACCOUNT, NS_PING, "ping", answer }, { 0 } },
        .hooks = (const struct hook[]){ { HOOK_SESSION_IDLE, 50, ask_if_alive }, { 0 } },
        .settings = (const struct setting[]){ { "idle", SETTING_SECONDS, "300", LIVE,
                                                      "Ask a client this long silent whether it is there.", "1..86400" },
                { 0 } },
};
