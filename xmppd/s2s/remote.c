/*
 * remote.c - a remote domain at its home: what waits for it, its streams, what went wrong
 *
 * What cannot be sent at once waits, in order, until a stream may carry it, the time is up, or it is known that there will be none. A failure that
 * may pass is followed by another attempt after a moment, which doubles each time; one that will not sends everything back at once.
 */
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/s2s/s2s_private.h"
#include "xmppd/user/mail.h"

#include <stdio.h>

enum {
        BACKOFF_MS = 1000,
        BACKOFF_MAX = 5,   /* doublings: half a minute */
        REMEMBERED = 1000, /* domains without stream or stanza, on one worker */
        HEAD_BYTES = 300,
        QUESTION_MS = 15 * 1000,
};

static _Thread_local struct {
        struct map *by_domain;
        struct list all; /* struct remote */
} here;

/* ---- remote domains ---- */

static bool
is_idle(const struct remote *remote)
{
        return list_is_empty(&remote->waiting) && list_is_empty(&remote->outs) && list_is_empty(&remote->ins) &&
                list_is_empty(&remote->reaches) && list_is_empty(&remote->questions) && list_is_empty(&remote->ledgers);
}

static void
forget(struct remote *remote)
{
        timer_stop(&remote->timer);
        timer_stop(&remote->spooling);
        map_remove_str(here.by_domain, remote->domain);
        list_remove(&here.all, &remote->in_all);
        if (map_count(here.by_domain) == 0)
                map_free(&here.by_domain);
        attempts_free(&remote->attempts);
        mem_free(remote->domain);
        mem_free(remote->detail);
        mem_free(remote);
}

static void
forget_idle_ones(void)
{
        for (LIST_EACH(remote, &here.all, struct remote, in_all)) {
                if (here.all.count <= REMEMBERED)
                        return;
                if (is_idle(remote))
                        forget(remote);
        }
}

struct remote *
remote_find(const char *domain)
{
        return here.by_domain == NULL ? NULL : map_get_str(here.by_domain, domain);
}

struct remote *
remote_get(const char *domain)
{
        struct remote *remote = remote_find(domain);

        must(on_home(home_of_domain(domain)));
        if (remote != NULL) {
                list_remove(&here.all, &remote->in_all);
                list_append(&here.all, &remote->in_all);
                return remote;
        }
        forget_idle_ones();
        if ((int64_t)here.all.count >= limit_value(LIMIT_S2S_DOMAINS)) {
                limit_note(LIMIT_S2S_DOMAINS);
                return NULL;
        }
        remote = MEM_NEW(remote);
        remote->domain = mem_strdup(domain);
        if (here.by_domain == NULL)
                here.by_domain = map_new();
        map_put_str(here.by_domain, domain, remote);
        list_append(&here.all, &remote->in_all);
        return remote;
}

/* ---- what goes back ---- */

static void
send_back(struct stanza *stanza, enum stanza_condition condition, const char *text)
{
        struct stanza *error = stanza_error(stanza, condition, text);

        /* It is an answer in the name of the other side, and is addressed as its answers are. */
        if (error != NULL)
                error = mail_enter(error);
        if (error != NULL)
                route(error);
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

/* local NULL: of all our domains. */
static void
send_all_back(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        for (LIST_EACH(held, &remote->waiting, struct held, in_list))
                if (local == NULL || strcmp(held->stanza->from.domain, local) == 0)
                        send_back_for(take_waiting(remote, held), cause, detail);
}

/* ---- time ---- */

static void look_at_time(struct timer *timer);

static void
set_timer(struct remote *remote)
{
        uint64_t now = worker_now(), next = UINT64_MAX;
        struct held *first = LIST_ITEM(remote->waiting.first, struct held, in_list);
        struct question *question = LIST_ITEM(remote->questions.first, struct question, in_remote);

        if (first != NULL)
                next = first->due;
        if (question != NULL && question->due < next)
                next = question->due;
        if ((first != NULL || ledger_wants(remote) != NULL) && remote->retry_at > now && remote->retry_at < next)
                next = remote->retry_at;
        if (next == UINT64_MAX)
                timer_stop(&remote->timer);
        else
                timer_start(&remote->timer, next > now ? next - now : 0, look_at_time);
}

static void want_all(struct remote *remote);

/* What is known of the attempt that goes on, for those who cannot wait for its end. */
static enum cause
present_cause(const struct remote *remote, const char **detail)
{
        const struct reach *reach = LIST_ITEM(remote->reaches.first, struct reach, in_remote);

        if (reach != NULL && reach->attempt->cause != CAUSE_NONE) {
                *detail = reach->attempt->detail;
                return reach->attempt->cause;
        }
        *detail = remote->detail;
        return remote->cause != CAUSE_NONE ? remote->cause : CAUSE_NO_ANSWER;
}

static void
look_at_time(struct timer *timer)
{
        struct remote *remote = container_of(timer, struct remote, timer);
        uint64_t now = worker_now();
        const char *detail;

        for (LIST_EACH(held, &remote->waiting, struct held, in_list)) {
                if (held->due > now)
                        break;
                enum cause cause = present_cause(remote, &detail);
                send_back_for(take_waiting(remote, held), cause, detail);
        }
        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                if (question->due <= now)
                        remote_answer_question(remote, question, CAUSE_DIALBACK_UNREACHABLE, "no answer came in time");
        want_all(remote);
        set_timer(remote);
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
        for (LIST_EACH(reach, &remote->reaches, struct reach, in_remote))
                if (strcmp(reach->local, local) == 0)
                        return;
        if (worker_now() >= remote->retry_at && !s2s_is_stopping())
                reach_begin(remote, local);
}

/* Sees to it that what is to be asked of the server of the domain will be, on whichever stream leads there: a question needs no proof. */
static void
want_answer(struct remote *remote, const struct question *question)
{
        for (LIST_EACH(s2s, &remote->outs, struct s2s, in_remote))
                if (out_asks(s2s))
                        return;
        for (LIST_EACH(reach, &remote->reaches, struct reach, in_remote))
                if (strcmp(reach->local, question->local) == 0)
                        return;
        if (worker_now() >= remote->retry_at)
                reach_begin(remote, question->local);
}

static void
want_all(struct remote *remote)
{
        const char *last = "", *wanted = ledger_wants(remote);

        if (wanted != NULL)
                want(remote, wanted);
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
                        want_answer(remote, question);
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
        set_timer(remote);
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
        struct remote *remote = remote_get(held->stanza->to.domain);

        if (remote == NULL) {
                held_drop(held, true);
                return;
        }
        remote->waiting_bytes += held->stanza->inside_len + HEAD_BYTES;
        list_append(&remote->waiting, &held->in_list);
        want(remote, held->stanza->from.domain);
        set_timer(remote);
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
        set_timer(remote);
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

/* ---- what becomes of attempts ---- */

void
remote_note_failure(struct remote *remote, enum cause cause, const char *detail)
{
        unsigned doublings = remote->failures < BACKOFF_MAX ? remote->failures : BACKOFF_MAX;

        remote->failures++;
        remote->retry_at = worker_now() + ((uint64_t)BACKOFF_MS << doublings);
        remote->cause = cause;
        char *text = mem_strdup(detail);
        mem_free(remote->detail);
        remote->detail = text;
}

/* remote NULL: it is not in its list. */
static void
answer_failed(struct remote *remote, struct question *question, enum cause cause, const char *text)
{
        question->beneath = cause;
        remote_answer_question(remote, question, CAUSE_DIALBACK_UNREACHABLE, text);
}

void
remote_failed(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        char text[800];

        remote_note_failure(remote, cause, detail);
        attempt_sentence(text, sizeof(text), remote->domain, cause, detail);
        log_info(LOG_ABOUT("s2s.out", remote->domain), "no stream from %s: %s", local, text);
        if (cause_row(cause)->is_lasting)
                send_all_back(remote, local, cause, detail);
        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                answer_failed(remote, question, cause, text);
        set_timer(remote);
}

void
remote_refused(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        log_info(LOG_ABOUT("s2s.out", remote->domain), "%s is refused there: %s%s%s", local, cause_row(cause)->sentence,
                detail[0] != '\0' ? ": " : "", detail);
        send_all_back(remote, local, cause, detail);
        set_timer(remote);
}

static void
forget_failures(struct remote *remote)
{
        remote->failures = 0;
        remote->retry_at = 0;
        remote->cause = CAUSE_NONE;
        mem_free(remote->detail);
        remote->detail = NULL;
}

void
remote_has_come(struct remote *remote)
{
        forget_failures(remote);
        remote_flush(remote);
        want_all(remote);
}

void
remote_lost(struct s2s *s2s)
{
        struct remote *remote = s2s->of;

        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                if (question->asked_on == s2s->serial)
                        question->asked_on = 0;
        if (s2s_is_stopping()) {
                spool_write(remote);
                return;
        }
        want_all(remote);
        set_timer(remote);
}

void
remote_check_policy(void)
{
        for (LIST_EACH(remote, &here.all, struct remote, in_all)) {
                forget_failures(remote); /* what was wrong may have been mended */
                struct policy_verdict verdict = policy_decide(snapshot_now(), remote->domain, POLICY_OUT);
                if (!verdict.is_allowed)
                        send_all_back(remote, NULL, cause_of_policy(&verdict), NULL);
                want_all(remote);
                set_timer(remote);
        }
}

void
remote_reached(struct remote *remote)
{
        forget_failures(remote);
}

/* ---- questions ---- */

void
question_free(struct question **reference)
{
        struct question *question = *reference;

        *reference = NULL;
        if (question == NULL)
                return;
        mem_free(question->local);
        mem_free(question->remote);
        mem_free(question->id);
        mem_free(question->key);
        mem_free(question);
}

struct question *
question_new(uint64_t serial, const char *local, const char *remote, const char *id, const char *key)
{
        struct question *question = MEM_NEW(question);

        question->serial = serial;
        question->local = mem_strdup(local);
        question->remote = mem_strdup(remote);
        question->id = mem_strdup(id);
        question->key = mem_strdup(key);
        return question;
}

static void
bring_answer(struct letter *letter)
{
        struct question *question = container_of(letter, struct question, letter);
        struct s2s *s2s = s2s_find(question->serial);

        if (s2s != NULL && s2s->stream != NULL && !stream_is_closing(s2s->stream))
                claim_answered(s2s, question);
        question_free(&question);
}

void
remote_answer_question(struct remote *remote, struct question *question, enum cause cause, const char *detail)
{
        if (remote != NULL)
                list_remove(&remote->questions, &question->in_remote);
        question->cause = cause;
        snprintf(question->detail, sizeof(question->detail), "%.199s", detail != NULL ? detail : "");
        question->letter.open = bring_answer;
        worker_post(question->asker, &question->letter);
}

/* A domain is asked only so often: whoever forges its name must not make this server his tool. */
static bool
may_ask(struct remote *remote)
{
        uint64_t each = BUCKET_SECOND_US / (uint64_t)limit_value(LIMIT_S2S_VERIFY);

        if (bucket_take_if(&remote->asked, worker_now() * 1000, each, BUCKET_SECOND_US))
                return true;
        limit_note(LIMIT_S2S_VERIFY);
        return false;
}

static void
take_question(struct letter *letter)
{
        struct question *question = container_of(letter, struct question, letter);
        struct remote *remote = remote_get(question->remote);

        if (remote == NULL) {
                remote_answer_question(NULL, question, CAUSE_LIMIT, "too many domains at once");
        } else if (!may_ask(remote)) {
                remote_answer_question(NULL, question, CAUSE_LIMIT, "this domain is claimed too often");
        } else {
                /* Whoever it is has just reached us: what failed before is tried at once. Two servers that wait for each other would wait for ever. */
                remote->retry_at = 0;
                question->due = worker_now() + QUESTION_MS;
                list_append(&remote->questions, &question->in_remote);
                want_answer(remote, question);
                set_timer(remote);
        }
}

void
remote_post_question(struct question *question)
{
        struct worker *home = home_of_domain(question->remote);

        question->asker = worker_here();
        question->letter.open = take_question;
        worker_post(home, &question->letter);
}

bool
remote_take_answer(struct s2s *s2s, const char *local, const char *id, enum cause cause, enum cause beneath, const char *detail)
{
        for (LIST_EACH(question, &s2s->of->questions, struct question, in_remote)) {
                if (question->asked_on != s2s->serial || strcmp(question->local, local) != 0 || strcmp(question->id, id) != 0)
                        continue;
                question->beneath = beneath;
                remote_answer_question(s2s->of, question, cause, detail);
                return true;
        }
        return false;
}

/* ---- attempts of others that came to nothing before they were at home ---- */

struct report {
        struct letter letter;
        char *domain;
        struct attempt *attempt;
};

static void
file_report(struct letter *letter)
{
        struct report *report = container_of(letter, struct report, letter);
        struct remote *remote = remote_get(report->domain);

        if (remote != NULL)
                attempts_add(&remote->attempts, report->attempt);
        else
                attempt_free(&report->attempt);
        mem_free(report->domain);
        mem_free(report);
}

void
remote_post_attempt(const char *domain, struct attempt *attempt)
{
        if (domain == NULL || attempt == NULL || attempt->cause == CAUSE_NONE) {
                attempt_free(&attempt);
                return;
        }
        struct report *report = MEM_NEW(report);
        attempt_end(attempt, false);
        report->domain = mem_strdup(domain);
        report->attempt = attempt;
        report->letter.open = file_report;
        worker_post(home_of_domain(domain), &report->letter);
}

/* ---- the administrator's view, the end ---- */

void
s2s_each_remote(void (*each)(void *arg, const struct s2s_remote_view *view), void *arg)
{
        uint64_t now = worker_now();

        for (LIST_EACH(remote, &here.all, struct remote, in_all)) {
                struct s2s_remote_view view = {
                        .domain = remote->domain,
                        .waiting = remote->waiting.count,
                        .retry_ms = remote->retry_at > now ? remote->retry_at - now : 0,
                        .attempts = &remote->attempts,
                };
                each(arg, &view);
        }
}

void
s2s_stop(void)
{
        trial_stop();
        for (LIST_EACH(remote, &here.all, struct remote, in_all)) {
                for (LIST_EACH(held, &remote->waiting, struct held, in_list)) {
                        put_down(remote, held);
                        held_drop(held, true);
                }
                for (LIST_EACH(reach, &remote->reaches, struct reach, in_remote))
                        reach_free(&reach);
                for (LIST_EACH(question, &remote->questions, struct question, in_remote)) {
                        list_remove(&remote->questions, &question->in_remote);
                        question_free(&question);
                }
                ledger_forget_all(remote);
                forget(remote);
        }
        spool_stop_here();
}
