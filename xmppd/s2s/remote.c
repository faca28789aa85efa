/*
 * remote.c - a remote domain at its home: what is known of it, when the next thing is due, what becomes of attempts to reach it
 *
 * A failure that may pass is followed by another attempt after a moment, which doubles each time; one that will not sends everything back at once.
 */
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"

enum {
        BACKOFF_MS = 1000,
        BACKOFF_MAX = 5,   /* doublings: half a minute */
        REMEMBERED = 1000, /* domains without stream or stanza, on one worker */
        LOOKS = 100,
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

/* Makes room for one more. Those in use go to the end, so that a few looks at a time find the others. */
static void
forget_idle_ones(void)
{
        size_t limit = (size_t)limit_value(LIMIT_S2S_DOMAINS), most = limit <= REMEMBERED ? limit - 1 : REMEMBERED;

        for (int i = 0; i < LOOKS && here.all.count > most; i++) {
                struct remote *oldest = LIST_ITEM(here.all.first, struct remote, in_all);
                if (is_idle(oldest)) {
                        forget(oldest);
                } else {
                        list_remove(&here.all, &oldest->in_all);
                        list_append(&here.all, &oldest->in_all);
                }
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

/* ---- time ---- */

static void look_at_time(struct timer *timer);

void
remote_set_timer(struct remote *remote)
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
                remote_send_one_back(remote, held, cause, detail);
        }
        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                if (question->due <= now)
                        question_answer(remote, question, CAUSE_DIALBACK_UNREACHABLE, "no answer came in time");
        remote_want_all(remote);
        remote_set_timer(remote);
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
        question_answer(remote, question, CAUSE_DIALBACK_UNREACHABLE, text);
}

void
remote_failed(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        char text[800];

        remote_note_failure(remote, cause, detail);
        attempt_sentence(text, sizeof(text), remote->domain, cause, detail);
        log_info(LOG_ABOUT("s2s.out", remote->domain), "no stream from %s: %s", local, text);
        if (cause_row(cause)->is_lasting)
                remote_send_back(remote, local, cause, detail);
        for (LIST_EACH(question, &remote->questions, struct question, in_remote))
                answer_failed(remote, question, cause, text);
        remote_set_timer(remote);
}

void
remote_refused(struct remote *remote, const char *local, enum cause cause, const char *detail)
{
        char text[CAUSE_TEXT];

        log_info(LOG_ABOUT("s2s.out", remote->domain), "%s is refused there: %s", local, cause_text(text, cause, detail));
        remote_send_back(remote, local, cause, detail);
        remote_set_timer(remote);
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
        remote_want_all(remote);
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
        remote_flush(remote); /* another stream may carry what had to wait for this one */
        remote_want_all(remote);
}

void
remote_check_policy(void)
{
        for (LIST_EACH(remote, &here.all, struct remote, in_all)) {
                forget_failures(remote); /* what was wrong may have been mended */
                struct policy_verdict verdict = policy_decide(snapshot_now(), remote->domain, POLICY_OUT);
                if (!verdict.is_allowed)
                        remote_send_back(remote, NULL, cause_of_policy(&verdict), NULL);
                remote_want_all(remote);
                remote_set_timer(remote);
        }
}

void
remote_reached(struct remote *remote)
{
        forget_failures(remote);
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
                remote_drop_waiting(remote);
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
