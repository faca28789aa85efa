/*
 * Timers fire in order, not early, and can be stopped and moved, also from inside one another.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"

struct probe {
        struct timer timer;
        uint64_t wanted, fired;
        int count;
        struct probe *other;
};

static int left;

static void
note(struct timer *timer)
{
        struct probe *probe = container_of(timer, struct probe, timer);

        probe->fired = worker_now();
        probe->count++;
        if (--left == 0)
                worker_stop(worker_here());
}

struct setup {
        struct letter letter;
        void (*begin)(void);
};

static void
open_setup(struct letter *letter)
{
        container_of(letter, struct setup, letter)->begin();
}

static void
run(void (*begin)(void))
{
        struct worker *worker = worker_new("test", 0);
        struct setup setup = { .letter = { .open = open_setup }, .begin = begin };

        worker_post(worker, &setup.letter);
        worker_run(worker);
        worker_free(&worker);
}

enum { MANY = 2000 };
static struct probe many[MANY];

static void
begin_many(void)
{
        left = MANY;
        for (int i = 0; i < MANY; i++) {
                uint64_t ms = i % 10 == 0 ? 0 : random_below(1500);
                many[i].wanted = worker_now() + ms;
                timer_start(&many[i].timer, ms, note);
        }
}

static void
fires_each_once_and_not_early(void **state)
{
        run(begin_many);
        for (int i = 0; i < MANY; i++) {
                assert_int_equal(many[i].count, 1);
                assert_true(many[i].fired >= many[i].wanted);
                assert_true(many[i].fired <= many[i].wanted + 250); /* a busy machine; the wheel itself adds at most 10 ms */
                assert_false(timer_is_running(&many[i].timer));
        }
}

static struct probe a, b, c, d;

static void
stop_other(struct timer *timer)
{
        timer_stop(&container_of(timer, struct probe, timer)->other->timer);
        note(timer);
}

static void
begin_stopping(void)
{
        left = 2;
        /* a and b fall into one slot: whichever comes first stops the other. */
        a.other = &b;
        b.other = &a;
        timer_start(&a.timer, 30, stop_other);
        timer_start(&b.timer, 30, stop_other);
        timer_start(&c.timer, 10, note);
        timer_start(&c.timer, 100, note);
        timer_start(&d.timer, 20, note);
        timer_stop(&d.timer);
        timer_stop(&d.timer);
        c.wanted = worker_now() + 100;
}

static void
stops_and_moves(void **state)
{
        run(begin_stopping);
        assert_int_equal(a.count + b.count, 1);
        assert_int_equal(c.count, 1);
        assert_true(c.fired >= c.wanted);
        assert_int_equal(d.count, 0);
}

static struct probe chain;

static void
start_again(struct timer *timer)
{
        if (++chain.count == 50)
                worker_stop(worker_here());
        else
                timer_start(timer, chain.count % 2 == 0 ? 0 : 1, start_again);
}

static void
begin_chain(void)
{
        timer_start(&chain.timer, 0, start_again);
}

static void
starts_again_from_its_own_firing(void **state)
{
        run(begin_chain);
        assert_int_equal(chain.count, 50);
}

static struct probe far, near;

static void
begin_far(void)
{
        timer_start(&far.timer, UINT64_MAX, note);
        left = 1;
        timer_start(&near.timer, 700, note); /* beyond level 0, so it falls */
}

static void
a_far_timer_does_not_keep_the_loop(void **state)
{
        run(begin_far);
        assert_int_equal(near.count, 1);
        assert_int_equal(far.count, 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fires_each_once_and_not_early),
                cmocka_unit_test(stops_and_moves),
                cmocka_unit_test(starts_again_from_its_own_firing),
                cmocka_unit_test(a_far_timer_does_not_keep_the_loop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
