/*
 * receive.c - stanzas of other servers: from a domain that is proven, to one of ours, within the limits, on to their homes
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/s2s/s2s_private.h"
#include "xmppd/user/mail.h"

#include <string.h>

enum { BRAKE_EACH = 64 /* stanzas */ };

/* RFC 6120 8.1.1.2, 8.1.2.2, 4.9.3.9: the sender's mistakes end the stream. */
static bool
is_addressed_well(struct s2s *s2s, const struct stanza *stanza)
{
        if (stanza->from.full == NULL || stanza->to.full == NULL)
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NONE, "from and to are needed");
        else if (!s2s_has_proven(s2s, stanza->from.domain))
                s2s_fail(s2s, STREAM_INVALID_FROM, CAUSE_NONE, "%.255s is not proven on this stream", stanza->from.domain);
        else if (!s2s_is_ours(stanza->to.domain))
                s2s_fail(s2s, STREAM_HOST_UNKNOWN, CAUSE_NONE, "%.255s is no domain of this server", stanza->to.domain);
        else
                return true;
        return false;
}

/* The policy counts for each stanza: it may have changed since the stream was set up. */
static bool
is_allowed(struct s2s *s2s, const char *remote)
{
        struct policy_verdict verdict = policy_decide(snapshot_now(), remote, POLICY_IN);

        if (!verdict.is_allowed) {
                log_info(&s2s->log, "refused by policy: %s (%s)", verdict.rule, verdict.place);
                ledger_bar(s2s);
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "federation with %s is not allowed here", remote);
        }
        return verdict.is_allowed;
}

static void
handle(struct s2s *s2s, struct stanza *stanza)
{
        if (!is_addressed_well(s2s, stanza) || !is_allowed(s2s, stanza->from.domain)) {
                stanza_unref(&stanza);
                return;
        }
        if (++s2s->in % BRAKE_EACH == 0)
                brake_use(&s2s->brake, &s2s->stream, 0);
        s2s->last_used = worker_now();
        ledger_receive(s2s, stanza);
        if (trial_takes(s2s, stanza)) {
                stanza_unref(&stanza);
                return;
        }
        stanza = mail_enter(stanza);
        if (stanza == NULL)
                return;
        if (stanza_is_request(stanza) && !stanza_has_one_payload(stanza)) {
                route_error(stanza, BAD_REQUEST, "A request has exactly one child.");
                stanza_unref(&stanza);
        } else if (extend_run(HOOK_FROM_OUTSIDE, NULL, stanza) == STOP) {
                stanza_unref(&stanza);
        } else {
                route(stanza);
        }
}

/* A mistake in one stanza: it goes back to who sent it, if that can be read, by way of our own stream to that domain. */
static void
refuse(struct s2s *s2s, struct arena *arena, const struct element *element, enum stanza_problem problem)
{
        const char *from = element_attribute(element, "from"), *to = element_attribute(element, "to");
        struct jid sender, recipient;

        s2s->in++;
        ledger_receive(s2s, NULL);
        if (problem == STANZA_NOT_A_STANZA) {
                s2s_fail(s2s, STREAM_UNSUPPORTED_STANZA_TYPE, CAUSE_NONE, "%s", "");
        } else if (from == NULL || to == NULL || !jid_parse(&sender, arena, from)) {
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NONE, "from and to are needed");
        } else if (!s2s_has_proven(s2s, sender.domain)) {
                s2s_fail(s2s, STREAM_INVALID_FROM, CAUSE_NONE, "%.255s is not proven on this stream", sender.domain);
        } else {
                struct stanza *answer = stanza_refusal(element, problem, &sender);
                if (answer != NULL) {
                        if (!jid_parse(&recipient, answer->arena, to))
                                jid_make(&recipient, answer->arena, NULL, s2s->local != NULL ? s2s->local : "localhost", NULL);
                        stanza_set_from(answer, &recipient);
                        route(answer);
                }
        }
        arena_free(&arena);
}

void
receive_stanza(struct s2s *s2s, struct arena *arena, struct element *element, const struct xml_source *source)
{
        enum stanza_problem problem;
        struct stanza *stanza = stanza_new_parsed(arena, element, source, &problem);

        if (stanza == NULL)
                refuse(s2s, arena, element, problem);
        else
                handle(s2s, stanza);
}
