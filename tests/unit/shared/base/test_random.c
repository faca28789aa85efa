/* test_random.c - bytes nobody can guess */
#include "shared/base/random.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
every_byte_is_filled_and_none_beyond(void **state)
{
        for (size_t len = 0; len <= 1500; len += len < 200 ? 1 : 97) {
                unsigned char bytes[1600], seen[1600] = { 0 };
                for (int turn = 0; turn < 12; turn++) {
                        memset(bytes, 0, sizeof bytes);
                        random_bytes(bytes, len);
                        for (size_t i = 0; i < len; i++)
                                seen[i] |= bytes[i];
                        assert_int_equal(bytes[len], 0);
                }
                for (size_t i = 0; i < len; i++)
                        assert_int_not_equal(seen[i], 0);
        }
}

static void
hex_is_lower_case_and_never_the_same(void **state)
{
        char texts[200][33];
        for (int i = 0; i < 200; i++) {
                assert_ptr_equal(random_hex(texts[i], 16), texts[i]);
                assert_int_equal(strlen(texts[i]), 32);
                assert_int_equal(strspn(texts[i], "0123456789abcdef"), 32);
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(texts[i], texts[k]);
        }
}

static void
numbers_are_below_their_limit_and_even(void **state)
{
        unsigned count[6] = { 0 };
        for (int i = 0; i < 6000; i++) {
                uint32_t number = random_below(6);
                assert_in_range(number, 0, 5);
                count[number]++;
        }
        for (int i = 0; i < 6; i++)
                assert_in_range(count[i], 800, 1200);
        assert_int_equal(random_below(1), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_byte_is_filled_and_none_beyond),
                cmocka_unit_test(hex_is_lower_case_and_never_the_same),
                cmocka_unit_test(numbers_are_below_their_limit_and_even),
        };
        return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
