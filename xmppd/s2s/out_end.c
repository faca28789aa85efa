/*
 * out_end.c - the end of a connection we have made: what it says about its target, and whether that is tried once more
 */
#include "shared/base/text.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SOON_MS = 2000, VAIN_MAX = 3 };

void
out_give_up(struct s2s *s2s, enum cause cause, const char *format, ...)
{
        struct reach *reach = s2s->reach;
        char text[300];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        s2s->reach = NULL;
        s2s->attempt = NULL;
        s2s_close(s2s);
        if (reach != NULL)
                reach_next(reach, cause, text);
        else if (s2s->of != NULL)
                remote_failed(s2s->of, s2s->local, cause, text);
}

enum cause
out_cause_of_silence(const struct s2s *s2s)
{
        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream))
                if (pair->ours == PROOF_ASKED)
                        return CAUSE_DIALBACK_SILENT;
        return CAUSE_NO_ANSWER;
}

/* What a connection that has ended says about its target. */
static enum cause
cause_of_end(const struct s2s *s2s, const char *why)
{
        if (s2s->gave_up != CAUSE_NONE)
                return (enum cause)s2s->gave_up;
        if (out_is_securing(s2s) || text_starts(why, "TLS"))
                return stream_certificate_is_refused(s2s->stream) ? CAUSE_OUR_CERTIFICATE : CAUSE_TLS_FAILED;
        switch (stream_error_of_peer(s2s->stream)) {
        case STREAM_CONDITIONS:
                break;
        case STREAM_HOST_UNKNOWN:
        case STREAM_HOST_GONE:
                return CAUSE_HOST_UNKNOWN;
        case STREAM_POLICY_VIOLATION:
        case STREAM_NOT_AUTHORIZED:
                return CAUSE_PEER_POLICY;
        default:
                return CAUSE_STREAM_ERROR;
        }
        return stream_problem(s2s->stream) != XML_FINE || text_starts(why, "stream error ") ? CAUSE_NOT_XMPP : CAUSE_CLOSED;
}

/* Its negotiation has come to nothing. */
static void
lose_target(struct s2s *s2s, const char *why)
{
        struct reach *reach = s2s->reach;
        enum cause cause = cause_of_end(s2s, why);
        struct peer_rules rules = policy_peer(snapshot_now(), s2s->remote);

        s2s->reach = NULL;
        bool is_refused = out_is_offered(s2s); /* it may have claimed by dialback in between */
        if (is_refused && reach->skips_external && rules.dialback && !reach->has_retried) {
                reach->has_retried = true;
                reach_again(reach);
        } else if ((cause == CAUSE_TLS_FAILED || cause == CAUSE_OUR_CERTIFICATE) && rules.tls == PEER_TLS_OPTIONAL &&
                !rules.requires_valid && !reach->skips_tls && !reach->is_direct) {
                attempt_fail(reach->attempt, cause, "%s", why);
                reach->skips_tls = true;
                reach_again(reach);
        } else {
                reach_next(reach, cause, why);
        }
}

/* One that is ended as soon as it is open would be opened again and again: what goes on it may be what the other side stumbles over. A cable may be
 * pulled so soon too, but not each time before anything has come, or was acknowledged. */
static bool
was_in_vain(const struct s2s *s2s, bool by_peer)
{
        if (!s2s->was_open)
                return false;
        if (worker_now() - s2s->last_used >= SOON_MS || s2s->in > 0) {
                s2s->of->vain = 0;
                return false;
        }
        return ++s2s->of->vain > VAIN_MAX || by_peer;
}

void
out_see_closed(struct s2s *s2s, const char *why)
{
        struct remote *remote = s2s->of;

        if (remote != NULL)
                list_remove(&remote->outs, &s2s->in_remote);
        bool by_peer = stream_error_of_peer(s2s->stream) != STREAM_CONDITIONS;

        ledger_lost(s2s, by_peer);
        if (remote != NULL && was_in_vain(s2s, by_peer))
                remote_note_failure(remote, cause_of_end(s2s, why), why);
        if (s2s->reach != NULL)
                lose_target(s2s, why);
        if (remote != NULL)
                remote_lost(s2s);
        else
                trial_lost(s2s, cause_of_end(s2s, why), why);
}
