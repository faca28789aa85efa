/* test_records.c - what was written is read again; what is damaged is not */
#include "xmppd/user/records.h"

#include "shared/base/mem.h"
#include "xmppd/user/subscription.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static struct item *
make_full_item(void)
{
        static const char *const groups[] = { "Friends", "Servants" };
        struct item *item = item_new("nurse@verona.example");
        item->name = mem_strdup("The Nurse");
        item_set_groups(item, groups, 2);
        item->state = SUBSCRIBED_TO | PENDING_IN;
        item->is_listed = true;
        item->is_approved = true;
        item->knows_mail = true;
        item->request = mem_strdup("<status>hi</status>");
        item->request_len = strlen(item->request);
        return item;
}

static void
an_item_comes_back_as_it_was(void **state)
{
        struct item *item = make_full_item();
        struct buf out = { 0 };
        record_item(&out, item);
        struct item *again = record_read_item(buf_data(&out), out.len);
        assert_non_null(again);
        assert_string_equal(again->jid, item->jid);
        assert_string_equal(again->name, item->name);
        assert_string_equal(again->groups[0], "Friends");
        assert_string_equal(again->groups[1], "Servants");
        assert_null(again->groups[2]);
        assert_int_equal(again->state, item->state);
        assert_true(again->is_listed);
        assert_true(again->is_approved);
        assert_true(again->knows_mail);
        assert_string_equal(again->request, item->request);
        assert_int_equal(again->request_len, item->request_len);
        item_free(&item);
        item_free(&again);

        item = item_new("a@b");
        buf_clear(&out);
        record_item(&out, item);
        again = record_read_item(buf_data(&out), out.len);
        assert_non_null(again);
        assert_null(again->name);
        assert_null(again->groups);
        assert_null(again->request);
        assert_false(again->is_listed);
        assert_false(again->is_approved);
        assert_false(again->knows_mail);
        item_free(&item);
        item_free(&again);
        buf_free(&out);
}

static void
a_cut_or_newer_item_is_not_read(void **state)
{
        struct item *item = make_full_item();
        struct buf out = { 0 };
        record_item(&out, item);
        for (size_t len = 0; len < out.len; len++)
                assert_null(record_read_item(buf_data(&out), len));
        buf_putc(&out, 'x');
        assert_null(record_read_item(buf_data(&out), out.len));
        buf_data(&out)[0] = 99;
        assert_null(record_read_item(buf_data(&out), out.len - 1));
        item_free(&item);
        buf_free(&out);
}

static void
blocked_addresses_and_messages_too(void **state)
{
        struct kept_message kept = { 1234567890123, 77, 5, "<message/>", 10 }, again;
        struct buf out = { 0 };

        static const char blocked[] = "\001\000\000\000\020montague.example";

        char *jid = record_read_blocked(blocked, sizeof(blocked) - 1);
        assert_string_equal(jid, "montague.example");
        mem_free(jid);
        assert_null(record_read_blocked(blocked, sizeof(blocked) - 2));
        record_message(&out, &kept);
        assert_true(record_read_message(&again, buf_data(&out), out.len));
        assert_true(again.when == kept.when && again.origin == 77 && again.origin_count == 5);
        assert_int_equal(again.len, 10);
        assert_memory_equal(again.xml, "<message/>", 10);
        assert_false(record_read_message(&again, buf_data(&out), out.len - 1));
        buf_free(&out);
}

/* The first version did not know by which stream a message had come. */
static void
an_older_message_can_be_read(void **state)
{
        static const char old[] = "\001\000\000\001\037\161\373\004\313\000\000\000\012<message/>";
        struct kept_message kept;

        assert_true(record_read_message(&kept, old, sizeof(old) - 1));
        assert_true(kept.when == 1234567890123 && kept.origin == 0 && kept.len == 10);
}

/* The first version knew nothing of approval in advance. */
static void
an_older_item_can_be_read(void **state)
{
        static const char old[] = "\001\000\000\000\003a@b\001\001\000\000\000\001N\000\000\000\000\000";
        struct item *item = record_read_item(old, sizeof(old) - 1);

        assert_non_null(item);
        assert_string_equal(item->jid, "a@b");
        assert_string_equal(item->name, "N");
        assert_int_equal(item->state, SUBSCRIBED_TO);
        assert_true(item->is_listed && !item->is_approved);
        item_free(&item);

        char wrong[sizeof(old)];
        memcpy(wrong, old, sizeof(old));
        wrong[9] = 3; /* the flag it did not have */
        assert_null(record_read_item(wrong, sizeof(old) - 1));
        wrong[0] = 2;
        item = record_read_item(wrong, sizeof(old) - 1);
        assert_true(item != NULL && item->is_listed && item->is_approved);
        item_free(&item);
        wrong[9] = 4;
        item = record_read_item(wrong, sizeof(old) - 1);
        assert_true(item != NULL && !item->is_listed && item->knows_mail);
        item_free(&item);
        wrong[9] = 8;
        assert_null(record_read_item(wrong, sizeof(old) - 1));
}

static void
keys_of_kept_messages_are_in_the_order_of_their_numbers(void **state)
{
        unsigned char before[16], key[16];
        record_offline_key(before, 0x1122334455667788, 0);
        for (uint64_t number = 1; number != 0; number <<= 1) {
                record_offline_key(key, 0x1122334455667788, number);
                assert_true(memcmp(before, key, sizeof(key)) < 0);
                assert_true(record_offline_number(key, sizeof(key)) == number);
                memcpy(before, key, sizeof(key));
        }
        assert_int_equal(record_offline_number(key, 15), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_item_comes_back_as_it_was),
                cmocka_unit_test(a_cut_or_newer_item_is_not_read),
                cmocka_unit_test(blocked_addresses_and_messages_too),
                cmocka_unit_test(an_older_message_can_be_read),
                cmocka_unit_test(an_older_item_can_be_read),
                cmocka_unit_test(keys_of_kept_messages_are_in_the_order_of_their_numbers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
