/*
 * test_attempt.c - what is remembered of attempts, and the table of causes
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "xmppd/s2s/attempt.h"

static void
the_failure_that_came_furthest_is_the_one_to_tell(void **state)
{
        struct attempt *attempt = attempt_new(false, "capulet.example");

        attempt_note(attempt, STEP_DNS, "two targets");
        attempt_fail(attempt, CAUSE_EXPIRED, "on %s", "2026-01-01");
        attempt_fail(attempt, CAUSE_REFUSED, "192.0.2.7:5269: refused");
        attempt_end(attempt, false);
        assert_int_equal(attempt->cause, CAUSE_EXPIRED);
        assert_string_equal(attempt->detail, "on 2026-01-01");
        assert_int_equal(attempt->count, 3);
        assert_int_equal(attempt->steps[2].cause, CAUSE_REFUSED);
        attempt_free(&attempt);
}

static void
what_went_well_in_the_end_has_no_cause(void **state)
{
        struct attempt *attempt = attempt_new(true, NULL);

        attempt_fail(attempt, CAUSE_REFUSED, "%s", "first target");
        attempt_end(attempt, true);
        assert_true(attempt->is_done);
        assert_int_equal(attempt->cause, CAUSE_NONE);
        assert_null(attempt->detail);
        attempt_free(&attempt);
}

static void
an_attempt_without_end_stays_small(void **state)
{
        struct attempt *attempt = attempt_new(false, "a.example");
        char text[40];

        for (int i = 0; i < 10 * ATTEMPT_STEPS; i++)
                attempt_note(attempt, STEP_DNS, "step %d", i);
        snprintf(text, sizeof(text), "step %d", 10 * ATTEMPT_STEPS - 1);
        assert_int_equal(attempt->count, ATTEMPT_STEPS);
        assert_string_equal(attempt->steps[0].text, "step 0");
        assert_string_equal(attempt->steps[ATTEMPT_STEPS - 1].text, text);
        attempt_free(&attempt);
}

static size_t
count(const struct attempts *attempts, bool is_incoming)
{
        size_t n = 0;

        for (LIST_EACH(attempt, &attempts->list, struct attempt, in_attempts))
                n += attempt->is_incoming == is_incoming;
        return n;
}

static void
the_last_ones_of_each_direction_are_kept(void **state)
{
        struct attempts attempts = { 0 };
        struct attempt *open = attempt_new(true, NULL);

        attempts_add(&attempts, open); /* its stream still writes to it */
        for (int i = 0; i < 20; i++) {
                struct attempt *attempt = attempt_new(i % 2 == 0, NULL);
                attempt_end(attempt, true);
                attempts_add(&attempts, attempt);
        }
        assert_int_equal(count(&attempts, false), 3);
        assert_int_equal(count(&attempts, true), 3);
        assert_ptr_equal(attempts.list.first, &open->in_attempts);
        attempts_free(&attempts);
        assert_true(list_is_empty(&attempts.list));
}

static void
every_cause_has_a_code_of_its_own_and_advice(void **state)
{
        for (enum cause cause = CAUSE_NONE + 1; cause < CAUSES; cause++) {
                const struct cause_row *row = cause_row(cause);
                assert_non_null(row->code);
                assert_true(row->sentence[0] != '\0' && row->advice[0] != '\0');
                for (enum cause other = CAUSE_NONE; other < cause; other++)
                        assert_string_not_equal(row->code, cause_row(other)->code);
        }
}

static void
a_sentence_names_domain_cause_and_detail(void **state)
{
        char text[400], small[16];

        attempt_sentence(text, sizeof(text), "rome.example", CAUSE_NAME, "it names x.example");
        assert_string_equal(text, "rome.example: its certificate is for another name (it names x.example)");
        attempt_sentence(text, sizeof(text), "rome.example", CAUSE_NAME, NULL);
        assert_string_equal(text, "rome.example: its certificate is for another name");
        attempt_sentence(small, sizeof(small), "rome.example", CAUSE_NAME, "it names x.example");
        assert_int_equal(strlen(small), sizeof(small) - 1);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_failure_that_came_furthest_is_the_one_to_tell),
                cmocka_unit_test(what_went_well_in_the_end_has_no_cause),
                cmocka_unit_test(an_attempt_without_end_stays_small),
                cmocka_unit_test(the_last_ones_of_each_direction_are_kept),
                cmocka_unit_test(every_cause_has_a_code_of_its_own_and_advice),
                cmocka_unit_test(a_sentence_names_domain_cause_and_detail),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
