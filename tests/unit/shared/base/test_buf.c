/* test_buf.c - a growing byte queue */
#include "shared/base/buf.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
collects_text_in_order(void **state)
{
        struct buf buf = { 0 };
        buf_puts(&buf, "one");
        buf_putc(&buf, ' ');
        buf_put(&buf, "two three", 3);
        buf_printf(&buf, " %d%s", 3, "!");
        assert_string_equal(buf_text(&buf), "one two 3!");
        assert_int_equal(buf.len, 10);
        buf_free(&buf);
        assert_null(buf.base);
}

static void
an_empty_one_is_an_empty_text(void **state)
{
        struct buf buf = { 0 };
        buf_put(&buf, NULL, 0);
        assert_int_equal(buf.len, 0);
        assert_null(buf.base);
        assert_string_equal(buf_text(&buf), "");
        assert_int_equal(buf.len, 0);
        buf_free(&buf);
}

static void
works_as_a_queue_of_any_length(void **state)
{
        struct buf buf = { 0 };
        unsigned written = 0, read = 0;
        for (int turn = 0; turn < 5000; turn++) {
                for (int i = turn % 37; i >= 0; i--)
                        buf_putc(&buf, (char)(written++ % 251));
                size_t take = buf.len < (size_t)(turn % 41) ? buf.len : (size_t)(turn % 41);
                for (size_t i = 0; i < take; i++)
                        assert_int_equal((unsigned char)buf_data(&buf)[i], read++ % 251);
                buf_drop(&buf, take);
                assert_int_equal(buf.len, written - read);
        }
        /* What is in it is small, so what it holds must be too. */
        assert_true(buf.room < 64 * 1024);
        buf_free(&buf);
}

static void
reserved_room_counts_only_once_added(void **state)
{
        struct buf buf = { 0 };
        buf_puts(&buf, "head");
        char *room = buf_reserve(&buf, 1000);
        memcpy(room, "tail", 4);
        assert_int_equal(buf.len, 4);
        buf_added(&buf, 4);
        assert_string_equal(buf_text(&buf), "headtail");
        buf_free(&buf);
}

static void
gives_large_memory_back_when_it_runs_empty(void **state)
{
        struct buf buf = { 0 };
        for (int i = 0; i < 100000; i++)
                buf_putc(&buf, 'x');
        buf_drop(&buf, 99999);
        assert_int_equal(buf.len, 1);
        assert_int_equal(buf_data(&buf)[0], 'x');
        buf_drop(&buf, 1);
        assert_int_equal(buf.room, 0);

        buf_puts(&buf, "small");
        size_t room = buf.room;
        buf_clear(&buf);
        assert_int_equal(buf.len, 0);
        assert_int_equal(buf.room, room);
        buf_free(&buf);
}

static void
bytes_may_be_zero(void **state)
{
        struct buf buf = { 0 };
        buf_put(&buf, "a\0b", 3);
        assert_int_equal(buf.len, 3);
        assert_memory_equal(buf_text(&buf), "a\0b", 4);
        buf_free(&buf);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(collects_text_in_order),
                cmocka_unit_test(an_empty_one_is_an_empty_text),
                cmocka_unit_test(works_as_a_queue_of_any_length),
                cmocka_unit_test(reserved_room_counts_only_once_added),
                cmocka_unit_test(gives_large_memory_back_when_it_runs_empty),
                cmocka_unit_test(bytes_may_be_zero),
        };
        return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
