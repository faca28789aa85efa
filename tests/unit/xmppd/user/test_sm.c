/* test_sm.c - the queue of unacknowledged stanzas, and sessions as they are kept */
#include "shared/loop/worker.h"
#include "xmppd/user/sm_private.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void
the_queue_keeps_order_while_it_grows_and_turns(void **state)
{
        struct sm sm = { 0 };
        uint64_t added = 0;

        for (int round = 0; round < 50; round++) {
                for (int i = 0; i < round % 7 + 1; i++) {
                        struct sent sent = { .at = ++added * 10, .len = 5 };
                        queue_add(&sm, &sent);
                }
                for (uint64_t count = sm.acknowledged + 1; count <= sm.sent; count++)
                        assert_int_equal(queue_at(&sm, count)->at, count * 10);
                assert_int_equal(sm.bytes, (sm.sent - sm.acknowledged) * 5);
                queue_drop(&sm, sm.acknowledged + (sm.sent - sm.acknowledged) / 2);
        }
        queue_drop(&sm, sm.sent);
        assert_int_equal(sm.bytes, 0);
        assert_int_equal(sm.acknowledged, added);
        queue_free(&sm);
}

static void
the_queue_knows_which_kept_messages_it_holds(void **state)
{
        struct sm sm = { 0 };

        for (uint64_t number = 0; number < 6; number++) {
                struct sent sent = { .at = 1, .number = number < 2 ? 0 : 100 + number, .len = 1 };
                queue_add(&sm, &sent);
        }
        assert_true(sm.low == 102 && sm.high == 105);
        queue_drop(&sm, 3);
        assert_true(sm.low == 103 && sm.high == 105);
        queue_drop(&sm, 6);
        assert_true(sm.low == 0 && sm.high == 0);
        queue_free(&sm);
}

static void
a_session_comes_back_as_it_was(void **state)
{
        const char *directed[] = { "room@chat.example/juliet", "verona.example" };
        uint32_t taken[] = { 7, 9 };
        struct sm_record record = { .account = 1,
                .id = 0xfedcba9876543210,
                .seconds = 600,
                .jid = "juliet@capulet.example/balcony",
                .opened = 5,
                .ends = 6,
                .flags = 3,
                .received = 9,
                .handled = 6,
                .sent = 40,
                .acknowledged = 38,
                .presence = "<presence/>",
                .presence_len = 11,
                .directed_count = 2,
                .directed = directed,
                .taken_count = 2,
                .taken = taken,
                .active = "at work" };
        struct arena *arena = arena_new(512);
        struct sm_record again;
        struct buf out = { 0 };

        sm_record_write(&out, &record);
        assert_true(sm_record_read(&again, arena, buf_data(&out), out.len));
        assert_true(again.account == 1 && again.id == record.id && again.seconds == 600 && again.opened == 5 && again.ends == 6);
        assert_true(again.received == 9 && again.handled == 6 && again.sent == 40 && again.acknowledged == 38 && again.flags == 3);
        assert_string_equal(again.jid, record.jid);
        assert_memory_equal(again.presence, "<presence/>", 11);
        assert_string_equal(again.directed[1], "verona.example");
        assert_true(again.taken_count == 2 && again.taken[1] == 9);
        assert_string_equal(again.active, "at work");
        for (size_t len = 0; len < out.len; len++)
                assert_false(sm_record_read(&again, arena, buf_data(&out), len));
        buf_free(&out);
        arena_free(&arena);
}

/* The first version knew nothing of privacy lists. */
static void
an_older_session_can_be_read(void **state)
{
        struct sm_record record = { .account = 1, .id = 1, .jid = "a@b/c", .sent = 5, .acknowledged = 4 };
        struct arena *arena = arena_new(512);
        struct sm_record again;
        struct buf out = { 0 };

        sm_record_write(&out, &record);
        buf_data(&out)[0] = 1;
        assert_true(sm_record_read(&again, arena, buf_data(&out), out.len - 4));
        assert_true(again.sent == 5 && again.active == NULL);
        buf_free(&out);
        arena_free(&arena);
}

static void
counters_that_cannot_be_are_refused(void **state)
{
        struct sm_record record = { .account = 1, .id = 1, .jid = "a@b/c", .sent = 3, .acknowledged = 4 };
        struct arena *arena = arena_new(512);
        struct sm_record again;
        struct buf out = { 0 };

        sm_record_write(&out, &record);
        assert_false(sm_record_read(&again, arena, buf_data(&out), out.len));
        buf_free(&out);
        arena_free(&arena);
}

static void
keys_stand_in_the_order_of_what_they_name(void **state)
{
        unsigned char one[SM_SENT_KEY], other[SM_SENT_KEY], end[SM_END_KEY];
        int64_t ends;
        uint64_t id;

        sm_sent_key(one, 5, 6, 255);
        sm_sent_key(other, 5, 6, 256);
        assert_true(memcmp(one, other, sizeof(one)) < 0);
        assert_int_equal(sm_sent_key_count(other, sizeof(other)), 256);
        sm_end_key(end, 1700000000000, 5, 6);
        assert_true(sm_end_key_read(end, sizeof(end), &ends, &id));
        assert_true(ends == 1700000000000 && id == 6);
        assert_false(sm_end_key_read(end, sizeof(end) - 1, &ends, &id));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_queue_keeps_order_while_it_grows_and_turns),
                cmocka_unit_test(the_queue_knows_which_kept_messages_it_holds),
                cmocka_unit_test(a_session_comes_back_as_it_was),
                cmocka_unit_test(an_older_session_can_be_read),
                cmocka_unit_test(counters_that_cannot_be_are_refused),
                cmocka_unit_test(keys_stand_in_the_order_of_what_they_name),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
