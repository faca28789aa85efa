/* test_codec.c - fields of records, there and back */
#include "shared/store/codec.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
brings_back_what_was_written(void **state)
{
        struct buf out = { 0 };
        struct arena *arena = arena_new(256);
        encode_u8(&out, 200);
        encode_u32(&out, 0xdeadbeefu);
        encode_u64(&out, 0x0123456789abcdefu);
        encode_bytes(&out, "a\0b", 3);
        encode_text(&out, "Julia");
        encode_text(&out, "");
        encode_text(&out, NULL);

        struct cursor cursor = cursor_on(buf_data(&out), out.len);
        size_t len;
        assert_int_equal(decode_u8(&cursor), 200);
        assert_int_equal(decode_u32(&cursor), 0xdeadbeefu);
        assert_true(decode_u64(&cursor) == 0x0123456789abcdefu);
        assert_memory_equal(decode_bytes(&cursor, &len), "a\0b", 3);
        assert_int_equal(len, 3);
        assert_string_equal(decode_text(&cursor, arena), "Julia");
        assert_string_equal(decode_text(&cursor, arena), "");
        assert_null(decode_text(&cursor, arena));
        assert_true(decode_ok(&cursor));
        arena_free(&arena);
        buf_free(&out);
}

static void
numbers_are_big_endian(void **state)
{
        struct buf out = { 0 };
        encode_u32(&out, 258);
        encode_u64(&out, 1);
        assert_memory_equal(buf_data(&out), "\0\0\1\2\0\0\0\0\0\0\0\1", 12);
        buf_free(&out);
}

static void
every_cut_is_noticed(void **state)
{
        struct buf out = { 0 };
        struct arena *arena = arena_new(256);
        encode_u8(&out, 1);
        encode_text(&out, "Romeo");
        encode_u64(&out, 7);
        for (size_t len = 0; len < out.len; len++) {
                struct cursor cursor = cursor_on(buf_data(&out), len);
                decode_u8(&cursor);
                decode_text(&cursor, arena);
                decode_u64(&cursor);
                assert_false(decode_ok(&cursor));
                assert_true(cursor.broken);
        }
        arena_free(&arena);
        buf_free(&out);
}

static void
a_broken_cursor_gives_zeros(void **state)
{
        struct cursor cursor = cursor_on("\x01\x02", 2);
        size_t len = 99;
        assert_int_equal(decode_u32(&cursor), 0);
        assert_true(cursor.broken);
        assert_int_equal(decode_u8(&cursor), 0);
        assert_null(decode_bytes(&cursor, &len));
        assert_int_equal(len, 0);
        assert_false(decode_ok(&cursor));
}

static void
a_length_beyond_the_end_breaks(void **state)
{
        struct arena *arena = arena_new(64);
        struct cursor cursor = cursor_on("\xff\xff\xff\xfe"
                                         "abc",
                7);
        assert_null(decode_text(&cursor, arena));
        assert_true(cursor.broken);
        cursor = cursor_on("\x00\x00\x00\x04"
                           "abc",
                7);
        size_t len;
        assert_null(decode_bytes(&cursor, &len));
        assert_true(cursor.broken);
        arena_free(&arena);
}

static void
a_text_with_a_nul_is_broken(void **state)
{
        struct arena *arena = arena_new(64);
        struct cursor cursor = cursor_on("\x00\x00\x00\x03"
                                         "a\0b",
                7);
        assert_null(decode_text(&cursor, arena));
        assert_true(cursor.broken);
        arena_free(&arena);
}

static void
bytes_left_over_are_not_ok(void **state)
{
        struct cursor cursor = cursor_on("\x01\x02", 2);
        decode_u8(&cursor);
        assert_false(cursor.broken);
        assert_false(decode_ok(&cursor));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(brings_back_what_was_written),
                cmocka_unit_test(numbers_are_big_endian),
                cmocka_unit_test(every_cut_is_noticed),
                cmocka_unit_test(a_broken_cursor_gives_zeros),
                cmocka_unit_test(a_length_beyond_the_end_breaks),
                cmocka_unit_test(a_text_with_a_nul_is_broken),
                cmocka_unit_test(bytes_left_over_are_not_ok),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
