/*
 * explain_try.c - a foreign domain at its home: a stream of our own beside those that are there, up to a ping; how far it came, and what is remembered
 * of the last attempts of either direction
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "xmppd/admin/explain_private.h"

#include <stdio.h>
#include <string.h>

static void
write_steps(struct json_writer *json, const struct attempt *attempt)
{
        for (int i = 0; i < attempt->count; i++)
                explain_write_step(
                        json, attempt->steps[i].ms, attempt->steps[i].step, attempt->steps[i].cause, attempt->steps[i].text);
}

static struct verdict
verdict_of(const struct attempt *attempt, const char *domain, char *sentence, size_t room)
{
        const struct cause_row *row = cause_row(attempt->cause);
        bool is_fault = attempt->cause != CAUSE_NONE;

        attempt_sentence(sentence, room, domain, attempt->cause, attempt->detail);
        return (struct verdict){ row->code, is_fault ? step_name(row->step) : NULL, sentence, row->advice, is_fault };
}

static void
write_attempts(struct explanation *explanation, const struct attempts *attempts, bool is_incoming)
{
        struct json_writer *json = &explanation->json;
        char sentence[SENTENCE_MAX];

        for (LIST_EACH(each, &attempts->list, struct attempt, in_attempts)) {
                if (each->is_incoming != is_incoming)
                        continue;
                struct verdict verdict = verdict_of(each, explanation->domain, sentence, sizeof(sentence));
                json_open_object(json, NULL);
                json_put_number(json, "opened", each->began);
                json_put_text(json, "local", each->local);
                json_put_bool(json, "done", each->is_done);
                explain_write_verdict(explanation, &verdict);
                json_open_array(json, "steps");
                write_steps(json, each);
                json_close_array(json);
                json_close_object(json);
        }
}

static void
write_memory(void *arg, const struct s2s_remote_view *view)
{
        struct explanation *explanation = arg;

        if (strcmp(view->domain, explanation->domain) != 0)
                return;
        json_put_number(&explanation->json, "waiting", (int64_t)view->waiting);
        json_open_array(&explanation->json, "incoming");
        write_attempts(explanation, view->attempts, true);
        json_close_array(&explanation->json);
        json_open_array(&explanation->json, "outgoing");
        write_attempts(explanation, view->attempts, false);
        json_close_array(&explanation->json);
}

static void
write_stream(void *arg, const struct s2s_view *view)
{
        struct explanation *explanation = arg;
        struct json_writer *json = &explanation->json;

        if (view->remote == NULL || strcmp(view->remote, explanation->domain) != 0 || strcmp(view->state, "closing") == 0)
                return;
        json_open_object(json, NULL);
        json_put_text(json, "local", view->local);
        json_put_text(json, "direction", view->is_bidirectional ? "both" : view->is_incoming ? "in" : "out");
        json_put_text(json, "state", view->state);
        json_put_text(json, "peer", view->peer);
        json_put_number(json, "opened", view->opened);
        json_close_object(json);
}

static void
find_last_in(void *arg, const struct s2s_remote_view *view)
{
        struct explanation *explanation = arg;

        if (strcmp(view->domain, explanation->domain) != 0)
                return;
        for (LIST_EACH(each, &view->attempts->list, struct attempt, in_attempts))
                if (each->is_incoming && each->is_done)
                        explanation->last_in = each;
}

static void
find_open_in(void *arg, const struct s2s_view *view)
{
        struct explanation *explanation = arg;

        explanation->has_come |=
                view->is_incoming && text_equal(view->remote, explanation->domain) && strcmp(view->state, "open") == 0;
}

/*
 * We reach it; does it reach us? Where it does not, it cannot answer a ping either, unless it takes our stream for that. Who came last in its name and
 * was refused need not have been it, which the sentence leaves open.
 */
static struct verdict
verdict_of_incoming(
        struct explanation *explanation, const struct attempt *ours, const struct verdict *otherwise, char *text, size_t room)
{
        bool has_answered = ours->cause == CAUSE_NONE;
        char sentence[SENTENCE_MAX];

        s2s_each_remote(find_last_in, explanation);
        s2s_each(find_open_in, explanation);
        const struct attempt *last = explanation->last_in;
        bool is_of_now = last != NULL && (has_answered || last->began >= ours->began);
        if (explanation->has_come || (has_answered && !is_of_now) || (is_of_now && last->cause == CAUSE_NONE))
                return *otherwise;
        if (!is_of_now) {
                snprintf(text, room, "%.700s; nothing came from it in this time", otherwise->sentence);
                return (struct verdict){ otherwise->code, otherwise->step, text, otherwise->advice, true };
        }
        struct verdict verdict = verdict_of(last, explanation->domain, sentence, sizeof(sentence));
        snprintf(text, room, "%.255s: we reach it, but %s refused:%.600s", explanation->domain,
                has_answered ? "the last attempt in its name to reach us was"
                             : "a ping has no answer, since its own stream to us was",
                sentence + strlen(explanation->domain) + 1);
        verdict.sentence = text;
        return verdict;
}

static void
see_outcome(void *arg, const struct attempt *attempt)
{
        struct explanation *explanation = arg;
        struct json_writer *json = &explanation->json;
        char sentence[SENTENCE_MAX], other[SENTENCE_MAX];
        struct verdict verdict = verdict_of(attempt, explanation->domain, sentence, sizeof(sentence));

        if (!verdict.is_fault || attempt->cause == CAUSE_NO_PONG)
                verdict = verdict_of_incoming(explanation, attempt, &verdict, other, sizeof(other));

        json_put_text(json, "local", attempt->local);
        explain_write_verdict(explanation, &verdict);
        json_open_array(json, "steps");
        write_steps(json, attempt);
        json_close_array(json);
        json_open_array(json, "streams");
        s2s_each(write_stream, explanation);
        json_close_array(json);
        s2s_each_remote(write_memory, explanation);
        explain_send_back(explanation);
}

/* ---- each step as it comes, back to the main thread; before the explanation itself, since letters keep their order ---- */

struct news {
        struct letter letter;
        struct explanation *explanation;
        struct buf text;
};

static void
tell(struct letter *letter)
{
        struct news *news = container_of(letter, struct news, letter);

        if (news->explanation->request != NULL)
                control_tell(news->explanation->request, buf_data(&news->text), news->text.len);
        buf_free(&news->text);
        mem_free(news);
}

static void
see_step(void *arg, const struct attempt_step *step)
{
        struct explanation *explanation = arg;

        if (!explanation->is_watched)
                return;
        struct news *news = MEM_NEW(news);
        struct json_writer json = { .out = &news->text };
        explain_write_step(&json, step->ms, step->step, step->cause, step->text);
        news->explanation = explanation;
        news->letter.open = tell;
        worker_post(explanation->main, &news->letter);
}

/* In the name of the domain for which it failed last. */
static void
choose_local(void *arg, const struct s2s_remote_view *view)
{
        struct explanation *explanation = arg;

        if (explanation->local != NULL || strcmp(view->domain, explanation->domain) != 0)
                return;
        for (LIST_EACH(each, &view->attempts->list, struct attempt, in_attempts)) {
                if (each->is_incoming || each->cause == CAUSE_NONE || each->local == NULL || snapshot_domain(each->local) == NULL)
                        continue;
                mem_free(explanation->local);
                explanation->local = mem_strdup(each->local);
        }
}

static const struct s2s_trial_events trial_events = { see_step, see_outcome };

void
explain_try(struct letter *letter)
{
        struct explanation *explanation = container_of(letter, struct explanation, letter);

        s2s_each_remote(choose_local, explanation);
        s2s_try(explanation->local, explanation->domain, &trial_events, explanation);
}
