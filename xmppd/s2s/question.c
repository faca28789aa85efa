/*
 * question.c - "did you make this key?": from the stream on which a domain is claimed to the home of that domain, to its server, and back (XEP-0220)
 */
#include "shared/base/mem.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>
#include <string.h>

enum { QUESTION_MS = 15 * 1000 };

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
question_answer(struct remote *remote, struct question *question, enum cause cause, const char *detail)
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

/* Sees to it that what is to be asked of the server of the domain will be, on whichever stream leads there: a question needs no proof. */
void
question_want(struct remote *remote, const struct question *question)
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

void
question_ask_all(struct s2s *s2s)
{
        if (s2s->of == NULL)
                return;
        for (LIST_EACH(question, &s2s->of->questions, struct question, in_remote))
                if (question->asked_on == 0)
                        dialback_ask(s2s, question);
}

bool
question_awaits(const struct s2s *s2s)
{
        for (LIST_EACH(question, &s2s->of->questions, struct question, in_remote))
                if (question->asked_on == s2s->serial)
                        return true;
        return false;
}

static void
take_question(struct letter *letter)
{
        struct question *question = container_of(letter, struct question, letter);
        struct remote *remote = remote_get(question->remote);

        if (remote == NULL) {
                question_answer(NULL, question, CAUSE_LIMIT, "too many domains at once");
        } else if (!may_ask(remote)) {
                question_answer(NULL, question, CAUSE_LIMIT, "this domain is claimed too often");
        } else {
                /* Whoever it is has just reached us: what failed before is tried at once. Two servers that wait for each other would wait for ever. */
                remote->retry_at = 0;
                question->due = worker_now() + QUESTION_MS;
                list_append(&remote->questions, &question->in_remote);
                question_want(remote, question);
                remote_set_timer(remote);
        }
}

void
question_post(struct question *question)
{
        struct worker *home = home_of_domain(question->remote);

        question->asker = worker_here();
        question->letter.open = take_question;
        worker_post(home, &question->letter);
}

bool
question_take_answer(struct s2s *s2s, const char *local, const char *id, enum cause cause, enum cause beneath, const char *detail)
{
        for (LIST_EACH(question, &s2s->of->questions, struct question, in_remote)) {
                if (question->asked_on != s2s->serial || strcmp(question->local, local) != 0 || strcmp(question->id, id) != 0)
                        continue;
                question->beneath = beneath;
                question_answer(s2s->of, question, cause, detail);
                return true;
        }
        return false;
}
