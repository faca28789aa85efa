/*
 * Racing the addresses of a host (RFC 8305): who is tried when, who wins, and what is said of the others.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/loop/connect.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "tests/unit/shared/loop/doors.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 1500, NEVER = -1 };

static struct address addresses[20];
static size_t count;
static int cancel_ms; /* the race is given up after so long */

static struct connect *race;
static struct timer cancel, rest;
static uint64_t began, took;
static int told;
static enum connect_end end;
static char winner[ADDRESS_TEXT], why[4096], left[400];

static void
stop(struct timer *timer)
{
        worker_stop(worker_here());
}

static void
see_result(void *owner, const struct connect_result *result)
{
        char text[ADDRESS_TEXT];

        race = NULL;
        told++;
        took = clock_mono_ms() - began;
        end = result->end;
        snprintf(why, sizeof(why), "%s", result->why);
        if (end == CONNECT_DONE) {
                int on = 0;
                socklen_t len = sizeof(on);
                assert_int_equal(getsockopt(result->fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
                assert_true(on);
                assert_true(fcntl(result->fd, F_GETFL) & O_NONBLOCK);
                assert_true(fcntl(result->fd, F_GETFD) & FD_CLOEXEC);
                address_format(winner, result->address);
                close(result->fd);
        } else {
                assert_int_equal(result->fd, -1);
                assert_null(result->address);
                assert_int_equal(result->left_count, 0);
        }
        for (size_t i = 0; i < result->left_count; i++)
                snprintf(left + strlen(left), sizeof(left) - strlen(left), "%s ", address_format(text, &result->left[i]));
        timer_stop(&cancel);
        timer_start(&rest, 20, stop);
}

static void
give_up(struct timer *timer)
{
        connect_free(&race);
        assert_null(race);
        timer_start(&rest, 300, stop);
}

static void
begin(struct letter *letter)
{
        began = clock_mono_ms();
        race = connect_new(addresses, count, TIMEOUT_MS, see_result, NULL);
        assert_int_equal(told, 0);
        memset(addresses, 0, sizeof(addresses));
        if (cancel_ms == 0)
                give_up(NULL);
        else if (cancel_ms > 0)
                timer_start(&cancel, (uint64_t)cancel_ms, give_up);
}

static void
run(int cancel_after)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = begin };

        cancel_ms = cancel_after;
        told = 0;
        winner[0] = why[0] = left[0] = '\0';
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        count = 0;
}

static struct door doors[20];
static size_t door_count;

/* Another address to connect to; its text. */
static const char *
add(enum door_kind kind, const char *host)
{
        static char texts[20][ADDRESS_TEXT];

        assert_true(door_make(&doors[door_count], kind, host, 0));
        addresses[count] = doors[door_count++].address;
        address_format(texts[count], &addresses[count]);
        return texts[count++];
}

static int
remove_doors(void **state)
{
        while (door_count > 0)
                door_remove(&doors[--door_count]);
        count = 0;
        return 0;
}

static bool
has_ipv6(void)
{
        struct door door;

        if (!door_make(&door, DOOR_OPEN, "::1", 0))
                return false;
        door_remove(&door);
        return true;
}

static void
connects(void **state)
{
        const char *only = add(DOOR_OPEN, "127.0.0.1");

        run(NEVER);
        assert_int_equal(told, 1);
        assert_int_equal(end, CONNECT_DONE);
        assert_string_equal(winner, only);
        assert_string_equal(why, "");
}

static void
ipv6_goes_first(void **state)
{
        if (!has_ipv6())
                skip();
        const char *v4 = add(DOOR_OPEN, "127.0.0.1"), *second = add(DOOR_OPEN, "127.0.0.2"), *v6 = add(DOOR_OPEN, "::1");
        char expected[200];

        snprintf(expected, sizeof(expected), "%s %s ", v4, second);
        run(NEVER);
        assert_string_equal(winner, v6);
        assert_string_equal(left, expected);
}

static void
the_families_take_turns(void **state)
{
        if (!has_ipv6())
                skip();
        const char *a = add(DOOR_REFUSES, "::1"), *b = add(DOOR_REFUSES, "::1"), *c = add(DOOR_REFUSES, "::1");
        const char *d = add(DOOR_REFUSES, "127.0.0.1"), *e = add(DOOR_REFUSES, "127.0.0.2");
        char expected[400];

        snprintf(expected, sizeof(expected), "%s: refused, %s: refused, %s: refused, %s: refused, %s: refused", a, d, b, e, c);
        run(NEVER);
        assert_int_equal(end, CONNECT_REFUSED);
        assert_string_equal(why, expected);
}

static void
a_refusal_is_followed_at_once(void **state)
{
        char expected[200];

        snprintf(expected, sizeof(expected), "%s: refused", add(DOOR_REFUSES, "127.0.0.1"));
        const char *second = add(DOOR_OPEN, "127.0.0.2");
        run(NEVER);
        assert_string_equal(winner, second);
        assert_string_equal(why, expected);
        assert_in_range(took, 0, 200);
}

static void
a_silent_address_is_overtaken(void **state)
{
        if (!has_ipv6())
                skip();
        add(DOOR_SILENT, "::1");
        const char *v4 = add(DOOR_OPEN, "127.0.0.1");
        run(NEVER);
        assert_string_equal(winner, v4);
        assert_in_range(took, 240, 500);
}

static void
silence_of_all_ends_in_time(void **state)
{
        char expected[200];
        const char *a = add(DOOR_SILENT, "127.0.0.1"), *b = add(DOOR_REFUSES, "127.0.0.2");

        snprintf(expected, sizeof(expected), "%s: refused, %s: no answer", b, a);
        run(NEVER);
        assert_int_equal(end, CONNECT_SILENT);
        assert_string_equal(why, expected);
        assert_in_range(took, TIMEOUT_MS, TIMEOUT_MS + 400);
}

static void
no_address_at_all_is_a_failure(void **state)
{
        run(NEVER);
        assert_int_equal(told, 1);
        assert_int_equal(end, CONNECT_UNREACHABLE);
        assert_string_equal(why, "no address");
}

static void
no_more_than_sixteen_are_tried(void **state)
{
        size_t said = 1;

        for (int i = 0; i < 20; i++)
                add(DOOR_REFUSES, "127.0.0.1");
        run(NEVER);
        for (const char *comma = why; (comma = strchr(comma, ',')) != NULL; comma++)
                said++;
        assert_int_equal(said, 16);
}

/* Before it begins, while the first is awaited, and while both are. */
static void
can_be_given_up_at_any_time(void **state)
{
        static const int times[] = { 0, 1, 100, 300 };

        for (size_t i = 0; i < array_len(times); i++) {
                add(DOOR_SILENT, "127.0.0.1");
                add(DOOR_SILENT, "127.0.0.2");
                run(times[i]);
                assert_int_equal(told, 0);
                remove_doors(NULL);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(connects, remove_doors),
                cmocka_unit_test_teardown(ipv6_goes_first, remove_doors),
                cmocka_unit_test_teardown(the_families_take_turns, remove_doors),
                cmocka_unit_test_teardown(a_refusal_is_followed_at_once, remove_doors),
                cmocka_unit_test_teardown(a_silent_address_is_overtaken, remove_doors),
                cmocka_unit_test_teardown(silence_of_all_ends_in_time, remove_doors),
                cmocka_unit_test_teardown(no_address_at_all_is_a_failure, remove_doors),
                cmocka_unit_test_teardown(no_more_than_sixteen_are_tried, remove_doors),
                cmocka_unit_test_teardown(can_be_given_up_at_any_time, remove_doors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
