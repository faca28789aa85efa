/*
 * What guessing costs whom, with a clock of our own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "xmppd/sasl/throttle.h"

#include <stdio.h>

static const struct throttle_rules rules = { .delay_ms = 400, .max_delay_ms = 10000, .forget_ms = 60000 };
static uint64_t now = 1000000;

static int
forget_all(void **state)
{
        throttle_start();
        return 0;
}

static struct address
at(const char *host)
{
        struct address address;

        assert_true(address_from_host(&address, host, 5222));
        return address;
}

/* The wait of the last of so many wrong logins, each after the answer to the one before. */
static uint64_t
guess(const char *host, const char *account, int times)
{
        struct address from = at(host);
        uint64_t wait = 0;

        for (int i = 0; i < times; i++) {
                wait = throttle_wait(&from, account, true, &rules, now);
                now += wait;
        }
        return wait;
}

static uint64_t
sign_in(const char *host, const char *account)
{
        struct address from = at(host);
        return throttle_wait(&from, account, false, &rules, now);
}

static void
waits_double_from_the_fourth_on_up_to_a_bound(void **state)
{
        static const uint64_t waits[] = { 400, 400, 400, 800, 1600, 3200, 6400, 10000, 10000 };

        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
                assert_int_equal(guess("192.0.2.1", "juliet@capulet.example", 1), waits[i]);
}

static void
an_address_that_has_got_nothing_wrong_never_waits(void **state)
{
        for (int i = 0; i < 200; i++) {
                char host[40];
                snprintf(host, sizeof(host), "198.51.100.%d", i);
                guess(host, "juliet@capulet.example", 5);
        }
        assert_int_equal(sign_in("192.0.2.1", "juliet@capulet.example"), 0);
        assert_int_equal(guess("192.0.2.1", "juliet@capulet.example", 1), 400); /* a wrong key of one's own */
        assert_int_equal(sign_in("192.0.2.1", "juliet@capulet.example"), 0);
}

static void
an_account_that_many_guess_is_slow_for_those_who_do(void **state)
{
        for (int i = 0; i < 20; i++) {
                char host[40];
                snprintf(host, sizeof(host), "198.51.100.%d", i);
                assert_int_equal(guess(host, "juliet@capulet.example", 3), 400);
        }
        assert_int_equal(guess("198.51.100.1", "juliet@capulet.example", 1), 10000);
        assert_int_equal(guess("198.51.100.2", "nurse@capulet.example", 1), 800); /* of another account it knows little */
}

static void
an_ipv6_network_is_one_guesser_and_mapped_addresses_are_ipv4(void **state)
{
        for (int i = 0; i < 6; i++) {
                char host[60];
                snprintf(host, sizeof(host), "2001:db8:0:1:%x::%x", i + 1, i);
                guess(host, NULL, 1);
        }
        assert_int_equal(guess("2001:db8:0:1::99", NULL, 1), 6400);
        assert_int_equal(guess("2001:db8:0:2::99", NULL, 1), 400);
        guess("192.0.2.7", NULL, 4);
        assert_int_equal(guess("::ffff:192.0.2.7", NULL, 1), 1600);
}

static void
guesses_at_the_same_moment_stand_in_line_and_a_right_one_with_them(void **state)
{
        struct address from = at("192.0.2.1");

        assert_int_equal(throttle_wait(&from, NULL, true, &rules, now), 400);
        assert_int_equal(throttle_wait(&from, NULL, true, &rules, now), 800);
        assert_int_equal(throttle_wait(&from, NULL, false, &rules, now), 800);
        assert_int_equal(throttle_wait(&from, NULL, false, &rules, now + 800), 0);
        for (int i = 0; i < 1000; i++)
                assert_true(throttle_wait(&from, NULL, true, &rules, now) <= 10000);
}

static void
what_was_counted_is_forgotten_by_halves(void **state)
{
        guess("192.0.2.1", NULL, 8);
        now += 61000;
        assert_int_equal(guess("192.0.2.1", NULL, 1), 1600); /* 8, then 4 and this one */
        now += 10 * 61000;
        assert_int_equal(guess("192.0.2.1", NULL, 1), 400);
}

static void
one_of_many_guessers_keeps_its_place(void **state)
{
        guess("192.0.2.1", NULL, 20);
        for (int i = 0; i < 60000; i++) {
                char host[40];
                snprintf(host, sizeof(host), "10.%d.%d.1", i / 250, i % 250);
                struct address from = at(host);
                throttle_wait(&from, NULL, true, &rules, now);
        }
        assert_int_equal(guess("192.0.2.1", NULL, 1), 10000);
}

static void
an_address_makes_so_many_accounts_an_hour(void **state)
{
        struct address one = at("192.0.2.1"), other = at("2001:db8::1"), neighbour = at("2001:db8::2");

        for (int i = 0; i < 3; i++)
                assert_true(throttle_may_register(&one, 3, now));
        assert_false(throttle_may_register(&one, 3, now));
        assert_true(throttle_may_register(&other, 1, now));
        assert_false(throttle_may_register(&neighbour, 1, now)); /* the same /64 */
        now += 20 * 60 * 1000;                                   /* a third of an hour pays for one of three */
        assert_true(throttle_may_register(&one, 3, now));
        assert_false(throttle_may_register(&one, 3, now));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(waits_double_from_the_fourth_on_up_to_a_bound, forget_all),
                cmocka_unit_test_setup(an_address_that_has_got_nothing_wrong_never_waits, forget_all),
                cmocka_unit_test_setup(an_account_that_many_guess_is_slow_for_those_who_do, forget_all),
                cmocka_unit_test_setup(an_ipv6_network_is_one_guesser_and_mapped_addresses_are_ipv4, forget_all),
                cmocka_unit_test_setup(guesses_at_the_same_moment_stand_in_line_and_a_right_one_with_them, forget_all),
                cmocka_unit_test_setup(what_was_counted_is_forgotten_by_halves, forget_all),
                cmocka_unit_test_setup(one_of_many_guessers_keeps_its_place, forget_all),
                cmocka_unit_test_setup(an_address_makes_so_many_accounts_an_hour, forget_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
