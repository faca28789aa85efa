/* test_delivery.c - RFC 6121, 8.5: what may happen to each type in each case */
#include "xmppd/user/delivery.h"

#include "shared/base/mem.h"
#include "xmppd/user/user_private.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const enum delivery_case all_cases[] = { TO_NO_ACCOUNT, TO_BARE_NOBODY, TO_BARE_SOMEBODY, TO_FULL_NOBODY, TO_FULL_SOMEBODY,
        TO_FULL_IT };

static void
assert_row(enum stanza_type type, enum delivery none, enum delivery bare_nobody, enum delivery bare_somebody,
        enum delivery full_nobody, enum delivery full_somebody, enum delivery it)
{
        const enum delivery expected[] = { none, bare_nobody, bare_somebody, full_nobody, full_somebody, it };
        for (size_t i = 0; i < array_len(all_cases); i++)
                assert_int_equal(delivery_of(type, all_cases[i]), expected[i]);
}

static void
a_normal_message_waits_or_comes_back_but_is_never_lost(void **state)
{
        assert_row(MESSAGE_NORMAL, REFUSE, DELIVER_LATER, DELIVER_TO_BEST, REFUSE, REFUSE, DELIVER_TO_IT);
}

static void
a_chat_message_to_a_lost_resource_goes_to_the_account(void **state)
{
        assert_row(MESSAGE_CHAT, REFUSE, DELIVER_LATER, DELIVER_TO_BEST, DELIVER_LATER, DELIVER_TO_BEST, DELIVER_TO_IT);
}

static void
a_headline_reaches_all_who_are_there_and_nobody_later(void **state)
{
        assert_row(MESSAGE_HEADLINE, IGNORE, IGNORE, DELIVER_TO_ALL, IGNORE, IGNORE, DELIVER_TO_IT);
}

static void
groupchat_is_for_resources_only(void **state)
{
        assert_row(MESSAGE_GROUPCHAT, REFUSE, REFUSE, REFUSE, REFUSE, REFUSE, DELIVER_TO_IT);
}

static void
an_error_is_never_answered(void **state)
{
        assert_row(MESSAGE_ERROR, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, DELIVER_TO_IT);
        assert_row(IQ_ERROR, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, DELIVER_TO_IT);
        assert_row(IQ_RESULT, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE, DELIVER_TO_IT);
}

static void
presence_reaches_negative_resources_too(void **state)
{
        assert_row(PRESENCE_AVAILABLE, IGNORE, DELIVER_TO_AVAILABLE, DELIVER_TO_AVAILABLE, IGNORE, IGNORE, DELIVER_TO_IT);
        assert_row(PRESENCE_UNAVAILABLE, IGNORE, DELIVER_TO_AVAILABLE, DELIVER_TO_AVAILABLE, IGNORE, IGNORE, DELIVER_TO_IT);
        assert_row(PRESENCE_ERROR, IGNORE, DELIVER_TO_AVAILABLE, DELIVER_TO_AVAILABLE, IGNORE, IGNORE, DELIVER_TO_IT);
}

static void
subscriptions_concern_the_account_whatever_the_resource(void **state)
{
        static const enum stanza_type types[] = { PRESENCE_SUBSCRIBE, PRESENCE_SUBSCRIBED, PRESENCE_UNSUBSCRIBE,
                PRESENCE_UNSUBSCRIBED };
        for (size_t i = 0; i < array_len(types); i++)
                assert_row(types[i], IGNORE, CHANGE_SUBSCRIPTION, CHANGE_SUBSCRIPTION, CHANGE_SUBSCRIPTION, CHANGE_SUBSCRIPTION,
                        CHANGE_SUBSCRIPTION);
        assert_row(PRESENCE_PROBE, ANSWER_PROBE, ANSWER_PROBE, ANSWER_PROBE, ANSWER_PROBE, ANSWER_PROBE, ANSWER_PROBE);
}

static void
a_request_is_always_answered(void **state)
{
        assert_row(IQ_GET, REFUSE, ANSWER_FOR_ACCOUNT, ANSWER_FOR_ACCOUNT, REFUSE, REFUSE, DELIVER_TO_IT);
        assert_row(IQ_SET, REFUSE, ANSWER_FOR_ACCOUNT, ANSWER_FOR_ACCOUNT, REFUSE, REFUSE, DELIVER_TO_IT);
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
                cmocka_unit_test(a_normal_message_waits_or_comes_back_but_is_never_lost),
                cmocka_unit_test(a_chat_message_to_a_lost_resource_goes_to_the_account),
                cmocka_unit_test(a_headline_reaches_all_who_are_there_and_nobody_later),
                cmocka_unit_test(groupchat_is_for_resources_only),
                cmocka_unit_test(an_error_is_never_answered),
                cmocka_unit_test(presence_reaches_negative_resources_too),
                cmocka_unit_test(subscriptions_concern_the_account_whatever_the_resource),
                cmocka_unit_test(a_request_is_always_answered),
                cmocka_unit_test(only_messages_with_a_text_are_kept_for_later),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
