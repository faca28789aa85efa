/*
 * listen.c - the ports of clients
 */
#include "xmppd/c2s/c2s.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/limits.h"

static const struct doorkeeper_rules rules = {
        .listen = "listen",
        .listen_tls = "listen-tls",
        .connections = LIMIT_CONNECTIONS,
        .rate = LIMIT_CONNECTION_RATE,
        .negotiating = LIMIT_NEGOTIATING,
        .share = LIMIT_NEGOTIATING_SHARE,
        .let_in = client_new,
};

static struct doorkeeper keeper = { .rules = &rules, .scope = { .room = "c2s.listen" } };

int
c2s_listen(const struct snapshot *snapshot, struct err *err)
{
        return doorkeeper_listen(&keeper, section_of(config_top(snapshot->config), "c2s"), err);
}

void
c2s_settle_ports(bool keep)
{
        doorkeeper_settle(&keeper, keep);
}

void
c2s_stop_listening(void)
{
        doorkeeper_stop(&keeper);
}
