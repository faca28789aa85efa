/* loop_private.h - what the files of this room share */
#ifndef SHARED_LOOP_LOOP_PRIVATE_H
#define SHARED_LOOP_LOOP_PRIVATE_H

#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "shared/loop/handler.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"

#include <stdatomic.h>
#include <uv.h>

enum {
        INPUT_ROOM = 64 * 1024, /* one read of a socket */
        CLEAR_ROOM = 64 * 1024, /* what it is once decrypted */
        WHEEL_LEVELS = 5,
        WHEEL_SLOTS = 64,
};

/* Rings with a head each, so that a timer leaves its ring without knowing which one it is in. */
struct wheel {
        uv_timer_t clock; /* runs only while a timer does */
        uint64_t tick;    /* the last one worked off */
        uint64_t armed;   /* when the clock is due, in worker_now() milliseconds; UINT64_MAX: stopped */
        size_t count;     /* running timers */
        struct link soon; /* due at the next turn */
        struct link firing;
        uint64_t taken[WHEEL_LEVELS]; /* a bit for each slot that may hold something */
        struct link slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* Handlers of one name that took long; written by the worker, read by anybody. */
struct long_row {
        const char *_Atomic name;
        atomic_uint_least64_t count, longest_us;
};

struct worker {
        char name[16];
        int index;
        uv_loop_t loop;
        uv_thread_t thread;
        bool threaded;
        struct mailbox *box;
        struct wheel wheel;
        uv_prepare_t turn_end;
        struct list chores;
        struct signal_handle *signals;
        struct letter stop;
        atomic_bool stopping;
        atomic_uint_least64_t busy_since; /* clock_mono_ms of the handler that runs; 0 between two */
        /* handler.c */
        const char *doing;       /* the handler that runs or was the last to run in this turn; NULL: the turn is over */
        uint64_t began;          /* clock_mono_ms when it did */
        uint64_t cpu_at, cpu_us; /* the thread's CPU time, and when it was read */
        struct long_row long_rows[HANDLER_NAMES];
        /* Shared by all connections of this worker, so that idle ones hold no buffers. */
        char *input, *clear;
        struct buf wire;
};

/* Around every callback from libuv: who is running, and since when. */
struct worker *handler_begin(uv_handle_t *handle, const char *name);
void handler_enter(struct worker *worker, const char *name);
void handler_end(struct worker *worker);
/* The last of a turn. */
void handler_end_turn(struct worker *worker);

void wheel_init(struct worker *worker);
void signals_close(struct worker *worker);
void mailbox_stop(struct mailbox *box); /* it no longer keeps the loop running */

#endif
