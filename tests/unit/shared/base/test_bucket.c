/*
 * What a bucket lets through, with a clock of our own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/bucket.h"

static void
lets_a_burst_through_and_then_its_rate(void **state)
{
        struct bucket bucket = { 0 };
        uint64_t now = 1000;

        for (int i = 0; i < 30; i++)
                assert_int_equal(bucket_take(&bucket, now, 10, 300), 0);
        assert_int_equal(bucket_take(&bucket, now, 10, 300), 10);
        assert_int_equal(bucket_take(&bucket, now, 10, 300), 20); /* who takes all the same waits longer */
        assert_int_equal(bucket_take(&bucket, now + 30, 10, 300), 0);
        assert_int_equal(bucket_take(&bucket, now + 30, 10, 300), 10);
}

static void
saves_no_more_than_a_burst(void **state)
{
        struct bucket bucket = { 0 };

        bucket_take(&bucket, 1000, 10, 20);
        assert_int_equal(bucket_take(&bucket, 1000000, 20, 20), 0);
        assert_int_equal(bucket_take(&bucket, 1000000, 1, 20), 1);
}

static void
takes_nothing_when_it_would_be_too_much(void **state)
{
        struct bucket bucket = { 0 };

        assert_true(bucket_take_if(&bucket, 1000, 20, 30));
        for (int i = 0; i < 100; i++)
                assert_false(bucket_take_if(&bucket, 1000, 20, 30));
        assert_true(bucket_take_if(&bucket, 1010, 20, 30));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lets_a_burst_through_and_then_its_rate),
                cmocka_unit_test(saves_no_more_than_a_burst),
                cmocka_unit_test(takes_nothing_when_it_would_be_too_much),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
