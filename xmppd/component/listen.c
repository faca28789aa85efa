/*
 * listen.c - the ports of components
 */
#include "shared/base/map.h"
#include "xmppd/component/component.h"
#include "xmppd/component/component_private.h"

/* Whoever may speak to these ports is trusted further than others: they are counted, and no address has a share of its own. */
static const struct doorkeeper_rules rules = {
        .listen = "listen",
        .connections = LIMITS,
        .rate = LIMITS,
        .negotiating = LIMIT_COMPONENT_NEGOTIATING,
        .share = LIMITS,
        .let_in = component_accept,
};

static struct doorkeeper keeper = { .rules = &rules, .scope = { .room = "component.listen" } };

int
component_listen(const struct snapshot *snapshot, struct err *err)
{
        bool is_needed = false;
        size_t at = 0;

        /* A server without a component domain has nobody to wait for. */
        for (const struct domain *domain; (domain = map_next(snapshot->domains, &at)) != NULL;)
                is_needed |= domain->kind == DOMAIN_COMPONENT;
        return doorkeeper_listen(&keeper, is_needed ? section_of(config_top(snapshot->config), "components") : NULL, err);
}

void
component_settle_ports(bool keep)
{
        doorkeeper_settle(&keeper, keep);
}

void
component_stop_listening(void)
{
        doorkeeper_stop(&keeper);
}
