/* worker.h - a thread and its loop; everything that owns state lives on one and is touched by it only
 *
 * The main thread runs a worker too (worker_run), the others run on threads of their own (worker_start).
 */
#ifndef SHARED_LOOP_WORKER_H
#define SHARED_LOOP_WORKER_H

#include "shared/base/list.h"
#include "shared/loop/mailbox.h"

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* name appears in the log and as the thread's name ("worker-1"); index is the caller's, 0 and up. */
struct worker *worker_new(const char *name, int index);
/* After its loop has ended. A handle that is still open is a fault of ours (must). */
void worker_free(struct worker **worker);
void worker_start(struct worker *worker);
/* Runs the loop on this thread until worker_stop. worker_enter makes it the worker of this thread before that, for what must be opened first:
 * letters and timers wait for worker_run. */
void worker_enter(struct worker *worker);
void worker_run(struct worker *worker);
/* Any thread: the loop ends once its last handle is closed (timers of this room do not count). */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

void worker_post(struct worker *worker, struct letter *letter); /* any thread */
struct worker *worker_here(void);                               /* the worker whose thread this is; NULL on foreign threads */
int worker_index(const struct worker *worker);
const char *worker_name(const struct worker *worker);
size_t worker_waiting(const struct worker *worker); /* any thread; length of its mailbox */
uint64_t worker_now(void);                          /* milliseconds, taken once per loop turn; on a worker's thread */
/* Any thread: milliseconds of monotonic time for which the current handler of this worker has been running; 0 between two. */
uint64_t worker_busy_ms(const struct worker *worker);

/* Guard for every room's door: must(on_home(x->worker)). */
static inline bool
on_home(const struct worker *home)
{
        return worker_here() == home;
}

/* Something to be done once at the end of this loop turn, before the loop sleeps: flushing, giving read transactions back.
 * Asking again before it ran changes nothing. Embed it; zero-initialised is idle. */
struct chore {
        struct link link;
        void (*run)(struct chore *);
        bool waiting;
};
void worker_at_turn_end(struct chore *chore);
/* The same before all others that wait: what must be noted before anything leaves. */
void worker_before_turn_end(struct chore *chore);
void worker_forget_chore(struct chore *chore);

#endif
