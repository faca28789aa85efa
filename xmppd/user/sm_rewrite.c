/*
 * sm_rewrite.c - a journal that has grown
 *
 * What is still alive is written again into a new segment. The old ones are needed until nobody can ask for what they say: which stanzas had
 * taken effect already, though not called handled, when the server was killed. An effect is noted where the addressee lives, the question comes
 * from where the sender lives. So all workers are asked: each answers when everything that it had received by then is handled and
 * its own journal says so on disk. With the last answer, and the new segment on disk, the old ones go. Until then the journal is not rewritten
 * again, however long a commit takes.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/journal.h"
#include "xmppd/route/home.h"
#include "xmppd/user/sm_private.h"

/* "Tell me when what you have received so far is handled": to a worker, and back to the one that asks. */
struct question {
        struct letter letter;
        struct link link; /* at the worker that is asked */
        struct worker *asker, *asked;
};

static _Thread_local struct {
        /* As one that asks. */
        struct journal *journal;
        uint64_t segment;   /* bytes after which it is looked at */
        uint64_t begun;     /* the segment that began at the last rewriting */
        uint64_t rewritten; /* where it ended */
        int missing;        /* answers, one's own sync among them; 0: nothing is under way */

        /* As one that is asked. */
        struct list waiting; /* for the sessions that are behind */
        struct list next;    /* came meanwhile */
        size_t behind;       /* sessions */
        bool is_syncing;     /* nobody is behind any more, the journal is to say so on disk */
} here;

/* ---- asking ---- */

static void
count_answer(void)
{
        if (--here.missing == 0)
                journal_drop_below(here.journal, here.begun);
}

static void
take_answer(struct letter *letter)
{
        struct question *question = container_of(letter, struct question, letter);

        if (on_home(question->asker) && here.journal != NULL)
                count_answer();
        mem_free(question);
}

static void
see_synced(void *unused)
{
        count_answer();
}

static void hear_question(struct letter *letter);

static void
ask_all(void)
{
        here.missing = home_count() + 1;
        for (int i = 0; i < home_count(); i++) {
                struct question *question = MEM_NEW(question);
                question->letter.open = hear_question;
                question->asker = worker_here();
                question->asked = home_worker(i);
                worker_post(question->asked, &question->letter);
        }
        journal_sync(here.journal, see_synced, NULL);
}

void
rewrite_start_here(struct journal *journal, size_t segment_bytes)
{
        here.journal = journal;
        here.segment = segment_bytes;
}

void
rewrite_if_large(void)
{
        struct journal *journal = here.journal;
        uint64_t live = here.rewritten - here.begun, grown = journal_end(journal) - here.rewritten;

        if (here.missing > 0 || grown < here.segment || grown < 2 * live)
                return;
        here.begun = journal_begin_segment(journal);
        journal_each_session(journal_note_again);
        here.rewritten = journal_end(journal);
        ask_all();
}

/* ---- being asked ---- */

static void
answer(struct question *question)
{
        question->letter.open = take_answer;
        worker_post(question->asker, &question->letter);
}

static void begin_to_wait(void);

/* The journal knows on disk what has been handled. */
static void
tell(void *unused)
{
        for (LIST_EACH(question, &here.waiting, struct question, link)) {
                list_remove(&here.waiting, &question->link);
                answer(question);
        }
        here.is_syncing = false;
        here.waiting = here.next;
        here.next = (struct list){ 0 };
        if (!list_is_empty(&here.waiting))
                begin_to_wait();
}

static void
look_if_done(void)
{
        if (here.behind > 0 || here.is_syncing || list_is_empty(&here.waiting))
                return;
        here.is_syncing = true;
        journal_sync_here(tell, NULL);
}

static void
expect(struct sm *sm, uint64_t handled)
{
        sm->is_behind = true;
        sm->behind_to = handled;
        here.behind++;
}

static void
expect_handled(struct sm *sm)
{
        if (sm->handled < sm->received) {
                expect(sm, sm->received);
                sm_want_handled(sm);
        }
}

/* Until it is forgotten. */
static void
expect_end(struct sm *sm)
{
        expect(sm, UINT64_MAX);
}

static void
begin_to_wait(void)
{
        must(here.behind == 0);
        journal_each_session(expect_handled);
        journal_each_ending(expect_end);
        look_if_done();
}

static void
hear_question(struct letter *letter)
{
        struct question *question = container_of(letter, struct question, letter);

        if (!on_home(question->asked)) { /* the worker has ended */
                mem_free(question);
        } else if (!journal_is_open()) {
                answer(question);
        } else if (!list_is_empty(&here.waiting)) {
                list_append(&here.next, &question->link);
        } else {
                list_append(&here.waiting, &question->link);
                begin_to_wait();
        }
}

void
rewrite_forget(struct sm *sm)
{
        if (!sm->is_behind)
                return;
        sm->is_behind = false;
        here.behind--;
        look_if_done();
}

void
rewrite_see_handled(struct sm *sm)
{
        if (sm->is_behind && sm->handled >= sm->behind_to)
                rewrite_forget(sm);
}

static void
drop_questions(struct list *questions)
{
        for (LIST_EACH(question, questions, struct question, link)) {
                list_remove(questions, &question->link);
                mem_free(question);
        }
}

void
rewrite_stop_here(void)
{
        drop_questions(&here.waiting);
        drop_questions(&here.next);
        here.journal = NULL;
}
