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
                int64_t back;
                assert_true(clock_parse(&back, text));
                assert_int_equal(back, cases[i].ms);
        }
}

static void
reads_times_as_others_write_them(void **state)
{
        static const struct {
                const char *text;
                int64_t ms;
        } cases[] = {
                { "1969-07-21T02:56:15Z", -14159025000 }, /* XEP-0082, 3.2 */
                { "1969-07-20T21:56:15-05:00", -14159025000 },
                { "1970-01-01T00:00:00.5Z", 500 },
                { "1970-01-01T00:00:00.1239999Z", 123 },
                { "1970-01-01T01:00:00+01:00", 0 },
                { "1970-01-01T00:00:00-00:00", 0 },
                { "2024-02-29T23:30:00+14:00", 1709199000000 },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                int64_t ms;
                assert_true(clock_parse(&ms, cases[i].text));
                assert_int_equal(ms, cases[i].ms);
        }
}

static void
refuses_what_is_no_time(void **state)
{
        static const char *const rows[] = { "", "1970", "1970-01-01", "00:00:00Z", "1970-01-01T00:00:00", "1970-01-01T00:00Z",
                "1970-01-01 00:00:00Z", "1970-01-01T00:00:00z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Z ",
                "1970-1-1T00:00:00Z", "0000-01-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-13-01T00:00:00Z",
                "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z", "2023-02-29T00:00:00Z", "1970-04-31T00:00:00Z",
                "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z", "1970-01-01T00:00:00+14:01",
                "1970-01-01T00:00:00+15:00", "1970-01-01T00:00:00+01:60", "1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00+0100",
                "-970-01-01T00:00:00Z", "19700101T00:00:00" };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                int64_t ms;
                assert_false(clock_parse(&ms, rows[i]));
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
                cmocka_unit_test(reads_times_as_others_write_them),
                cmocka_unit_test(refuses_what_is_no_time),
                cmocka_unit_test(the_steady_clock_never_goes_back),
                cmocka_unit_test(the_wall_clock_shows_this_century),
        };
        return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
