/* test_err.c - sentences about what the world did */
#include "shared/base/err.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
keeps_the_sentence_and_returns_failure(void **state)
{
        struct err err = { "before" };
        assert_int_equal(err_set(&err, "%s: expired on %d", "a.pem", 7), -1);
        assert_string_equal(err.text, "a.pem: expired on 7");
}

static void
puts_what_the_caller_knows_in_front(void **state)
{
        struct err err;
        err_set(&err, "no such file");
        assert_int_equal(err_prefix(&err, "%s:%d: ", "xmppd.conf", 12), -1);
        assert_string_equal(err.text, "xmppd.conf:12: no such file");
}

static void
cuts_what_is_too_long(void **state)
{
        char longer[2000];
        memset(longer, 'x', sizeof longer - 1);
        longer[sizeof longer - 1] = '\0';

        struct err err;
        err_set(&err, "%s", longer);
        assert_int_equal(strlen(err.text), sizeof err.text - 1);
        err_prefix(&err, "front: ");
        assert_int_equal(strlen(err.text), sizeof err.text - 1);
        assert_memory_equal(err.text, "front: xxx", 10);
        err_prefix(&err, "%s", longer);
        assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void
a_caller_may_not_want_to_know(void **state)
{
        assert_int_equal(err_set(NULL, "nobody listens to %s", "this"), -1);
        assert_int_equal(err_prefix(NULL, "nor to this"), -1);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keeps_the_sentence_and_returns_failure),
                cmocka_unit_test(puts_what_the_caller_knows_in_front),
                cmocka_unit_test(cuts_what_is_too_long),
                cmocka_unit_test(a_caller_may_not_want_to_know),
        };
        return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
