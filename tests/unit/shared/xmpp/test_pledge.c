/* test_pledge.c - a pledge is kept when the last stanza under it is gone, and in the order of the closings */
#include "shared/xmpp/pledge.h"

#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/stanza.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static char said[100];

static void
say(void *owner, void *cookie)
{
        snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s ", (const char *)owner, (const char *)cookie);
}

static struct stanza *
take_one(struct pledge *pledge)
{
        struct stanza *stanza = stanza_new(STANZA_MESSAGE, MESSAGE_CHAT, NULL, NULL);
        pledge_take(pledge, stanza);
        return stanza;
}

static struct timer end;

static void
stop_here(struct timer *timer)
{
        worker_stop(worker_here());
}

/* What the script has posted arrives before a timer a little later. */
static void
run(void (*script)(struct worker *))
{
        said[0] = '\0';
        struct worker *worker = worker_new("test", 0);
        worker_enter(worker);
        script(worker);
        timer_start(&end, 50, stop_here);
        worker_run(worker);
        worker_free(&worker);
}

static void
empty_script(struct worker *worker)
{
        struct pledge *pledge = pledge_new(say, "a");
        pledge_close(pledge, "1");
        assert_string_equal(said, "");
}

static void
an_empty_one_is_kept_at_once_but_not_inside_the_call(void **state)
{
        run(empty_script);
        assert_string_equal(said, "a1 ");
}

static void
derived_script(struct worker *worker)
{
        struct pledge *pledge = pledge_new(say, "a");
        struct stanza *stanza = take_one(pledge);
        struct stanza *derived = stanza_derive(stanza, NULL, NULL), *error = stanza_error(stanza, GONE, NULL);
        pledge_close(pledge, "1");
        stanza_unref(&stanza);
        stanza_unref(&derived);
        struct pledge *other = pledge_new(say, "b");
        pledge_close(other, "1");
        stanza_unref(&error);
}

static void
what_comes_of_a_stanza_holds_it_too(void **state)
{
        run(derived_script);
        assert_string_equal(said, "b1 a1 ");
}

static struct stanza *late;

static void
order_script(struct worker *worker)
{
        struct pledge *first = pledge_new(say, "a"), *second = pledge_new(say, "a"), *third = pledge_new(say, "a");
        late = take_one(first);
        struct stanza *early = take_one(second);
        pledge_close(first, "1");
        pledge_close(second, "2");
        pledge_close(third, "3");
        stanza_unref(&early);
        stanza_unref(&late);
}

static void
a_late_first_one_holds_back_those_behind_it(void **state)
{
        run(order_script);
        assert_string_equal(said, "a1 a2 a3 ");
}

static void
forget_script(struct worker *worker)
{
        struct pledge *closed = pledge_new(say, "a"), *open = pledge_new(say, "a");
        struct stanza *one = take_one(closed), *two = take_one(open);
        pledge_close(closed, "1");
        pledge_forget(&open);
        assert_null(open);
        stanza_unref(&one);
        stanza_unref(&two);
}

static void
an_owner_that_went_away_hears_nothing(void **state)
{
        /* The owner is compared by address: one and the same literal. */
        run(forget_script);
        assert_string_equal(said, "");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_one_is_kept_at_once_but_not_inside_the_call),
                cmocka_unit_test(what_comes_of_a_stanza_holds_it_too),
                cmocka_unit_test(a_late_first_one_holds_back_those_behind_it),
                cmocka_unit_test(an_owner_that_went_away_hears_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
