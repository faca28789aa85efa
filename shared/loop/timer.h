/* timer.h - a coarse timer wheel per worker: starting, restarting and stopping cost nothing worth counting */
#ifndef SHARED_LOOP_TIMER_H
#define SHARED_LOOP_TIMER_H

#include "shared/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* Embed it; zero-initialised is stopped. Belongs to the worker on which it was started; stop it before its memory goes. */
struct timer {
        struct link link;
        struct worker *worker; /* NULL while stopped */
        uint64_t due;          /* worker_now() milliseconds */
        void (*fire)(struct timer *);
};

/* Fires once, not before ms have passed and at most about 20 ms later. Starting a running timer moves it. ms may be 0: the next turn. */
void timer_start(struct timer *timer, uint64_t ms, void (*fire)(struct timer *));
void timer_stop(struct timer *timer);
static inline bool
timer_is_running(const struct timer *timer)
{
        return timer->worker != NULL;
}

#endif
