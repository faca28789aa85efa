/*
 * The order of targets, and look-ups against a DNS server with a script.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/dns/dns.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "tests/unit/shared/dns/dns_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static void
lower_priorities_come_first(void **state)
{
        for (int round = 0; round < 200; round++) {
                struct dns_target targets[] = {
                        { .host = "c", .priority = 30, .weight = 1 },
                        { .host = "a1", .priority = 10, .weight = 5 },
                        { .host = "b", .priority = 20 },
                        { .host = "a0", .priority = 10, .weight = 0 },
                        { .host = "a2", .priority = 10, .weight = 5 },
                };
                dns_order_targets(targets, 5);
                for (int i = 0; i < 3; i++)
                        assert_int_equal(targets[i].host[0], 'a');
                assert_string_equal(targets[3].host, "b");
                assert_string_equal(targets[4].host, "c");
        }
}

static void
heavier_targets_are_drawn_more_often(void **state)
{
        enum { ROUNDS = 6000 };
        int first_heavy = 0, first_zero = 0;

        for (int round = 0; round < ROUNDS; round++) {
                struct dns_target targets[] = { { .host = "light", .weight = 10 }, { .host = "zero", .weight = 0 },
                        { .host = "heavy", .weight = 30 } };
                dns_order_targets(targets, 3);
                first_heavy += strcmp(targets[0].host, "heavy") == 0;
                first_zero += strcmp(targets[0].host, "zero") == 0;
        }
        /* 30 of 41, 1 of 41 */
        assert_in_range(first_heavy, ROUNDS * 70 / 100, ROUNDS * 77 / 100);
        assert_in_range(first_zero, 1, ROUNDS * 5 / 100);
}

static void
equal_weights_share_evenly(void **state)
{
        enum { ROUNDS = 6000 };
        int first[3] = { 0 };

        for (int round = 0; round < ROUNDS; round++) {
                struct dns_target targets[] = { { .host = "0", .weight = 7 }, { .host = "1", .weight = 7 },
                        { .host = "2", .weight = 7 } };
                dns_order_targets(targets, 3);
                first[targets[0].host[0] - '0']++;
        }
        for (int i = 0; i < 3; i++)
                assert_in_range(first[i], ROUNDS / 4, ROUNDS / 2);
}

/* ---- look-ups ---- */

static const struct dns_record zone[] = {
        { "_xmpp-server._tcp.verona.example", TYPE_SRV, "20 0 5270 backup.verona.example" },
        { "_xmpp-server._tcp.verona.example", TYPE_SRV, "10 5 5269 xmpp.verona.example" },
        { "_xmpp-server._tcp.closed.example", TYPE_SRV, "0 0 0 ." },
        { "xmpp.verona.example", TYPE_A, "127.0.0.2" },
        { "xmpp.verona.example", TYPE_AAAA, "2001:db8::7" },
        { "alias.verona.example", TYPE_CNAME, "xmpp.verona.example" },
        { "brief.verona.example", TYPE_A, "127.0.0.3" },
        { "half.example", TYPE_A, "127.0.0.6" },
        { "half.example", TYPE_AAAA, "SILENT" },
        { "odd.example", TYPE_A, "127.0.0.7" },
        { "odd.example", TYPE_AAAA, "SERVFAIL" },
        { "unknown.example", TYPE_AAAA, "SERVFAIL" },
        { "broken.example", TYPE_ANY, "SERVFAIL" },
        { "slow.example", TYPE_ANY, "SILENT" },
        { 0 },
};

static struct dns_server *server;

static struct dns *dns;
static int results, expected;
static char told[4096];

static void
tell(const char *text)
{
        strncat(told, text, sizeof(told) - strlen(told) - 1);
        if (++results == expected) {
                dns_free(&dns);
                worker_stop(worker_here());
        }
}

static const char *const outcomes[] = { "found", "none", "failed", "cancelled" };

static int
compare_texts(const void *a, const void *b)
{
        return strcmp(a, b);
}

struct later {
        struct letter letter;
        char text[400];
};

static void
open_later(struct letter *letter)
{
        struct later *later = container_of(letter, struct later, letter);

        tell(later->text);
        mem_free(later);
}

/* dns_free may not run inside a callback, so telling waits for a letter. */
static void
tell_later(const char *text)
{
        struct later *later = MEM_NEW(later);

        later->letter.open = open_later;
        snprintf(later->text, sizeof(later->text), "%s", text);
        worker_post(worker_here(), &later->letter);
}

static void
note_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        char text[400], lines[8][ADDRESS_TEXT];
        int n = snprintf(text, sizeof(text), "%s: %s", (const char *)owner, outcomes[outcome]);

        for (size_t i = 0; i < count && i < 8; i++)
                address_format(lines[i], &addresses[i]);
        qsort(lines, count, sizeof(lines[0]), compare_texts);
        for (size_t i = 0; i < count && i < 8; i++)
                n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", lines[i]);
        snprintf(text + n, sizeof(text) - (size_t)n, "\n");
        tell_later(text);
}

static void
note_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        char text[400];
        int n = snprintf(text, sizeof(text), "%s: %s", (const char *)owner, outcomes[outcome]);

        for (size_t i = 0; i < count; i++)
                n += snprintf(text + n, sizeof(text) - (size_t)n, " %s:%u", targets[i].host, targets[i].port);
        snprintf(text + n, sizeof(text) - (size_t)n, "\n");
        tell_later(text);
}

static void (*questions)(void);

static void
open_questions(struct letter *letter)
{
        const char *servers[] = { dns_server_address(server) };
        struct err err;

        dns = dns_new(servers, 1, &err);
        assert_non_null(dns);
        questions();
}

static void
ask(void (*what)(void), int answers)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = open_questions };

        told[0] = '\0';
        results = 0;
        expected = answers;
        questions = what;
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
}

static void
ask_targets(void)
{
        dns_lookup_srv(dns, "_xmpp-server._tcp.verona.example", note_targets, "verona");
}

static void
finds_targets_in_order(void **state)
{
        ask(ask_targets, 1);
        assert_string_equal(told, "verona: found xmpp.verona.example:5269 backup.verona.example:5270\n");
}

static void
ask_closed(void)
{
        dns_lookup_srv(dns, "_xmpp-server._tcp.closed.example", note_targets, "closed");
}

static void
a_dot_means_not_offered(void **state)
{
        ask(ask_closed, 1);
        assert_string_equal(told, "closed: found\n");
}

static void
ask_failures(void)
{
        dns_lookup_srv(dns, "_xmpp-server._tcp.nowhere.example", note_targets, "srv");
}

static void
ask_broken(void)
{
        dns_lookup(dns, "broken.example", 1, note_addresses, "broken");
}

static void
no_such_name_is_not_the_same_as_a_broken_server(void **state)
{
        ask(ask_failures, 1);
        assert_string_equal(told, "srv: none\n");
        ask(ask_broken, 1);
        assert_string_equal(told, "broken: failed\n");
}

static void
ask_addresses(void)
{
        dns_lookup(dns, "xmpp.verona.example", 5269, note_addresses, "name");
}

static void
finds_both_families(void **state)
{
        ask(ask_addresses, 1);
        assert_string_equal(told, "name: found 127.0.0.2:5269 [2001:db8::7]:5269\n");
}

static void
ask_literals(void)
{
        assert_null(dns_lookup(dns, "192.0.2.7", 5061, note_addresses, "v4"));
        assert_null(dns_lookup(dns, "[::1]", 5061, note_addresses, "v6"));
        assert_null(dns_lookup(dns, "", 1, note_addresses, "empty"));
}

static void
literals_need_no_server(void **state)
{
        int before = dns_server_asked(server);

        ask(ask_literals, 3);
        assert_string_equal(told, "v4: found 192.0.2.7:5061\nv6: found [::1]:5061\nempty: none\n");
        assert_int_equal(dns_server_asked(server), before);
}

static void
ask_again(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        assert_null(dns_lookup(dns, "xmpp.verona.example", 1, note_addresses, "kept"));
}

static void
ask_twice(void)
{
        dns_lookup(dns, "xmpp.verona.example", 2, ask_again, NULL);
}

static void
answers_are_kept(void **state)
{
        int before = dns_server_asked(server);

        ask(ask_twice, 1);
        assert_string_equal(told, "kept: found 127.0.0.2:1 [2001:db8::7]:1\n");
        assert_int_equal(dns_server_asked(server), before + 2); /* A and AAAA, once */
}

static void
ask_and_leave(void)
{
        struct dns_query *query = dns_lookup(dns, "xmpp.verona.example", 1, note_addresses, "never");

        dns_cancel(&query);
        dns_lookup_srv(dns, "_xmpp-server._tcp.verona.example", note_targets, "left");
        dns_free(&dns);
}

static void
pending_queries_are_cancelled(void **state)
{
        ask(ask_and_leave, 1);
        assert_string_equal(told, "left: cancelled\n");
}

static void
ask_alias(void)
{
        dns_lookup(dns, "alias.verona.example", 5269, note_addresses, "alias");
}

static void
follows_an_alias(void **state)
{
        ask(ask_alias, 1);
        assert_string_equal(told, "alias: found 127.0.0.2:5269 [2001:db8::7]:5269\n");
}

static uint64_t began, took;

static void
note_time(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        took = clock_mono_ms() - began;
        note_addresses(owner, outcome, addresses, count);
}

static void
ask_half(void)
{
        began = clock_mono_ms();
        dns_lookup(dns, "half.example", 1, note_time, "half");
}

static void
one_family_does_not_wait_long_for_the_other(void **state)
{
        ask(ask_half, 1);
        assert_string_equal(told, "half: found 127.0.0.6:1\n");
        assert_in_range(took, 150, 900);
}

static void
ask_odd(void)
{
        dns_lookup(dns, "odd.example", 1, note_addresses, "odd");
}

static void
ask_unknown(void)
{
        dns_lookup(dns, "unknown.example", 1, note_addresses, "unknown");
}

static void
a_failure_of_one_family_is_not_the_absence_of_both(void **state)
{
        ask(ask_odd, 1);
        assert_string_equal(told, "odd: found 127.0.0.7:1\n");
        ask(ask_unknown, 1);
        assert_string_equal(told, "unknown: failed\n");
}

static void
ask_short(void)
{
        dns_lookup(dns, "xmpp.verona", 1, note_addresses, "short");
}

static void
names_are_complete(void **state)
{
        setenv("LOCALDOMAIN", "example", 1); /* a search list */
        ask(ask_short, 1);
        unsetenv("LOCALDOMAIN");
        assert_string_equal(told, "short: none\n");
}

/* Asks the same again, from a letter, as often as this says. */
static int rounds;
static const char *again_name;
static struct timer pause_before;
static unsigned pause_ms;

static void ask_round(struct timer *timer);

static void
next_round(void)
{
        if (--rounds > 0)
                timer_start(&pause_before, pause_ms, ask_round);
        else
                tell_later("done\n");
}

static void
see_round(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        next_round();
}

static void
ask_round(struct timer *timer)
{
        dns_lookup(dns, again_name, 1, see_round, NULL);
}

static void
ask_rounds(void)
{
        ask_round(NULL);
}

static int
queries_for(const char *name, int times, unsigned ms)
{
        int before = dns_server_asked(server);

        again_name = name;
        rounds = times;
        pause_ms = ms;
        ask(ask_rounds, 1);
        return dns_server_asked(server) - before;
}

static void
that_there_is_no_such_name_is_kept_too(void **state)
{
        assert_int_equal(queries_for("nowhere.example", 5, 1), 2); /* A and AAAA */
}

static void
an_answer_ends_with_its_ttl(void **state)
{
        assert_int_equal(queries_for("brief.verona.example", 2, 1300), 4);
        assert_int_equal(queries_for("brief.verona.example", 2, 1), 2);
}

static void
a_failure_is_not_kept(void **state)
{
        int one = queries_for("broken.example", 1, 0);

        assert_true(one > 0);
        assert_int_equal(queries_for("broken.example", 2, 1), 2 * one);
}

static const struct dns_record other_zone[] = {
        { "slow.example", TYPE_A, "127.0.0.4" },
        { "xmpp.verona.example", TYPE_A, "127.0.0.5" },
        { 0 },
};
static struct dns_server *other_server;

static void
ask_elsewhere(void)
{
        const char *servers[] = { dns_server_address(other_server) };

        dns_lookup(dns, "slow.example", 1, note_addresses, "before");
        dns_lookup(dns, "xmpp.verona.example", 1, note_addresses, "at the old ones");
        dns_use(dns, servers, 1);
        dns_lookup(dns, "slow.example", 1, note_addresses, "after");
}

/* The old servers say nothing, which is why there are new ones: who asks now must not wait for who asked before. */
static void
new_servers_are_asked_at_once(void **state)
{
        other_server = dns_server_start(other_zone);
        ask(ask_elsewhere, 3);
        const char *after = strstr(told, "after: found 127.0.0.4:1\n"), *before = strstr(told, "before: failed\n");
        assert_non_null(after);
        assert_non_null(before);
        assert_true(after < before);
        dns_server_stop(&other_server);
}

static void
ask_kept(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        dns_lookup(dns, "xmpp.verona.example", 1, note_addresses, "now");
}

static void
ask_while_servers_change(void)
{
        const char *servers[] = { dns_server_address(other_server) };

        dns_lookup(dns, "xmpp.verona.example", 1, ask_kept, NULL);
        dns_use(dns, servers, 1);
}

static void
what_old_servers_still_say_is_not_kept(void **state)
{
        other_server = dns_server_start(other_zone);
        ask(ask_while_servers_change, 1);
        assert_string_equal(told, "now: found 127.0.0.5:1\n");
        dns_server_stop(&other_server);
}

static int
start_server(void **state)
{
        server = dns_server_start(zone);
        return 0;
}

static int
stop_server(void **state)
{
        dns_server_stop(&server);
        return 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lower_priorities_come_first),
                cmocka_unit_test(heavier_targets_are_drawn_more_often),
                cmocka_unit_test(equal_weights_share_evenly),
                cmocka_unit_test(finds_targets_in_order),
                cmocka_unit_test(a_dot_means_not_offered),
                cmocka_unit_test(no_such_name_is_not_the_same_as_a_broken_server),
                cmocka_unit_test(finds_both_families),
                cmocka_unit_test(literals_need_no_server),
                cmocka_unit_test(answers_are_kept),
                cmocka_unit_test(pending_queries_are_cancelled),
                cmocka_unit_test(follows_an_alias),
                cmocka_unit_test(one_family_does_not_wait_long_for_the_other),
                cmocka_unit_test(a_failure_of_one_family_is_not_the_absence_of_both),
                cmocka_unit_test(names_are_complete),
                cmocka_unit_test(that_there_is_no_such_name_is_kept_too),
                cmocka_unit_test(an_answer_ends_with_its_ttl),
                cmocka_unit_test(a_failure_is_not_kept),
                cmocka_unit_test(new_servers_are_asked_at_once),
                cmocka_unit_test(what_old_servers_still_say_is_not_kept),
        };
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
