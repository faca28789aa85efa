/* test_subscription.c - RFC 6121, appendix A: every row of its eight tables, written down a second time in the RFC's own words */
#include "xmppd/user/subscription.h"

#include "shared/base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const struct {
        const char *name;
        uint8_t state;
} states[] = {
        { "None", 0 },
        { "None + Pending Out", PENDING_OUT },
        { "None + Pending In", PENDING_IN },
        { "None + Pending Out+In", PENDING_OUT | PENDING_IN },
        { "To", SUBSCRIBED_TO },
        { "To + Pending In", SUBSCRIBED_TO | PENDING_IN },
        { "From", SUBSCRIBED_FROM },
        { "From + Pending Out", SUBSCRIBED_FROM | PENDING_OUT },
        { "Both", SUBSCRIBED_TO | SUBSCRIBED_FROM },
};

static uint8_t
state_of(const char *name)
{
        for (size_t i = 0; i < array_len(states); i++)
                if (strcmp(states[i].name, name) == 0)
                        return states[i].state;
        fail_msg("no state %s", name);
        return 0;
}

struct expectation {
        const char *before, *passes, *after; /* after NULL: "no state change" */
};

static void
check(struct subscription_step (*step)(enum stanza_type, uint8_t), enum stanza_type type, const struct expectation rows[9])
{
        for (int i = 0; i < 9; i++) {
                uint8_t before = state_of(rows[i].before), after = rows[i].after != NULL ? state_of(rows[i].after) : before;
                struct subscription_step got = step(type, before);
                assert_int_equal(before, states[i].state);
                assert_int_equal(got.then, after);
                assert_int_equal(got.passes, strcmp(rows[i].passes, "MUST") == 0);
                assert_int_equal(got.answered, strcmp(rows[i].passes, "MUST NOT, answered") == 0);
                assert_int_equal(got.approves, strcmp(rows[i].passes, "MUST NOT, approved in advance") == 0);
        }
}

static void
outgoing_subscribe(void **state)
{
        check(subscription_out, PRESENCE_SUBSCRIBE,
                (const struct expectation[9]){
                        { "None", "MUST", "None + Pending Out" },
                        { "None + Pending Out", "MUST", NULL },
                        { "None + Pending In", "MUST", "None + Pending Out+In" },
                        { "None + Pending Out+In", "MUST", NULL },
                        { "To", "MUST", NULL },
                        { "To + Pending In", "MUST", NULL },
                        { "From", "MUST", "From + Pending Out" },
                        { "From + Pending Out", "MUST", NULL },
                        { "Both", "MUST", NULL },
                });
}

static void
outgoing_unsubscribe(void **state)
{
        check(subscription_out, PRESENCE_UNSUBSCRIBE,
                (const struct expectation[9]){
                        { "None", "MUST", NULL },
                        { "None + Pending Out", "MUST", "None" },
                        { "None + Pending In", "MUST", NULL },
                        { "None + Pending Out+In", "MUST", "None + Pending In" },
                        { "To", "MUST", "None" },
                        { "To + Pending In", "MUST", "None + Pending In" },
                        { "From", "MUST", NULL },
                        { "From + Pending Out", "MUST", "From" },
                        { "Both", "MUST", "From" },
                });
}

static void
outgoing_subscribed(void **state)
{
        check(subscription_out, PRESENCE_SUBSCRIBED,
                (const struct expectation[9]){
                        { "None", "MUST NOT, approved in advance", NULL },
                        { "None + Pending Out", "MUST NOT, approved in advance", NULL },
                        { "None + Pending In", "MUST", "From" },
                        { "None + Pending Out+In", "MUST", "From + Pending Out" },
                        { "To", "MUST NOT, approved in advance", NULL },
                        { "To + Pending In", "MUST", "Both" },
                        { "From", "MUST NOT", NULL },
                        { "From + Pending Out", "MUST NOT", NULL },
                        { "Both", "MUST NOT", NULL },
                });
}

static void
outgoing_unsubscribed(void **state)
{
        check(subscription_out, PRESENCE_UNSUBSCRIBED,
                (const struct expectation[9]){
                        { "None", "MUST NOT", NULL },
                        { "None + Pending Out", "MUST NOT", NULL },
                        { "None + Pending In", "MUST", "None" },
                        { "None + Pending Out+In", "MUST", "None + Pending Out" },
                        { "To", "MUST NOT", NULL },
                        { "To + Pending In", "MUST", "To" },
                        { "From", "MUST", "None" },
                        { "From + Pending Out", "MUST", "None + Pending Out" },
                        { "Both", "MUST", "To" },
                });
}

static void
incoming_subscribe(void **state)
{
        check(subscription_in, PRESENCE_SUBSCRIBE,
                (const struct expectation[9]){
                        { "None", "MUST", "None + Pending In" },
                        { "None + Pending Out", "MUST", "None + Pending Out+In" },
                        { "None + Pending In", "MUST NOT", NULL },
                        { "None + Pending Out+In", "MUST NOT", NULL },
                        { "To", "MUST", "To + Pending In" },
                        { "To + Pending In", "MUST NOT", NULL },
                        { "From", "MUST NOT, answered", NULL },
                        { "From + Pending Out", "MUST NOT, answered", NULL },
                        { "Both", "MUST NOT, answered", NULL },
                });
}

/* 3.4.2 */
static void
incoming_subscribe_of_the_approved(void **state)
{
        static const char *const after[9] = { "From", "From + Pending Out", "From", "From + Pending Out", "Both", "Both", "From",
                "From + Pending Out", "Both" };
        for (int i = 0; i < 9; i++) {
                struct subscription_step got = subscription_in_approved(states[i].state);
                assert_int_equal(got.then, state_of(after[i]));
                assert_true(got.answered && !got.passes && !got.approves);
        }
}

static void
incoming_unsubscribe(void **state)
{
        check(subscription_in, PRESENCE_UNSUBSCRIBE,
                (const struct expectation[9]){
                        { "None", "MUST NOT", NULL },
                        { "None + Pending Out", "MUST NOT", NULL },
                        { "None + Pending In", "MUST", "None" },
                        { "None + Pending Out+In", "MUST", "None + Pending Out" },
                        { "To", "MUST NOT", NULL },
                        { "To + Pending In", "MUST", "To" },
                        { "From", "MUST", "None" },
                        { "From + Pending Out", "MUST", "None + Pending Out" },
                        { "Both", "MUST", "To" },
                });
}

static void
incoming_subscribed(void **state)
{
        check(subscription_in, PRESENCE_SUBSCRIBED,
                (const struct expectation[9]){
                        { "None", "MUST NOT", NULL },
                        { "None + Pending Out", "MUST", "To" },
                        { "None + Pending In", "MUST NOT", NULL },
                        { "None + Pending Out+In", "MUST", "To + Pending In" },
                        { "To", "MUST NOT", NULL },
                        { "To + Pending In", "MUST NOT", NULL },
                        { "From", "MUST NOT", NULL },
                        { "From + Pending Out", "MUST", "Both" },
                        { "Both", "MUST NOT", NULL },
                });
}

static void
incoming_unsubscribed(void **state)
{
        check(subscription_in, PRESENCE_UNSUBSCRIBED,
                (const struct expectation[9]){
                        { "None", "MUST NOT", NULL },
                        { "None + Pending Out", "MUST", "None" },
                        { "None + Pending In", "MUST NOT", NULL },
                        { "None + Pending Out+In", "MUST", "None + Pending In" },
                        { "To", "MUST", "None" },
                        { "To + Pending In", "MUST", "None + Pending In" },
                        { "From", "MUST NOT", NULL },
                        { "From + Pending Out", "MUST", "From" },
                        { "Both", "MUST", "From" },
                });
}

static void
the_roster_shows_four_names_and_knows_nine_states(void **state)
{
        int valid = 0;
        for (int i = 0; i < 256; i++)
                valid += subscription_is_valid((uint8_t)i);
        assert_int_equal(valid, 9);
        assert_string_equal(subscription_name(PENDING_OUT | PENDING_IN), "none");
        assert_string_equal(subscription_name(SUBSCRIBED_TO | PENDING_IN), "to");
        assert_string_equal(subscription_name(SUBSCRIBED_FROM | PENDING_OUT), "from");
        assert_string_equal(subscription_name(SUBSCRIBED_BOTH), "both");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(outgoing_subscribe),
                cmocka_unit_test(outgoing_unsubscribe),
                cmocka_unit_test(outgoing_subscribed),
                cmocka_unit_test(outgoing_unsubscribed),
                cmocka_unit_test(incoming_subscribe),
                cmocka_unit_test(incoming_subscribe_of_the_approved),
                cmocka_unit_test(incoming_unsubscribe),
                cmocka_unit_test(incoming_subscribed),
                cmocka_unit_test(incoming_unsubscribed),
                cmocka_unit_test(the_roster_shows_four_names_and_knows_nine_states),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
