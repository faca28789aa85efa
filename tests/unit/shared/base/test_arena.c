/* test_arena.c - memory that lives and dies together */
#include "shared/base/arena.h"

#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
gives_zeroed_memory_aligned_for_any_object(void **state)
{
        struct arena *arena = arena_new(64);
        for (size_t size = 0; size < 300; size++) {
                unsigned char *p = arena_alloc(arena, size);
                assert_non_null(p);
                assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
                for (size_t i = 0; i < size; i++)
                        assert_int_equal(p[i], 0);
                memset(p, 0xff, size);
        }
        arena_free(&arena);
        assert_null(arena);
}

static void
pieces_do_not_overlap(void **state)
{
        struct arena *arena = arena_new(128);
        char *pieces[500];
        for (int i = 0; i < 500; i++)
                pieces[i] = arena_printf(arena, "piece number %d", i);
        for (int i = 0; i < 500; i++) {
                char expected[32];
                snprintf(expected, sizeof expected, "piece number %d", i);
                assert_string_equal(pieces[i], expected);
        }
        arena_free(&arena);
}

static void
takes_one_object_larger_than_any_block(void **state)
{
        struct arena *arena = arena_new(64);
        char *large = arena_alloc(arena, 1024 * 1024);
        large[1024 * 1024 - 1] = 'x';
        assert_true(arena_size(arena) >= 1024 * 1024);
        assert_true(arena_size(arena) < 1024 * 1024 + 4096);
        arena_free(&arena);
}

static void
counts_what_it_took_from_the_system(void **state)
{
        struct arena *arena = arena_new(4096);
        assert_int_equal(arena_size(arena), 4096);
        for (int i = 0; i < 100; i++)
                arena_alloc(arena, 1000);
        assert_true(arena_size(arena) >= 100 * 1000);
        assert_true(arena_size(arena) <= 4 * 100 * 1000);
        arena_free(&arena);
}

static void
copies_are_terminated_and_cut_where_told(void **state)
{
        struct arena *arena = arena_new(256);
        char source[] = "juliet@capulet.example";
        char *whole = arena_strdup(arena, source), *part = arena_strndup(arena, source, 6),
             *empty = arena_strndup(arena, source, 0);
        memset(source, 'x', sizeof source - 1);
        assert_string_equal(whole, "juliet@capulet.example");
        assert_string_equal(part, "juliet");
        assert_string_equal(empty, "");
        assert_null(arena_strdup(arena, NULL));
        arena_free(&arena);
}

static void
freeing_nothing_is_nothing(void **state)
{
        struct arena *arena = NULL;
        arena_free(&arena);
        assert_null(arena);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gives_zeroed_memory_aligned_for_any_object),
                cmocka_unit_test(pieces_do_not_overlap),
                cmocka_unit_test(takes_one_object_larger_than_any_block),
                cmocka_unit_test(counts_what_it_took_from_the_system),
                cmocka_unit_test(copies_are_terminated_and_cut_where_told),
                cmocka_unit_test(freeing_nothing_is_nothing),
        };
        return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
