/*
 * worker.c - a thread and its loop
 *
 * Two handles keep a loop in order besides those of its connections: the mailbox, which keeps it running until worker_stop, and a prepare
 * handle, which does the chores of a turn just before the loop sleeps.
 */
#include "shared/loop/worker.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

#include <pthread.h>
#include <stdio.h>

static _Thread_local struct worker *here;

static void
do_chores(struct worker *worker)
{
        struct link *first;

        while ((first = worker->chores.first) != NULL) {
                struct chore *chore = container_of(first, struct chore, link);
                list_remove(&worker->chores, first);
                chore->waiting = false;
                chore->run(chore);
        }
}

static void
end_turn(uv_prepare_t *prepare)
{
        struct worker *worker = handler_begin((uv_handle_t *)prepare, "output");

        do_chores(worker);
        handler_end_turn(worker);
}

static void
run_loop(struct worker *worker)
{
        worker_enter(worker);
        do {
                uv_run(&worker->loop, UV_RUN_DEFAULT);
                do_chores(worker);
        } while (uv_loop_alive(&worker->loop));
        here = NULL;
}

static void
run_thread(void *arg)
{
        struct worker *worker = arg;

        pthread_setname_np(pthread_self(), worker->name);
        run_loop(worker);
}

static void
open_stop(struct letter *letter)
{
        mailbox_stop(here->box);
}

struct worker *
worker_new(const char *name, int index)
{
        struct worker *worker = MEM_NEW(worker);

        snprintf(worker->name, sizeof(worker->name), "%s", name);
        worker->index = index;
        worker->stop.open = open_stop;
        worker->input = mem_new(INPUT_ROOM);
        worker->clear = mem_new(CLEAR_ROOM);
        must(uv_loop_init(&worker->loop) == 0);
        worker->box = mailbox_new(worker);
        wheel_init(worker);
        must(uv_prepare_init(&worker->loop, &worker->turn_end) == 0);
        must(uv_prepare_start(&worker->turn_end, end_turn) == 0);
        uv_unref((uv_handle_t *)&worker->turn_end);
        return worker;
}

void
worker_free(struct worker **where)
{
        struct worker *worker = *where;
        struct worker *before = here;

        if (worker == NULL)
                return;
        must(!worker->threaded);
        /* Letters that came too late are opened as if the loop still ran. */
        here = worker;
        mailbox_free(&worker->box);
        do_chores(worker);
        signals_close(worker);
        uv_close((uv_handle_t *)&worker->turn_end, NULL);
        uv_close((uv_handle_t *)&worker->wheel.clock, NULL);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&worker->loop) == 0);
        here = before;
        buf_free(&worker->wire);
        mem_free(worker->input);
        mem_free(worker->clear);
        mem_free(worker);
        *where = NULL;
}

void
worker_start(struct worker *worker)
{
        must(!worker->threaded);
        worker->threaded = true;
        must(uv_thread_create(&worker->thread, run_thread, worker) == 0);
}

void
worker_enter(struct worker *worker)
{
        must(here == NULL || here == worker);
        here = worker;
}

void
worker_run(struct worker *worker)
{
        run_loop(worker);
}

void
worker_stop(struct worker *worker)
{
        if (!atomic_exchange(&worker->stopping, true))
                mailbox_post(worker->box, &worker->stop);
}

void
worker_join(struct worker *worker)
{
        must(worker->threaded);
        must(uv_thread_join(&worker->thread) == 0);
        worker->threaded = false;
}

void
worker_post(struct worker *worker, struct letter *letter)
{
        mailbox_post(worker->box, letter);
}

struct worker *
worker_here(void)
{
        return here;
}

int
worker_index(const struct worker *worker)
{
        return worker->index;
}

const char *
worker_name(const struct worker *worker)
{
        return worker->name;
}

size_t
worker_waiting(const struct worker *worker)
{
        return mailbox_waiting(worker->box);
}

uint64_t
worker_now(void)
{
        must(here != NULL);
        return uv_now(&here->loop);
}

uint64_t
worker_busy_ms(const struct worker *worker)
{
        uint64_t since = atomic_load_explicit(&worker->busy_since, memory_order_relaxed);
        uint64_t now = clock_mono_ms();

        return since == 0 || now < since ? 0 : now - since;
}

void
worker_at_turn_end(struct chore *chore)
{
        must(here != NULL);
        if (chore->waiting)
                return;
        chore->waiting = true;
        list_append(&here->chores, &chore->link);
}

void
worker_before_turn_end(struct chore *chore)
{
        must(here != NULL);
        if (chore->waiting)
                return;
        chore->waiting = true;
        list_prepend(&here->chores, &chore->link);
}

void
worker_forget_chore(struct chore *chore)
{
        if (!chore->waiting)
                return;
        must(here != NULL);
        chore->waiting = false;
        list_remove(&here->chores, &chore->link);
}
