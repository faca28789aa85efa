/* What a SIP failure means for a subscription and for a message (4.6 and 7.7 of the dialects). */
#include "shared/base/mem.h"
#include "sipcomp/simple/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
knows_what_to_tell_and_when_to_try_again(void **state)
{
        static const struct {
                int status;
                enum first_word first;
                enum stanza_condition condition;
                bool known_unavailable;
                enum retry first_retry, known_retry;
                uint32_t wait, longest;
        } rows[] = {
                { 400, FIRST_ERROR, BAD_REQUEST, true, RETRY_NEVER, RETRY_FIXED, 86400, 86400 },
                { 401, FIRST_ERROR, NOT_AUTHORIZED, true, RETRY_FIXED, RETRY_FIXED, 3600, 3600 },
                { 403, FIRST_ERROR, FORBIDDEN, true, RETRY_DOUBLING, RETRY_DOUBLING, 1800, 14400 },
                { 404, FIRST_ERROR, ITEM_NOT_FOUND, true, RETRY_FIXED, RETRY_FIXED, 86400, 86400 },
                { 405, FIRST_ERROR, FEATURE_NOT_IMPLEMENTED, true, RETRY_FIXED, RETRY_FIXED, 86400, 86400 },
                { 406, FIRST_ERROR, NOT_ACCEPTABLE, true, RETRY_FIXED, RETRY_FIXED, 86400, 86400 },
                { 408, FIRST_ERROR_AFTER_TRIES, REMOTE_SERVER_TIMEOUT, false, RETRY_DOUBLING, RETRY_DOUBLING, 60, 1800 },
                { 416, FIRST_ERROR, BAD_REQUEST, true, RETRY_NEVER, RETRY_FIXED, 86400, 86400 },
                { 480, FIRST_NOTHING, RECIPIENT_UNAVAILABLE, true, RETRY_FIXED, RETRY_FIXED, 900, 900 },
                { 482, FIRST_ERROR, REMOTE_SERVER_NOT_FOUND, true, RETRY_FIXED, RETRY_FIXED, 3600, 3600 },
                { 489, FIRST_ERROR, FEATURE_NOT_IMPLEMENTED, true, RETRY_FIXED, RETRY_FIXED, 86400, 86400 },
                { 500, FIRST_NOTHING, SERVICE_UNAVAILABLE, false, RETRY_DOUBLING, RETRY_DOUBLING, 60, 1800 },
                { 503, FIRST_NOTHING, SERVICE_UNAVAILABLE, false, RETRY_DOUBLING, RETRY_DOUBLING, 60, 1800 },
                { 504, FIRST_ERROR_AFTER_TRIES, REMOTE_SERVER_TIMEOUT, false, RETRY_DOUBLING, RETRY_DOUBLING, 60, 1800 },
                { 603, FIRST_UNSUBSCRIBED, FORBIDDEN, true, RETRY_NEVER, RETRY_FIXED, 86400, 86400 },
                { 604, FIRST_ERROR, ITEM_NOT_FOUND, true, RETRY_FIXED, RETRY_FIXED, 86400, 86400 },
                { 499, FIRST_ERROR, BAD_REQUEST, true, RETRY_NEVER, RETRY_FIXED, 86400, 86400 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                const struct subscribe_failure *rule = failure_of_subscribe(rows[i].status);
                assert_int_equal(rule->first, rows[i].first);
                assert_int_equal(rule->condition, rows[i].condition);
                assert_int_equal(rule->known_unavailable, rows[i].known_unavailable);
                assert_int_equal(rule->first_retry, rows[i].first_retry);
                assert_int_equal(rule->known_retry, rows[i].known_retry);
                assert_int_equal(failure_wait(rule, 1), rows[i].wait);
                assert_int_equal(failure_wait(rule, 1000), rows[i].longest);
        }
        assert_int_equal(failure_wait(failure_of_subscribe(408), 3), 240);
}

static struct sip_message *
response(int status, const char *name, const char *value)
{
        struct sip_message *request =
                sip_request_new("MESSAGE", "sip:carol@lync.test", NULL, "sip:alice@example.com", "sip:carol@lync.test");
        struct sip_message *answer = sip_response_new(request, status, NULL, NULL);
        if (name != NULL)
                sip_message_add(answer, name, value);
        sip_message_free(&request);
        return answer;
}

static void
knows_what_a_refused_message_deserves(void **state)
{
        static const struct {
                int status;
                enum message_step invite, message;
                enum stanza_condition condition;
        } rows[] = {
                { 403, STEP_FAIL, STEP_FAIL, FORBIDDEN },
                { 404, STEP_FAIL, STEP_FAIL, ITEM_NOT_FOUND },
                { 405, STEP_PAGER, STEP_PAGER, FEATURE_NOT_IMPLEMENTED },
                { 408, STEP_FAIL, STEP_DROP, RECIPIENT_UNAVAILABLE },
                { 415, STEP_PAGER, STEP_PLAINER, NOT_ACCEPTABLE },
                { 480, STEP_FAIL, STEP_DROP, RECIPIENT_UNAVAILABLE },
                { 481, STEP_RETRY_LATER, STEP_NEW_SESSION, RECIPIENT_UNAVAILABLE },
                { 486, STEP_FAIL, STEP_FAIL, RECIPIENT_UNAVAILABLE },
                { 488, STEP_PAGER, STEP_PAGER, NOT_ACCEPTABLE },
                { 503, STEP_RETRY_LATER, STEP_RETRY_LATER, SERVICE_UNAVAILABLE },
                { 504, STEP_RETRY_LATER, STEP_RETRY_LATER, REMOTE_SERVER_TIMEOUT },
                { 603, STEP_FAIL, STEP_FAIL, FORBIDDEN },
                { 606, STEP_FAIL, STEP_FAIL, NOT_ACCEPTABLE },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_message *answer = response(rows[i].status, NULL, NULL);
                assert_int_equal(failure_of_invite(answer)->step, rows[i].invite);
                assert_int_equal(failure_of_invite(answer)->condition, rows[i].condition);
                assert_int_equal(failure_of_message(answer, true)->step, rows[i].message);
                sip_message_free(&answer);
        }
        assert_int_equal(failure_of_msrp(0)->step, STEP_DROP);
        assert_int_equal(failure_of_msrp(413)->step, STEP_SPLIT);
        assert_int_equal(failure_of_msrp(481)->step, STEP_NEW_SESSION);
        assert_int_equal(failure_of_msrp(423)->step, STEP_FAIL);
        struct sip_message *filtered = response(403, "Warning", "309 edge \"refused\"");
        assert_int_equal(failure_of_invite(filtered)->condition, POLICY_VIOLATION);
        sip_message_free(&filtered);
}

static void
says_what_the_other_side_said(void **state)
{
        char text[FAILURE_TEXT];
        struct sip_message *answer = response(403, "ms-diagnostics", "9999;reason=\"Previous hop \xff\";source=\"edge\"");
        assert_string_equal(failure_text(text, answer, NULL), "SIP 403 Forbidden (ms-diagnostics 9999: \"Previous hop ?\")");
        sip_message_free(&answer);
        answer = response(403, "ms-diagnostics", "1002;reason=\"whatever\"");
        assert_string_equal(failure_text(text, answer, "not sent"),
                "SIP 403 Forbidden (ms-diagnostics 1002: the user there may not talk with federated partners): not sent");
        sip_message_free(&answer);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(knows_what_to_tell_and_when_to_try_again),
                cmocka_unit_test(knows_what_a_refused_message_deserves),
                cmocka_unit_test(says_what_the_other_side_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
