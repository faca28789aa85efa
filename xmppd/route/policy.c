/*
 * policy.c - the index and the rules of one peer, of the snapshot in force
 */
#include "xmppd/route/policy.h"

#include "shared/config/federation.h"

#include <string.h>

struct policy_verdict
policy_decide(const struct snapshot *snapshot, const char *domain, enum policy_direction direction)
{
        return policies_decide(snapshot->policies, domain, direction);
}

static enum peer_tls
tls_of(const struct section *section)
{
        const char *text = config_text(section, "tls");

        return strcmp(text, "required") == 0 ? PEER_TLS_REQUIRED : strcmp(text, "none") == 0 ? PEER_TLS_NONE : PEER_TLS_OPTIONAL;
}

struct peer_rules
policy_peer(const struct snapshot *snapshot, const char *domain)
{
        const struct section *top = config_top(snapshot->config), *federation = section_of(top, "xmpp-federation");
        const struct section *peer = section_titled(top, "xmpp-peer", domain);
        struct peer_rules rules = {
                .tls = tls_of(federation),
                .requires_valid = config_bool(federation, "require-valid-certificates"),
                .external_in = config_bool(federation, "sasl-external-in"),
                .external_out = config_bool(federation, "sasl-external-out"),
                .dialback = config_bool(federation, "dialback"),
                .allows_cn = config_bool(federation, "subject-cn"),
                .place = section_place(federation, NULL),
        };

        if (peer == NULL)
                return rules;
        rules.place = section_place(peer, NULL);
        if (config_text(peer, "tls")[0] != '\0')
                rules.tls = tls_of(peer);
        if (section_is_set(peer, "require-valid-certificates"))
                rules.requires_valid = config_bool(peer, "require-valid-certificates");
        rules.is_pinned = federation_read_pin(rules.pin, config_text(peer, "pin"));
        return rules;
}
