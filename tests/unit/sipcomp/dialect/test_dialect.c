/* What each system's states become, row by row (section 6.1 of the dialects). */
#include "shared/base/mem.h"
#include "sipcomp/dialect/dialect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
shows_foreign_states_as_the_tables_say(void **state)
{
        static const struct {
                const char *dialect, *activity, *show, *status;
        } rows[] = {
                { "lync", "", "", NULL },          { "lync", "busy", "away", "Busy" },       { "lync", "away", "away", NULL },
                { "ocs", "", "", NULL },           { "ocs", "busy", "away", "Busy" },        { "ocs", "away", "away", NULL },
                { "lync", "Busy", "away", "Busy" }, { "aol", "", "", NULL },                 { "aol", "away", "away", NULL },
                { "simple", "", "", NULL },        { "simple", "busy", "dnd", "busy" },      { "simple", "away", "away", "away" },
                { "simple", "on-the-phone", "dnd", "on the phone" }, { "simple", "meeting", "dnd", "meeting" },
                { "simple", "performance", "dnd", "performance" },   { "simple", "presentation", "dnd", "presentation" },
                { "simple", "meal", "away", "meal" },                { "simple", "appointment", "away", "appointment" },
                { "simple", "sleeping", "away", "sleeping" },        { "simple", "travel", "away", "travel" },
                { "simple", "steering", "away", "steering" },        { "simple", "shopping", "away", "shopping" },
                { "simple", "permanent-absence", "xa", "permanent absence" }, { "simple", "vacation", "xa", "vacation" },
                { "simple", "holiday", "xa", "holiday" },            { "simple", "juggling", "", NULL },
                { "lync", "vacation", "xa", "vacation" },            { "lync", NULL, "", NULL },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                char words[64];
                const char *status;
                assert_string_equal(dialect_show(dialect_of(rows[i].dialect), rows[i].activity, words, &status), rows[i].show);
                if (rows[i].status == NULL)
                        assert_null(status);
                else
                        assert_string_equal(status, rows[i].status);
        }
}

static void
shows_our_states_as_the_tables_say(void **state)
{
        static const struct {
                const char *dialect, *show, *status, *activity;
        } rows[] = {
                { "lync", "", "", "" },          { "lync", NULL, NULL, "" },       { "lync", "chat", "", "" },
                { "lync", "away", "", "away" },  { "lync", "away", "lunch", "away" }, { "lync", "xa", "", "away" },
                { "lync", "dnd", "", "busy" },   { "lync", "away", "Busy", "busy" }, { "lync", "away", "on a CALL", "busy" },
                { "lync", "away", "On the phone", "busy" }, { "lync", "away", " In a meeting ", "busy" }, { "lync", "xa", "Presenting", "busy" },
                { "lync", "away", "Busy bee", "away" },     { "lync", "", "Busy", "" },   { "ocs", "dnd", "", "busy" },
                { "ocs", "away", "In a meeting", "busy" },  { "aol", "", "", "" },       { "aol", "chat", "", "" },
                { "aol", "away", "", "away" },   { "aol", "away", "Busy", "away" }, { "aol", "xa", "", "away" },
                { "aol", "dnd", "", "away" },    { "simple", "", "", "" },       { "simple", "chat", "", "" },
                { "simple", "away", "", "away" }, { "simple", "away", "Busy", "away" }, { "simple", "xa", "", "away" },
                { "simple", "dnd", "", "busy" }, { "lync", "sulking", "", "" },
        };
        for (size_t i = 0; i < array_len(rows); i++)
                assert_string_equal(dialect_activity(dialect_of(rows[i].dialect), rows[i].show, rows[i].status), rows[i].activity);
}

static void
knows_four_dialects(void **state)
{
        assert_ptr_equal(dialect_of("lync"), &dialect_lync);
        assert_ptr_equal(dialect_of("simple"), &dialect_simple);
        assert_null(dialect_of("jabber"));
        assert_int_equal(dialect_lync.subscribe_expires, 7200);
        assert_int_equal(dialect_aol.subscribe_expires, 3600);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shows_foreign_states_as_the_tables_say),
                cmocka_unit_test(shows_our_states_as_the_tables_say),
                cmocka_unit_test(knows_four_dialects),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
