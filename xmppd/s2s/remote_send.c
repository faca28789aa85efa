/*
 * remote_send.c - what is sent to a remote domain: on a stream that carries it, or back to its sender
 *
 * What cannot be sent at once waits, in order, until a stream may carry it, the time is up, or it is known that there will be none.
 */
#include "shared/base/panic.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/s2s/s2s_private.h"
#include "xmppd/user/mail.h"

#include <string.h>

enum { HEAD_BYTES = 300 };

/* ---- what goes back ---- */

static void
send_back(struct stanza *stanza, enum stanza_condition condition, const char *text)
{
        struct stanza *error = stanza_error(stanza, condition, text);

        /* It is an answer in the name of the other side, and is addressed as its answers are. */
        if (error != NULL)
                route(mail_return(error));
        stanza_unref(&stanza);
}

static void
send_back_for(struct stanza *stanza, enum cause cause, const char *detail)
{
        char text[800];

        attempt_sentence(text, sizeof(text), stanza->to.domain, cause, detail);
        send_back(stanza, cause_row(cause)->condition, text);
}

static void
put_down(struct remote *remote, struct held *held)
{
        list_remove(&remote->waiting, &held->in_list);
        remote->waiting_bytes -= held->stanza->inside_len + HEAD_BYTES;
}

static struct stanza *
take_waiting(struct remote *remote, struct held *held)
{
        put_down(remote, held);
        return held_take(held);
}

void
remote_send_one_back(struct remote *remote, struct held *held, enum cause cause, const char *detail)
{
        send_back_for(take_waiting(remote, held), cause, detail);
}

void
remote_send_back(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        for (LIST_EACH(held, &remote->waiting, struct held, in_list))
                if (local == NULL || strcmp(held->stanza->from.domain, local) == 0)
                        send_back_for(take_waiting(remote, held), cause, detail);
}

void
remote_drop_waiting(struct remote *remote)
{
        for (LIST_EACH(held, &remote->waiting, struct held, in_list)) {
                put_down(remote, held);
                held_drop(held, true);
        }
}

/* ---- from a stanza to a stream ---- */

/* The pair of a stream by which stanzas of this domain of ours may go; NULL: they may not. */
static struct pair *
pair_for(const struct s2s *s2s, const char *local, const char *remote)
{
        struct pair *pair = s2s->is_open && !stream_is_closing(s2s->stream) ? s2s_pair(s2s, local, remote) : NULL;

        return pair != NULL && proof_holds(pair->ours) ? pair : NULL;
}

static bool
is_full(struct s2s *s2s)
{
        size_t most = (size_t)limit_value(LIMIT_S2S_QUEUE);

        if (conn_queued(stream_conn(s2s->stream)) < most)
                return false;
        conn_tell_drained(stream_conn(s2s->stream), most);
        return true;
}

static struct s2s *
later(struct s2s *best, struct s2s *other, const char *local, const char *remote)
{
        const struct pair *pair = pair_for(other, local, remote);

        return pair != NULL && (best == NULL || pair->last_used > pair_for(best, local, remote)->last_used) ? other : best;
}

/* The stream that carries stanzas of this domain of ours. The one that did last goes on: what it has under way is not to be overtaken on another. */
static struct s2s *
carrier_of(const struct remote *remote, const char *local)
{
        struct s2s *best = NULL;

        for (LIST_EACH(s2s, &remote->outs, struct s2s, in_remote))
                best = later(best, s2s, local, remote->domain);
        for (LIST_EACH(s2s, &remote->ins, struct s2s, in_remote))
                if (s2s->has_bidi && !in_is_settling(s2s))
                        best = later(best, s2s, local, remote->domain);
        return best;
}

/* The same, if it takes more now, and no stream that was cut has left stanzas that go first. */
static struct s2s *
stream_for(const struct remote *remote, const char *local)
{
        struct s2s *s2s = ledger_owes(remote) ? NULL : carrier_of(remote, local);

        return s2s != NULL && ledger_may_send(s2s) ? s2s : NULL;
}

static void
put(struct s2s *s2s, struct held *held)
{
        static _Thread_local uint64_t uses;

        s2s_pair(s2s, held->stanza->from.domain, s2s->of->domain)->last_used = ++uses;
        s2s->out++;
        s2s->last_used = worker_now();
        ledger_send(s2s, held);
}

static void
want_reach(struct remote *remote, const char *local)
{
        for (LIST_EACH(reach, &remote->reaches, struct reach, in_remote))
                if (strcmp(reach->local, local) == 0)
                        return;
        if (worker_now() >= remote->retry_at && !s2s_is_stopping())
                reach_begin(remote, local);
}

/* Sees to it that there will be a stream for this domain of ours. */
static void
want(struct remote *remote, const char *local)
{
        for (LIST_EACH(s2s, &remote->ins, struct s2s, in_remote))
                if (in_is_settling(s2s) && pair_for(s2s, local, remote->domain) != NULL)
                        return;
        for (LIST_EACH(s2s, &remote->outs, struct s2s, in_remote))
                if (out_takes(s2s, local))
                        return;
        want_reach(remote, local);
}

/* A stream that has its own ledger does not take up another one: it needs a stream that is still to be set up. */
static void
want_resumption(struct remote *remote, const char *local)
{
        for (LIST_EACH(s2s, &remote->outs, struct s2s, in_remote)) {
                if (s2s->is_open || stream_is_closing(s2s->stream) || strcmp(s2s->local, local) != 0)
                        continue;
                out_go_on(s2s);
                return;
        }
        want_reach(remote, local);
}

void
remote_want_all(struct remote *remote)
{
        const char *last = "", *wanted = ledger_wants(remote);

        if (wanted != NULL)
                want_resumption(remote, wanted);
        for (LIST_EACH(held, &remote->waiting, struct held, in_list)) {
                const char *local = held->stanza->from.domain;
                if (strcmp(local, last) == 0)
                        continue;
                last = local;
                if (carrier_of(remote, local) == NULL)
                        want(remote, local);
        }
        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                if (question->asked_on == 0)
                        question_want(remote, question);
}

static uint64_t
wait_ends(void)
{
        return worker_now() + (uint64_t)config_number(snapshot_section("s2s"), "max-wait") * 1000;
}

static void
let_wait(struct remote *remote, struct stanza *stanza)
{
        size_t bytes = stanza->inside_len + HEAD_BYTES;

        if ((int64_t)remote->waiting.count >= limit_value(LIMIT_S2S_WAITING) ||
                (int64_t)(remote->waiting_bytes + bytes) > limit_value(LIMIT_S2S_WAITING_BYTES)) {
                limit_note(LIMIT_S2S_WAITING);
                send_back(stanza, RESOURCE_CONSTRAINT, "too much waits for this domain already");
                return;
        }
        remote->waiting_bytes += bytes;
        list_append(&remote->waiting, &held_new(stanza, wait_ends())->in_list);
        spool_in_time(remote);
        if (carrier_of(remote, stanza->from.domain) == NULL)
                want(remote, stanza->from.domain);
        remote_set_timer(remote);
}

void
remote_let_wait_first(struct remote *remote, struct held *held)
{
        remote->waiting_bytes += held->stanza->inside_len + HEAD_BYTES;
        list_prepend(&remote->waiting, &held->in_list);
}

void
remote_take_up(struct held *held)
{
        struct policy_verdict verdict = policy_decide(snapshot_now(), held->stanza->to.domain, POLICY_OUT);
        struct remote *remote;

        if (!s2s_is_ours(held->stanza->from.domain)) {
                held_drop(held, false); /* nobody is left who could hear of it */
                return;
        }
        if (!verdict.is_allowed) {
                send_back_for(held_take(held), cause_of_policy(&verdict), NULL);
                return;
        }
        remote = remote_get(held->stanza->to.domain);
        if (remote == NULL) {
                held_drop(held, true);
                return;
        }
        remote->waiting_bytes += held->stanza->inside_len + HEAD_BYTES;
        list_append(&remote->waiting, &held->in_list);
        want(remote, held->stanza->from.domain);
        remote_set_timer(remote);
}

bool
remote_wants(const struct remote *remote, const char *local)
{
        const char *wanted = ledger_wants(remote);

        if (wanted != NULL && strcmp(wanted, local) == 0)
                return true;
        for (LIST_EACH(held, &remote->waiting, struct held, in_list))
                if (strcmp(held->stanza->from.domain, local) == 0)
                        return true;
        return false;
}

void
remote_flush(struct remote *remote)
{
        struct s2s *s2s = NULL;
        const char *last = NULL; /* the same domain as before: the same stream */

        for (LIST_EACH(held, &remote->waiting, struct held, in_list)) {
                const char *local = held->stanza->from.domain;
                if (last == NULL || strcmp(last, local) != 0)
                        s2s = stream_for(remote, local);
                last = s2s == NULL ? local : NULL;
                if (s2s == NULL)
                        continue;
                if (is_full(s2s))
                        break;
                put_down(remote, held);
                put(s2s, held);
        }
        remote_set_timer(remote);
}

static bool
waits_before(const struct remote *remote, const char *local)
{
        return !list_is_empty(&remote->waiting) && remote_wants(remote, local);
}

static void
pass_on(struct remote *remote, struct stanza *stanza)
{
        struct s2s *s2s = stream_for(remote, stanza->from.domain);

        if (s2s != NULL && !waits_before(remote, stanza->from.domain) && !is_full(s2s))
                put(s2s, held_new(stanza, wait_ends()));
        else if (worker_now() < remote->retry_at && cause_row(remote->cause)->is_lasting)
                send_back_for(stanza, remote->cause, remote->detail);
        else
                let_wait(remote, stanza);
}

/* ---- the door of route ---- */

static bool
is_spoken_for(const struct stanza *stanza)
{
        const struct domain *domain = snapshot_domain(stanza->from.domain);

        return domain == NULL || !domain->sip;
}

void
s2s_send(struct stanza *stanza)
{
        struct policy_verdict verdict = policy_decide(snapshot_now(), stanza->to.domain, POLICY_OUT);
        struct remote *remote;
        char ascii[256];

        must(on_home(home_of_domain(stanza->to.domain)));
        if (mail_is_domain(stanza->to.domain)) {
                mail_receive(stanza);
        } else if (!verdict.is_allowed) {
                log_debug(LOG_ABOUT("s2s.out", stanza->to.domain), "refused by policy: %s (%s)", verdict.rule, verdict.place);
                send_back_for(stanza, cause_of_policy(&verdict), NULL);
        } else if (!jid_domain_to_ascii(ascii, stanza->to.domain)) {
                send_back_for(stanza, CAUSE_NO_DOMAIN, NULL);
        } else if (!is_spoken_for(stanza)) {
                send_back(stanza, NOT_ALLOWED, "a SIP domain is not federated by XMPP");
        } else if ((remote = remote_get(stanza->to.domain)) == NULL) {
                send_back(stanza, RESOURCE_CONSTRAINT, "this server talks with too many domains at once");
        } else {
                stanza = mail_leave(stanza);
                stanza_seal(stanza);
                pass_on(remote, stanza);
        }
}
