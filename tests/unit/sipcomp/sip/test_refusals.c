/* The memory of refusals is bounded, counts what repeats itself, and does not flood the log. */
#include "shared/base/mem.h"
#include "sipcomp/sip/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool
note(struct refusals *refusals, const char *place, const char *domain, const char *why)
{
        const struct refusal refusal = {
                .kind = REFUSAL_REQUEST, .place = place, .domain = domain, .what = "SUBSCRIBE", .why = why
        };
        return refusals_note(refusals, &refusal);
}

static size_t
count(const struct refusals *refusals, const char *place)
{
        const struct refusal *refusal;
        size_t found = 0;
        for (size_t at = 0; (refusal = refusals_each(refusals, &at)) != NULL;)
                found += place == NULL || strcmp(refusal->place, place) == 0;
        return found;
}

static void
counts_what_repeats_itself(void **state)
{
        struct refusals *refusals = refusals_new();
        size_t at = 0;
        assert_null(refusals_each(refusals, &at));
        assert_true(note(refusals, "192.0.2.1", "lync.test", "no"));
        assert_false(note(refusals, "192.0.2.1", "lync.test", "no"));
        assert_false(note(refusals, "192.0.2.1", "ocs.test", "no")); /* the same place, within a second */
        assert_false(note(refusals, "192.0.2.1", "lync.test", "no"));
        assert_true(note(refusals, "192.0.2.2", NULL, "no"));
        assert_int_equal(count(refusals, NULL), 3);
        const struct refusal *newest = refusals_each(refusals, &at);
        assert_null(newest->domain);
        newest = refusals_each(refusals, &at);
        assert_string_equal(newest->domain, "lync.test");
        assert_int_equal(newest->count, 3);
        assert_true(newest->last >= newest->first && newest->first > 0);
        refusals_free(&refusals);
        assert_null(refusals);
}

static void
stays_small_whoever_knocks(void **state)
{
        struct refusals *refusals = refusals_new();
        char text[40];
        int lines = 0;
        note(refusals, "192.0.2.1", "lync.test", "no");
        for (int i = 0; i < 1000; i++) {
                snprintf(text, sizeof text, "%d.test", i);
                lines += note(refusals, "192.0.2.66", text, "no");
        }
        assert_int_equal(count(refusals, "192.0.2.66"), REFUSALS_OF_ONE);
        assert_int_equal(count(refusals, "192.0.2.1"), 1);
        assert_true(lines <= 2);
        for (int i = 0; i < 1000; i++) {
                snprintf(text, sizeof text, "2001:db8::%x", i);
                lines += note(refusals, text, "lync.test", "no");
        }
        assert_int_equal(count(refusals, NULL), REFUSALS_MAX);
        assert_true(lines <= 25);
        refusals_free(&refusals);
}

static void
cuts_what_is_long(void **state)
{
        struct refusals *refusals = refusals_new();
        char why[2000];
        size_t at = 0;
        memset(why, 'x', sizeof why - 1);
        why[sizeof why - 1] = '\0';
        note(refusals, "192.0.2.1", NULL, why);
        note(refusals, "192.0.2.1", NULL, why);
        assert_int_equal(count(refusals, NULL), 1);
        assert_true(strlen(refusals_each(refusals, &at)->why) < 700);
        refusals_free(&refusals);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(counts_what_repeats_itself),
                cmocka_unit_test(stays_small_whoever_knocks),
                cmocka_unit_test(cuts_what_is_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
