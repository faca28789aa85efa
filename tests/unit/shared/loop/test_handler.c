/* test_handler.c - who takes the loop's time is counted under his name; who only waits is not */
#include "shared/loop/handler.h"

#include "shared/base/clock.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <time.h>

static void
burn(uint64_t ms)
{
        uint64_t end = clock_thread_cpu_us() + ms * 1000;

        while (clock_thread_cpu_us() < end)
                continue;
}

static void
work_long(void)
{
        handler_note("carving");
        burn(25);
}

static void
work_longer(void)
{
        handler_note("sawing");
        handler_note("carving");
        burn(45);
}

static void
work_without_name(void)
{
        burn(15);
}

static void
work_a_little(void)
{
        handler_note("dusting");
        burn(2);
}

static void
sleep_long(void)
{
        handler_note("dreaming");
        nanosleep(&(struct timespec){ .tv_nsec = 40 * 1000 * 1000 }, NULL);
}

static struct chore chore;

static void
work_at_the_end(struct chore *unused)
{
        handler_note("sweeping");
        burn(20);
}

static void
leave_work_for_the_end(void)
{
        chore.run = work_at_the_end;
        worker_at_turn_end(&chore);
}

/* One act after the other, each in a turn of its own. */
static struct timer pulse;
static void (*const *next_act)(void);

static void
perform(struct timer *timer)
{
        if (*next_act == NULL) {
                worker_stop(worker_here());
                return;
        }
        (*next_act++)();
        timer_start(timer, 20, perform);
}

static size_t
play(void (*const acts[])(void), struct long_handler all[HANDLER_NAMES])
{
        struct worker *worker = worker_new("test", 0);

        worker_enter(worker);
        next_act = acts;
        timer_start(&pulse, 20, perform);
        worker_run(worker);
        size_t count = handler_long(worker, all);
        worker_free(&worker);
        return count;
}

static void
whoever_takes_long_is_counted_under_his_name(void **state)
{
        void (*const acts[])(void) = { work_long, work_a_little, work_longer, leave_work_for_the_end, work_without_name, NULL };
        struct long_handler all[HANDLER_NAMES];

        assert_int_equal(play(acts, all), 3);
        assert_string_equal(all[0].name, "carving");
        assert_int_equal(all[0].count, 2);
        assert_in_range(all[0].longest_us, 40 * 1000, 80 * 1000);
        assert_string_equal(all[1].name, "sweeping");
        assert_int_equal(all[1].count, 1);
        assert_string_equal(all[2].name, "timers");
        assert_int_equal(all[2].count, 1);
}

static void
whoever_waits_is_not(void **state)
{
        void (*const acts[])(void) = { sleep_long, work_a_little, sleep_long, NULL };
        struct long_handler all[HANDLER_NAMES];

        assert_int_equal(play(acts, all), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whoever_takes_long_is_counted_under_his_name),
                cmocka_unit_test(whoever_waits_is_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
