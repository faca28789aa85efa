/* test_clock.c - what time it is */
#include "shared/base/clock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
writes_times_as_the_xep_wants_them(void **state)
{
        static const struct {
                int64_t ms;
                const char *text;
        } cases[] = {
                { 0, "1970-01-01T00:00:00.000Z" },
                { 1, "1970-01-01T00:00:00.001Z" },
                { 1772356364031, "2026-03-01T09:12:44.031Z" },
                { 1709164799999, "2024-02-28T23:59:59.999Z" },
                { 1709164800000, "2024-02-29T00:00:00.000Z" },
                { 4102444800000, "2100-01-01T00:00:00.000Z" },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[CLOCK_TEXT];
                assert_ptr_equal(clock_format(text, cases[i].ms), text);
                assert_string_equal(text, cases[i].text);
        }
}

static void
the_steady_clock_never_goes_back(void **state)
{
        uint64_t last = clock_mono_ms(), cpu = clock_thread_cpu_us();
        for (int i = 0; i < 100000; i++) {
                uint64_t now = clock_mono_ms();
                assert_true(now >= last);
                last = now;
        }
        assert_true(clock_thread_cpu_us() > cpu);
}

static void
the_wall_clock_shows_this_century(void **state)
{
        assert_true(clock_wall_ms() > 1600000000000);
        assert_true(clock_wall_ms() < 4102444800000);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_times_as_the_xep_wants_them),
                cmocka_unit_test(the_steady_clock_never_goes_back),
                cmocka_unit_test(the_wall_clock_shows_this_century),
        };
        return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
