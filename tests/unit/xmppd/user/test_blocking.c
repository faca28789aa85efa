/* test_blocking.c - which entries of a blocking list catch which address (XEP-0191, RFC 3921 10.8) */
#include "xmppd/user/user_private.h"

#include "shared/base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static bool
catches(const char *entry, const char *address)
{
        struct arena *arena = arena_new(512);
        struct map *blocked = map_new();
        struct jid key, jid;

        assert_true(jid_parse(&key, arena, entry));
        assert_true(jid_parse(&jid, arena, address));
        map_put_str(blocked, key.full, "");
        bool caught = blocking_matches(blocked, &jid);
        map_free(&blocked);
        arena_free(&arena);
        return caught;
}

static void
an_entry_catches_itself_and_what_is_inside_it(void **state)
{
        static const struct {
                const char *entry, *address;
                bool caught;
        } rows[] = {
                { "a@b.example/r", "a@b.example/r", true },
                { "a@b.example/r", "a@b.example/s", false },
                { "a@b.example/r", "a@b.example", false },
                { "a@b.example", "a@b.example/r", true },
                { "A@B.example", "a@b.example", true },
                { "a@b.example", "c@b.example", false },
                { "a@b.example", "b.example", false },
                { "b.example/r", "a@b.example/r", true },
                { "b.example/r", "b.example/r", true },
                { "b.example/r", "a@b.example", false },
                { "b.example/r", "a@b.example/s", false },
                { "b.example", "a@b.example/r", true },
                { "b.example", "a@b.example", true },
                { "b.example", "b.example", true },
                { "b.example", "b.example/r", true },
                { "b.example", "a@c.b.example", false },
                { "c.b.example", "a@b.example", false },
        };
        for (size_t i = 0; i < array_len(rows); i++)
                if (catches(rows[i].entry, rows[i].address) != rows[i].caught)
                        fail_msg("%s and %s", rows[i].entry, rows[i].address);
}

static void
an_empty_list_catches_nobody(void **state)
{
        struct arena *arena = arena_new(256);
        struct jid jid;
        assert_true(jid_parse(&jid, arena, "a@b.example/r"));
        assert_false(blocking_matches(NULL, &jid));
        struct map *blocked = map_new();
        assert_false(blocking_matches(blocked, &jid));
        map_free(&blocked);
        arena_free(&arena);
}

static void
only_messages_with_a_text_are_kept_for_later(void **state)
{
        static const struct {
                enum stanza_type type;
                bool body, kept;
        } rows[] = {
                { MESSAGE_NORMAL, true, true },
                { MESSAGE_CHAT, true, true },
                { MESSAGE_NORMAL, false, false },
                { MESSAGE_CHAT, false, false },
                { MESSAGE_HEADLINE, true, false },
                { MESSAGE_GROUPCHAT, true, false },
                { MESSAGE_ERROR, true, false },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct stanza *message = stanza_new(STANZA_MESSAGE, rows[i].type, NULL, NULL);
                if (rows[i].body)
                        element_add_text(message->arena, message->element, "body", NULL, "text");
                assert_int_equal(offline_is_worth_keeping(message), rows[i].kept);
                stanza_unref(&message);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_entry_catches_itself_and_what_is_inside_it),
                cmocka_unit_test(an_empty_list_catches_nobody),
                cmocka_unit_test(only_messages_with_a_text_are_kept_for_later),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
