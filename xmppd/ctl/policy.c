/*
 * policy.c - policy test: what the files say of one domain
 *
 * The files are asked, not the server: one may try an exception before anybody feels it.
 */
#include "shared/config/policies.h"
#include "shared/xmpp/jid.h"
#include "xmppd/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* "because of xmpp-policy "*.example.net"", or what else it was. */
static const char *
reason_of(struct ctl *ctl, const struct policy_verdict *verdict)
{
        if (strcmp(verdict->kind, "xmpp-policy") == 0)
                return arena_printf(ctl->arena, "by xmpp-policy \"%s\"", verdict->rule);
        if (strcmp(verdict->kind, "default-policy") == 0)
                return "by default-policy: no xmpp-policy names it";
        if (strcmp(verdict->kind, "xmpp-federation.enabled") == 0)
                return "because xmpp-federation is not enabled";
        return arena_printf(ctl->arena, "because it is a name of ours (%s), which no other server has", verdict->kind);
}

int
test_policy(struct ctl *ctl, const struct line *line)
{
        char domain[JID_PART_MAX + 1];
        const char *direction = line->words[1];
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        if (!jid_prepare_domain(domain, line->words[0]))
                return refuse("%.200s: not a domain name", line->words[0]);
        bool is_in = strcmp(direction, "in") == 0;
        if (!is_in && strcmp(direction, "out") != 0) {
                refuse("%.60s: expected in (they connect to us) or out (we connect to them)", direction);
                return WRONG_USAGE;
        }
        if (!ctl_read_federation(ctl))
                return REFUSED;
        struct policies *policies = policies_new(ctl->top);
        struct policy_verdict verdict = policies_decide(policies, domain, is_in ? POLICY_IN : POLICY_OUT);
        policies_free(&policies);

        if (ctl->json) {
                json_open_object(&json, NULL);
                json_put_text(&json, "domain", domain);
                json_put_text(&json, "direction", direction);
                json_put_bool(&json, "allowed", verdict.is_allowed);
                json_put_text(&json, "kind", verdict.kind);
                json_put_text(&json, "rule", verdict.rule);
                json_put_text(&json, "place", verdict.place);
                json_put_text(&json, "source", "files");
                json_close_object(&json);
                puts(buf_text(&out));
        } else {
                printf("%s %s: %s %s, %s\n", domain, direction, verdict.is_allowed ? "allowed" : "refused",
                        reason_of(ctl, &verdict), verdict.place);
                puts("So say the files; a server that was started or reloaded before they changed may think otherwise.");
        }
        buf_free(&out);
        return verdict.is_allowed ? DONE : REFUSED;
}
