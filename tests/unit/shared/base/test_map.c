/* test_map.c - from bytes to a pointer */
#include "shared/base/map.h"

#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
finds_what_was_put_and_nothing_else(void **state)
{
        struct map *map = map_new();
        int a, b;
        assert_null(map_get_str(map, "juliet"));
        assert_null(map_put_str(map, "juliet", &a));
        assert_null(map_put_str(map, "romeo", &b));
        assert_ptr_equal(map_get_str(map, "juliet"), &a);
        assert_ptr_equal(map_get_str(map, "romeo"), &b);
        assert_null(map_get_str(map, "julie"));
        assert_null(map_get_str(map, "juliet2"));
        assert_int_equal(map_count(map), 2);
        map_free(&map);
        assert_null(map);
}

static void
putting_again_returns_the_value_before(void **state)
{
        struct map *map = map_new();
        int a, b;
        map_put_str(map, "key", &a);
        assert_ptr_equal(map_put_str(map, "key", &b), &a);
        assert_int_equal(map_count(map), 1);
        assert_ptr_equal(map_remove_str(map, "key"), &b);
        assert_null(map_remove_str(map, "key"));
        assert_int_equal(map_count(map), 0);
        map_free(&map);
}

static void
keys_are_bytes_and_copied(void **state)
{
        struct map *map = map_new();
        int a, b, c;
        char key[] = { 'x', 0, 'y' };
        map_put(map, key, 3, &a);
        map_put(map, "x", 1, &b);
        map_put(map, "", 0, &c);
        key[2] = 'z';
        assert_null(map_get(map, key, 3));
        assert_ptr_equal(map_get(map, "x\0y", 3), &a);
        assert_ptr_equal(map_get(map, "x", 1), &b);
        assert_ptr_equal(map_get(map, NULL, 0), &c);
        map_free(&map);
}

static void
thousands_come_and_go(void **state)
{
        enum { N = 5000 };
        static int values[N];
        struct map *map = map_new();
        char key[32];
        for (int turn = 0; turn < 3; turn++) {
                for (int i = 0; i < N; i++) {
                        snprintf(key, sizeof key, "user%d@capulet.example", i);
                        assert_null(map_put_str(map, key, &values[i]));
                }
                assert_int_equal(map_count(map), N);
                for (int i = 0; i < N; i++) {
                        snprintf(key, sizeof key, "user%d@capulet.example", i);
                        assert_ptr_equal(map_get_str(map, key), &values[i]);
                }
                for (int i = 0; i < N; i++) {
                        snprintf(key, sizeof key, "user%d@capulet.example", i);
                        assert_ptr_equal(map_remove_str(map, key), &values[i]);
                        assert_null(map_get_str(map, key));
                }
                assert_int_equal(map_count(map), 0);
        }
        map_free(&map);
}

static void
one_that_always_changes_stays_quick(void **state)
{
        struct map *map = map_new();
        int value;
        for (unsigned i = 0; i < 200000; i++) {
                map_put(map, &i, sizeof i, &value);
                if (i >= 4) {
                        unsigned old = i - 4;
                        assert_ptr_equal(map_remove(map, &old, sizeof old), &value);
                }
        }
        assert_int_equal(map_count(map), 4);
        map_free(&map);
}

static void
a_walk_meets_each_value_once_and_may_remove_it(void **state)
{
        static char seen[300];
        struct map *map = map_new();
        for (unsigned i = 0; i < sizeof seen; i++)
                map_put(map, &i, sizeof i, &seen[i]);
        size_t at = 0;
        for (char *value; (value = map_next(map, &at)) != NULL;) {
                unsigned i = (unsigned)(value - seen);
                assert_int_equal(seen[i]++, 0);
                assert_ptr_equal(map_remove(map, &i, sizeof i), value);
        }
        for (unsigned i = 0; i < sizeof seen; i++)
                assert_int_equal(seen[i], 1);
        assert_int_equal(map_count(map), 0);
        map_free(&map);
}

static void
the_hash_depends_on_every_byte_and_on_the_length(void **state)
{
        char bytes[20] = { 0 };
        uint64_t hash = map_hash(bytes, sizeof bytes);
        assert_true(map_hash(bytes, sizeof bytes) == hash);
        for (size_t i = 0; i < sizeof bytes; i++) {
                bytes[i] = 1;
                assert_true(map_hash(bytes, sizeof bytes) != hash);
                bytes[i] = 0;
                assert_true(map_hash(bytes, i) != hash);
        }
        /* Homes are its remainder: they should come evenly. */
        unsigned homes[4] = { 0 };
        for (unsigned i = 0; i < 4000; i++)
                homes[map_hash(&i, sizeof i) % 4]++;
        for (int i = 0; i < 4; i++)
                assert_in_range(homes[i], 800, 1200);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_what_was_put_and_nothing_else),
                cmocka_unit_test(putting_again_returns_the_value_before),
                cmocka_unit_test(keys_are_bytes_and_copied),
                cmocka_unit_test(thousands_come_and_go),
                cmocka_unit_test(one_that_always_changes_stays_quick),
                cmocka_unit_test(a_walk_meets_each_value_once_and_may_remove_it),
                cmocka_unit_test(the_hash_depends_on_every_byte_and_on_the_length),
        };
        return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
