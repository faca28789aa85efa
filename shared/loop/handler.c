/*
 * handler.c - the callbacks of a loop, and which of them take long
 *
 * The monotonic clock is read where a handler begins, and once more at the end of a turn: the beginning of one is the end of the one before.
 * A thread's own CPU clock is a system call, so it is read once in a few milliseconds, and where the other clock says that a handler took
 * long. What lies between the two readings and may belong to earlier handlers is taken off, so that nobody is blamed for what he has not done.
 */
#include "shared/loop/handler.h"

#include "shared/base/clock.h"
#include "shared/loop/loop_private.h"

enum { CPU_AGE_MS = 4 }; /* so old may the reading of the CPU clock be when a handler begins */

/* A name has a row of its own as long as there are any; then they share the last. */
static struct long_row *
find_row(struct worker *worker, const char *name)
{
        for (int i = 0; i < HANDLER_NAMES - 1; i++) {
                const char *here = atomic_load_explicit(&worker->long_rows[i].name, memory_order_relaxed);
                if (here == name)
                        return &worker->long_rows[i];
                if (here == NULL) {
                        atomic_store_explicit(&worker->long_rows[i].name, name, memory_order_release);
                        return &worker->long_rows[i];
                }
        }
        atomic_store_explicit(&worker->long_rows[HANDLER_NAMES - 1].name, "others", memory_order_release);
        return &worker->long_rows[HANDLER_NAMES - 1];
}

static void
look_closer(struct worker *worker)
{
        uint64_t spent_us = clock_thread_cpu_us() - worker->cpu_us, before_us = (worker->began - worker->cpu_at) * 1000;

        if (spent_us < before_us + HANDLER_LONG_MS * 1000)
                return; /* it slept, or others had the processor */
        struct long_row *row = find_row(worker, worker->doing);
        spent_us -= before_us;
        atomic_fetch_add_explicit(&row->count, 1, memory_order_relaxed);
        if (spent_us > atomic_load_explicit(&row->longest_us, memory_order_relaxed))
                atomic_store_explicit(&row->longest_us, spent_us, memory_order_relaxed);
}

static void
finish(struct worker *worker, uint64_t now)
{
        if (worker->doing != NULL && now - worker->began >= HANDLER_LONG_MS)
                look_closer(worker);
        worker->doing = NULL;
}

void
handler_enter(struct worker *worker, const char *name)
{
        uint64_t now = clock_mono_ms();

        finish(worker, now);
        atomic_store_explicit(&worker->busy_since, now, memory_order_relaxed);
        if (now - worker->cpu_at >= CPU_AGE_MS) {
                worker->cpu_at = now;
                worker->cpu_us = clock_thread_cpu_us();
        }
        worker->began = now;
        worker->doing = name;
}

struct worker *
handler_begin(uv_handle_t *handle, const char *name)
{
        struct worker *worker = container_of(handle->loop, struct worker, loop);

        handler_enter(worker, name);
        return worker;
}

void
handler_end(struct worker *worker)
{
        atomic_store_explicit(&worker->busy_since, 0, memory_order_relaxed);
}

void
handler_end_turn(struct worker *worker)
{
        handler_end(worker);
        finish(worker, clock_mono_ms());
}

void
handler_note(const char *name)
{
        struct worker *worker = worker_here();

        if (worker != NULL && worker->doing != NULL)
                worker->doing = name;
}

size_t
handler_long(const struct worker *worker, struct long_handler all[HANDLER_NAMES])
{
        size_t count = 0;

        for (int i = 0; i < HANDLER_NAMES; i++) {
                const struct long_row *row = &worker->long_rows[i];
                const char *name = atomic_load_explicit(&row->name, memory_order_acquire);
                if (name != NULL)
                        all[count++] = (struct long_handler){ name, atomic_load_explicit(&row->count, memory_order_relaxed),
                                atomic_load_explicit(&row->longest_us, memory_order_relaxed) };
        }
        return count;
}
