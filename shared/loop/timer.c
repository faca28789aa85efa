/*
 * timer.c - a hierarchical timer wheel
 *
 * Five levels of 64 slots; a slot of level 0 is one tick of 10 ms, a slot of each level above is the whole circle of the level below. A timer
 * waits in the level that fits its distance and falls to the one below when its slot comes round. One libuv timer wakes the wheel when the next
 * slot that may hold something is due, so a worker without timers sleeps undisturbed.
 */
#include "shared/loop/timer.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

enum { TICK_MS = 10, LEVEL_BITS = 6 };
#define NEVER UINT64_MAX

static void
empty_ring(struct link *head)
{
        head->next = head->prev = head;
}

static bool
ring_is_empty(const struct link *head)
{
        return head->next == head;
}

static void
add_to_ring(struct link *head, struct link *link)
{
        link->prev = head->prev;
        link->next = head;
        head->prev->next = link;
        head->prev = link;
}

static void
leave_ring(struct link *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->next = link->prev = NULL;
}

/* Moves everything from one ring to the (empty) other. */
static void
pour_ring(struct link *to, struct link *from)
{
        must(ring_is_empty(to));
        if (ring_is_empty(from))
                return;
        *to = *from;
        to->next->prev = to;
        to->prev->next = to;
        empty_ring(from);
}

static void
place(struct wheel *wheel, struct timer *timer)
{
        uint64_t due = (timer->due + TICK_MS - 1) / TICK_MS;
        int level = 0;

        if (due < wheel->tick)
                due = wheel->tick;
        while (level < WHEEL_LEVELS - 1 && due - wheel->tick >= 1ULL << (LEVEL_BITS * (level + 1)))
                level++;
        /* Beyond the last level (four months): the farthest slot, to be placed again when that comes round. */
        uint64_t farthest = wheel->tick + (1ULL << (LEVEL_BITS * WHEEL_LEVELS)) - 1;
        if (due > farthest)
                due = farthest;
        unsigned slot = (due >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1);
        wheel->taken[level] |= 1ULL << slot;
        add_to_ring(&wheel->slots[level][slot], &timer->link);
}

/* The tick at which the next slot that may hold something comes round. */
static uint64_t
next_tick(const struct wheel *wheel)
{
        uint64_t next = NEVER;

        for (int level = 0; level < WHEEL_LEVELS; level++) {
                if (wheel->taken[level] == 0)
                        continue;
                uint64_t from = (wheel->tick >> (LEVEL_BITS * level)) + 1;
                unsigned turn = from & (WHEEL_SLOTS - 1);
                uint64_t bits =
                        turn == 0 ? wheel->taken[level] : wheel->taken[level] >> turn | wheel->taken[level] << (WHEEL_SLOTS - turn);
                uint64_t at = (from + (unsigned)__builtin_ctzll(bits)) << (LEVEL_BITS * level);
                if (at < next)
                        next = at;
        }
        return next;
}

static void
fire_ring(struct wheel *wheel)
{
        while (!ring_is_empty(&wheel->firing)) {
                struct timer *timer = container_of(wheel->firing.next, struct timer, link);
                leave_ring(&timer->link);
                timer->worker = NULL;
                wheel->count--;
                timer->fire(timer); /* may free it, or start it again */
        }
}

static void
take_slot(struct wheel *wheel, int level)
{
        unsigned slot = (wheel->tick >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1);

        wheel->taken[level] &= ~(1ULL << slot);
        pour_ring(&wheel->firing, &wheel->slots[level][slot]);
}

static void
advance(struct wheel *wheel, uint64_t to)
{
        uint64_t next;

        while ((next = next_tick(wheel)) <= to) {
                wheel->tick = next;
                for (int level = WHEEL_LEVELS - 1; level > 0; level--) {
                        if ((next & ((1ULL << (LEVEL_BITS * level)) - 1)) != 0)
                                continue;
                        take_slot(wheel, level);
                        while (!ring_is_empty(&wheel->firing)) {
                                struct timer *timer = container_of(wheel->firing.next, struct timer, link);
                                leave_ring(&timer->link);
                                place(wheel, timer);
                        }
                }
                take_slot(wheel, 0);
                fire_ring(wheel);
        }
        if (wheel->tick < to)
                wheel->tick = to;
}

static void strike(uv_timer_t *clock);

static void
arm(struct worker *worker)
{
        struct wheel *wheel = &worker->wheel;
        uint64_t now = uv_now(&worker->loop);
        uint64_t at = NEVER;

        if (!ring_is_empty(&wheel->soon))
                at = now;
        else if (wheel->count > 0)
                at = next_tick(wheel) * TICK_MS;
        if (at == wheel->armed)
                return;
        wheel->armed = at;
        if (at == NEVER)
                uv_timer_stop(&wheel->clock);
        else
                uv_timer_start(&wheel->clock, strike, at > now ? at - now : 0, 0);
}

static void
strike(uv_timer_t *clock)
{
        struct worker *worker = handler_begin((uv_handle_t *)clock, "timers");
        struct wheel *wheel = &worker->wheel;

        wheel->armed = NEVER;
        pour_ring(&wheel->firing, &wheel->soon);
        fire_ring(wheel);
        advance(wheel, uv_now(&worker->loop) / TICK_MS);
        arm(worker);
        handler_end(worker);
}

void
wheel_init(struct worker *worker)
{
        struct wheel *wheel = &worker->wheel;

        must(uv_timer_init(&worker->loop, &wheel->clock) == 0);
        uv_unref((uv_handle_t *)&wheel->clock);
        wheel->tick = uv_now(&worker->loop) / TICK_MS;
        wheel->armed = NEVER;
        empty_ring(&wheel->soon);
        empty_ring(&wheel->firing);
        for (int level = 0; level < WHEEL_LEVELS; level++)
                for (int slot = 0; slot < WHEEL_SLOTS; slot++)
                        empty_ring(&wheel->slots[level][slot]);
}

void
timer_start(struct timer *timer, uint64_t ms, void (*fire)(struct timer *))
{
        struct worker *worker = worker_here();

        must(worker != NULL);
        timer_stop(timer);
        struct wheel *wheel = &worker->wheel;
        uint64_t now = uv_now(&worker->loop);
        if (wheel->count == 0)
                wheel->tick = now / TICK_MS; /* it stood still while there was nothing to do */
        wheel->count++;
        timer->worker = worker;
        timer->fire = fire;
        timer->due = ms > NEVER / 2 ? NEVER / 2 : now + ms;
        if (ms == 0) {
                add_to_ring(&wheel->soon, &timer->link);
        } else {
                if (timer->due / TICK_MS <= wheel->tick)
                        timer->due = (wheel->tick + 1) * TICK_MS;
                place(wheel, timer);
        }
        /* While the wheel turns it arms itself afterwards; an earlier timer than the one it waits for moves the clock. */
        uint64_t at = ms == 0 ? now : timer->due;
        if (wheel->armed == NEVER || at < wheel->armed)
                arm(worker);
}

void
timer_stop(struct timer *timer)
{
        if (timer->worker == NULL)
                return;
        must(timer->worker == worker_here());
        leave_ring(&timer->link);
        timer->worker->wheel.count--;
        timer->worker = NULL;
}
