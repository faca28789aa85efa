/*
 * review.c - may a stream that is open go on: settings change, and dates pass
 */
#include "shared/base/clock.h"
#include "xmppd/s2s/s2s_private.h"

/* By the settings in force now: may this pair go on? */
static bool
may_go_on(const struct s2s *s2s, const struct pair *pair)
{
        enum policy_direction direction = s2s->is_incoming ? POLICY_IN : POLICY_OUT;
        struct policy_verdict verdict = policy_decide(snapshot_now(), pair->remote, direction);

        if (verdict.is_allowed && s2s->has_bidi && direction == POLICY_OUT)
                verdict = policy_decide(snapshot_now(), pair->remote, POLICY_IN); /* a new stream goes one way */
        if (!verdict.is_allowed)
                log_info(&s2s->log, "ended by policy: %s (%s)", verdict.rule, verdict.place);
        return verdict.is_allowed && s2s_is_ours(pair->local) && snapshot_domain(pair->remote) == NULL;
}

void
review_settings(struct s2s *s2s)
{
        char detail[300];

        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream)) {
                if (!may_go_on(s2s, pair)) {
                        bool is_ours = s2s_is_ours(pair->local);
                        ledger_bar(s2s);
                        s2s_fail(s2s, is_ours ? STREAM_POLICY_VIOLATION : STREAM_HOST_GONE, CAUSE_NONE, "%s",
                                is_ours ? "the policy has changed" : "");
                        return;
                }
                if (certificate_check(s2s, pair->remote, detail, sizeof(detail)) != CAUSE_NONE) {
                        log_info(&s2s->log, "ended: the settings for %s ask for more than it has", pair->remote);
                        s2s_fail(s2s, STREAM_RESET, CAUSE_NONE, "the settings have changed");
                        return;
                }
        }
}

uint64_t
review_next(struct s2s *s2s)
{
        const struct tls_peer *peer = s2s_is_secure(s2s) ? conn_peer(stream_conn(s2s->stream)) : NULL;
        int64_t now = clock_wall_ms(), next = INT64_MAX;

        for (size_t i = 0; peer != NULL && i < peer->chain_count; i++) {
                int64_t end = (peer->chain[i].not_after + 1) * 1000;
                if (end > now && end - now < next)
                        next = end - now;
        }
        conn_forget_peer(stream_conn(s2s->stream));
        return (uint64_t)next;
}

/* A certificate that has expired proves nothing any more (RFC 6120 13.7.2.3). Where another proof will do, the next stream has it. */
bool
review_dates(struct s2s *s2s)
{
        char detail[200];

        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream)) {
                bool counts = s2s_is_secure(s2s) &&
                        (policy_peer(snapshot_now(), pair->remote).requires_valid || pair->theirs == PROOF_EXTERNAL ||
                                pair->theirs == PROOF_CERTIFICATE);
                if (!counts || certificate_judge(s2s, pair->remote, detail, sizeof(detail)) != CAUSE_EXPIRED)
                        continue;
                log_info(&s2s->log, "ended: the certificate of %s has %s", pair->remote, detail);
                s2s_fail(s2s, STREAM_RESET, CAUSE_NONE, "the certificate has %s", detail);
                return true;
        }
        return false;
}
