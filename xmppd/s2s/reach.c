/*
 * reach.c - the way from a domain that is wanted to a stream that is open, target after target
 *
 * The dialer gives one connection after the other; out.c negotiates on it. A target that fails is told here, and the next one is tried. When there is
 * none left, the failure that came furthest is the one to tell: "certificate expired" says more than that the backup did not answer.
 */
#include "shared/base/mem.h"
#include "xmppd/route/resolver.h"
#include "xmppd/s2s/s2s_private.h"

#include <string.h>
#include <unistd.h>

static const struct dialer_events dialer_events;

static const struct dialer_rules *
dialer_rules_of(struct reach *reach, struct dialer_rules *rules)
{
        *rules = (struct dialer_rules){
                .domain = reach->ascii,
                .service = "_xmpp-server._tcp",
                .direct_service = policy_peer(snapshot_now(), reach->domain).tls != PEER_TLS_NONE ? "_xmpps-server._tcp" : NULL,
                .port = 5269,
        };
        return rules;
}

static struct reach *
make(struct attempt *attempt, const char *local, const char *domain)
{
        struct reach *reach = MEM_NEW(reach);

        reach->local = mem_strdup(local);
        reach->domain = mem_strdup(domain);
        reach->attempt = attempt;
        jid_domain_to_ascii(reach->ascii, domain);
        return reach;
}

static void
start(struct reach *reach)
{
        struct dialer_rules rules;

        struct policy_verdict verdict = policy_decide(snapshot_now(), reach->domain, POLICY_OUT);

        attempt_note(reach->attempt, STEP_POLICY, "allowed by %s at %s", verdict.rule,
                verdict.place != NULL ? verdict.place : "default");
        reach->dialer = dialer_new(resolver_here(), dialer_rules_of(reach, &rules), &dialer_events, reach);
}

void
reach_begin(struct remote *remote, const char *local)
{
        struct reach *reach = make(attempt_new(false, local), local, remote->domain);

        reach->remote = remote;
        list_append(&remote->reaches, &reach->in_remote);
        attempts_add(&remote->attempts, reach->attempt);
        start(reach);
}

struct reach *
reach_try(struct trial *trial, struct attempt *attempt, const char *local, const char *domain)
{
        struct reach *reach = make(attempt, local, domain);

        reach->trial = trial;
        start(reach);
        return reach;
}

void
reach_free(struct reach **reference)
{
        struct reach *reach = *reference;

        *reference = NULL;
        if (reach == NULL)
                return;
        attempt_end(reach->attempt, false);
        if (reach->remote != NULL)
                list_remove(&reach->remote->reaches, &reach->in_remote);
        if (reach->s2s != NULL) {
                reach->s2s->reach = NULL;
                reach->s2s->attempt = NULL;
        }
        dialer_free(&reach->dialer);
        mem_free(reach->local);
        mem_free(reach->domain);
        mem_free(reach);
}

static void
end(struct reach *reach)
{
        struct remote *remote = reach->remote;
        struct trial *trial = reach->trial;
        struct attempt *attempt = reach->attempt;
        enum cause cause = attempt->cause != CAUSE_NONE ? attempt->cause : CAUSE_NO_ANSWER;
        char *detail = mem_strdup(attempt->detail), *local = mem_strdup(reach->local);

        reach_free(&reach);
        if (trial != NULL)
                trial_failed(trial);
        if (remote != NULL)
                remote_failed(remote, local, cause, detail);
        mem_free(detail);
        mem_free(local);
}

void
reach_next(struct reach *reach, enum cause cause, const char *detail)
{
        attempt_fail(reach->attempt, cause, "%s", detail);
        reach->s2s = NULL;
        reach->skips_external = reach->skips_tls = reach->has_retried = false;
        dialer_next(reach->dialer);
}

void
reach_again(struct reach *reach)
{
        reach->s2s = NULL;
        dialer_again(reach->dialer);
}

void
reach_succeeded(struct reach *reach)
{
        struct remote *remote = reach->remote;
        struct trial *trial = reach->trial;
        struct s2s *s2s = reach->s2s;

        attempt_end(reach->attempt, true);
        reach_free(&reach);
        if (trial != NULL)
                trial_reached(trial, s2s);
        if (remote != NULL)
                remote_reached(remote);
}

/* ---- what the dialer tells ---- */

static void
see_connected(void *owner, int fd, const struct dialer_target *target, const struct address *address)
{
        struct reach *reach = owner;

        reach->is_direct = target->is_direct;
        reach->s2s = out_new(reach, fd);
}

static const enum cause causes[] = {
        [DIALER_NO_NAME] = CAUSE_NO_NAME,
        [DIALER_NOT_OFFERED] = CAUSE_NOT_OFFERED,
        [DIALER_DNS_FAILED] = CAUSE_DNS_FAILED,
        [DIALER_REFUSED] = CAUSE_REFUSED,
        [DIALER_SILENT] = CAUSE_SILENT,
        [DIALER_UNREACHABLE] = CAUSE_UNREACHABLE,
        [DIALER_EXHAUSTED] = CAUSE_NONE,
};

static void
see_exhausted(void *owner, enum dialer_end outcome, const char *why)
{
        end(owner); /* why has been noted */
}

static void
see_noted(void *owner, enum dialer_end what, bool is_good, const char *text)
{
        struct reach *reach = owner;

        if (!is_good)
                attempt_fail(reach->attempt, causes[what], "%s", text);
        else
                attempt_note(reach->attempt, what == DIALER_EXHAUSTED ? STEP_CONNECT : STEP_DNS, "%s", text);
}

static const struct dialer_events dialer_events = { .connected = see_connected, .exhausted = see_exhausted, .noted = see_noted };
