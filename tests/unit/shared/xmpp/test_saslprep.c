/* test_saslprep.c - examples of RFC 4013, 3 and what is refused */
#include "shared/xmpp/saslprep.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
prepares_as_the_rfc_shows(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "I\xc2\xadX", "IX" },
                { "user", "user" },
                { "USER", "USER" },
                { "\xc2\xaa", "a" },
                { "\xe2\x85\xa8", "IX" },
                { "a\xc2\xa0"
                  "b",
                        "a b" },
                { "p\xc3\xa4ssw\xc3\xb6rd", "p\xc3\xa4ssw\xc3\xb6rd" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char out[PASSWORD_MAX + 1];
                assert_true(saslprep(out, rows[i].in, strlen(rows[i].in)));
                assert_string_equal(out, rows[i].out);
        }
}

static void
refuses_what_is_no_password(void **state)
{
        char out[PASSWORD_MAX + 1], large[PASSWORD_MAX + 1];
        memset(large, 'x', sizeof(large));
        assert_false(saslprep(out, "", 0));
        assert_false(saslprep(out, "\x07", 1));
        assert_false(saslprep(out, "a\0b", 3));
        assert_false(saslprep(out, "\xd8\xa7\x31", 3)); /* right-to-left and a digit at the end */
        assert_false(saslprep(out, "\xff\xfe", 2));
        assert_false(saslprep(out, "\xc2\xad", 2)); /* nothing is left */
        assert_false(saslprep(out, large, sizeof(large)));
        assert_true(saslprep(out, large, sizeof(large) - 1));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(prepares_as_the_rfc_shows),
                cmocka_unit_test(refuses_what_is_no_password),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
