/*
 * listen.c - the ports of other servers
 */
#include "xmppd/s2s/s2s.h"
#include "xmppd/s2s/s2s_private.h"

static const struct doorkeeper_rules rules = {
        .listen = "listen",
        .listen_tls = "listen-tls",
        .connections = LIMIT_S2S_CONNECTIONS,
        .rate = LIMIT_S2S_RATE,
        .negotiating = LIMIT_S2S_NEGOTIATING,
        .share = LIMIT_S2S_NEGOTIATING_SHARE,
        .let_in = s2s_accept,
};

static struct doorkeeper keeper = { .rules = &rules, .scope = { .room = "s2s.listen" } };

int
s2s_listen(const struct snapshot *snapshot, struct err *err)
{
        const struct section *top = config_top(snapshot->config);
        bool is_wanted = config_bool(section_of(top, "xmpp-federation"), "enabled");

        return doorkeeper_listen(&keeper, is_wanted ? section_of(top, "s2s") : NULL, err);
}

void
s2s_settle_ports(bool keep)
{
        doorkeeper_settle(&keeper, keep);
}

void
s2s_stop_listening(void)
{
        doorkeeper_stop(&keeper);
}
