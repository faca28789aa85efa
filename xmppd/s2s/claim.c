/*
 * claim.c - what the other side claims to be, by dialback (XEP-0220 2.2.1): from its key to our answer
 *
 * A claim that fails ends a stream on which nothing else is proven. On one that other domains use already, it is refused and they go on.
 */
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>

enum { ADDRESSES = 1024 };

/* ---- is it worth a look ---- */

/* May a further domain come by a stream that others use? Where not, it alone is refused: they have done nothing wrong. */
static bool
may_join(struct s2s *s2s, const char *local, const char *remote)
{
        struct policy_verdict verdict = policy_decide(snapshot_now(), remote, POLICY_IN);
        char detail[300], text[CAUSE_TEXT];
        enum cause cause;

        if (snapshot_domain(remote) != NULL || s2s_is_ours(remote)) {
                s2s_fail(s2s, STREAM_INVALID_FROM, CAUSE_DENIED, "%s is a domain of this server", remote);
                return false;
        }
        if (!verdict.is_allowed) {
                log_info(&s2s->log, "%s is refused by policy: %s (%s)", remote, verdict.rule, verdict.place);
                dialback_refuse(s2s, local, remote, "policy-violation", "federation with this domain is not allowed here");
                return false;
        }
        cause = certificate_check(s2s, remote, detail, sizeof(detail));
        if (cause == CAUSE_NONE)
                return true;
        if (cause == CAUSE_TLS_NOT_OFFERED)
                snprintf(text, sizeof(text), "TLS is required here");
        else
                cause_text(text, cause, detail);
        log_info(&s2s->log, "%s is refused: %s", remote, text);
        dialback_refuse(s2s, local, remote, "not-authorized", text);
        return false;
}

static bool
may_be_first(struct s2s *s2s, const char *remote)
{
        return in_may_come(s2s, remote) && in_is_safe_enough(s2s, remote);
}

struct question *
claim_read(struct s2s *s2s, const struct element *result, struct arena *arena)
{
        const char *local = s2s_domain(arena, result, "to"), *remote = s2s_domain(arena, result, "from");
        const struct pair *pair;

        if (element_attribute(result, "type") != NULL) {
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "an answer that nobody has asked for");
                return NULL;
        }
        if (local == NULL || remote == NULL) {
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NONE, "db:result needs the domains 'from' and 'to'");
                return NULL;
        }
        if (!s2s_is_ours(local)) {
                dialback_refuse(s2s, local, remote, "item-not-found", "this domain is not served here");
                return NULL;
        }
        if (s2s->is_open ? !may_join(s2s, local, remote) : !may_be_first(s2s, remote))
                return NULL;
        if (!policy_peer(snapshot_now(), remote).dialback) {
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NO_WAY, "dialback is switched off here");
                return NULL;
        }
        pair = s2s_pair(s2s, local, remote);
        if (pair != NULL && pair->theirs == PROOF_ASKED) {
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "the key of this pair is being verified");
                return NULL;
        }
        return question_new(s2s->serial, local, remote, s2s->id, element_text(result, arena));
}

/* ---- the answer ---- */

static void
take(struct s2s *s2s, struct pair *pair, enum proof proof)
{
        if (s2s->is_incoming) {
                in_prove(s2s, pair, proof);
                return;
        }
        pair->theirs = proof;
        if (pair->ours != PROOF_ASKED) /* else the answer to our own claim is on its way */
                pair->ours = proof;    /* XEP-0288 2.2: it goes both ways */
        log_info(&s2s->log, "also %s to=%s proof=%s", pair->remote, pair->local, s2s_proof_name(proof));
}

void
claim_answered(struct s2s *s2s, const struct question *question)
{
        struct pair *pair = s2s_pair(s2s, question->local, question->remote);
        char text[CAUSE_TEXT];

        if (pair == NULL || pair->theirs != PROOF_ASKED)
                return;
        dialback_tell(s2s, question);
        if (question->cause == CAUSE_NONE) {
                attempt_note(s2s->attempt, STEP_AUTHENTICATION, "dialback: the server of %s has made the key", question->remote);
                take(s2s, pair, PROOF_DIALBACK);
                return;
        }
        pair->theirs = PROOF_REFUSED;
        attempt_fail(s2s->attempt, question->cause, "%s", question->detail);
        log_info(&s2s->log, "%s is refused: %s", question->remote, cause_text(text, question->cause, question->detail));
        if (question->cause == CAUSE_DIALBACK_KEY && !s2s->is_open)
                s2s_close(s2s); /* XEP-0220 2.2.1 */
}

/* The other side was found by its own name, or its certificate is good for the domain (XEP-0344): that spares the question. */
static enum proof
proof_at_hand(const struct s2s *s2s, const char *remote)
{
        char detail[300];

        if (!s2s->is_incoming && s2s_has_proven(s2s, remote))
                return PROOF_DIALBACK;
        if (s2s_is_secure(s2s) && certificate_judge(s2s, remote, detail, sizeof(detail)) == CAUSE_NONE)
                return PROOF_CERTIFICATE;
        return PROOF_NONE;
}

/* Whoever has a domain can let any name below it lead to a server of others, and have us knock there: who makes claims is counted too. */
static bool
may_question(const struct s2s *s2s)
{
        static _Thread_local struct bucket claims[ADDRESSES]; /* by hash of the address: who meets another there shares its rate */
        uint64_t who = s2s->is_incoming ? ticket_address(&s2s->ticket) : map_hash(s2s->remote, strlen(s2s->remote));
        uint64_t each = BUCKET_SECOND_US / (uint64_t)limit_value(LIMIT_S2S_CLAIMS);

        if (bucket_take_if(&claims[who % ADDRESSES], worker_now() * 1000, each, BUCKET_SECOND_US))
                return true;
        limit_note(LIMIT_S2S_CLAIMS);
        return false;
}

void
claim_settle(struct s2s *s2s, struct question *question)
{
        struct pair *pair = s2s_add_pair(s2s, question->local, question->remote);
        enum proof proof = pair == NULL ? PROOF_NONE : proof_at_hand(s2s, question->remote);

        if (pair == NULL) {
                dialback_refuse(s2s, question->local, question->remote, "resource-constraint", "too many domains on one stream");
                question_free(&question);
        } else if (proof_holds(proof)) {
                if (proof == PROOF_CERTIFICATE)
                        attempt_note(s2s->attempt, STEP_AUTHENTICATION, "dialback: the certificate names %s", question->remote);
                dialback_tell(s2s, question);
                take(s2s, pair, proof);
                question_free(&question);
        } else if (!may_question(s2s)) {
                question->cause = CAUSE_LIMIT;
                dialback_tell(s2s, question);
                question_free(&question);
        } else {
                pair->theirs = PROOF_ASKED;
                question_post(question);
        }
}
