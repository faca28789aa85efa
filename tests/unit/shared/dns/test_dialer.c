/*
 * From a domain to a connection: which targets are tried, in which order, when, and what is said of them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/dns/dialer.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "tests/unit/shared/dns/dns_server.h"
#include "tests/unit/shared/loop/doors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLAIN  "_xmpp-server._tcp.rome.example"
#define DIRECT "_xmpps-server._tcp.rome.example"

/* ---- the world ---- */

static struct dns_server *server;
static struct dns_record zone[64];
static char data[64][128];
static size_t records;

static struct door doors[64];
static const char *door_names[64];
static size_t door_count;

static void
publish(const char *name, int type, const char *text)
{
        dns_server_lock(server);
        snprintf(data[records], sizeof(data[0]), "%s", text);
        zone[records] = (struct dns_record){ name, type, data[records] };
        records++;
        dns_server_unlock(server);
}

static void
srv(const char *service, unsigned priority, unsigned weight, uint16_t port, const char *host)
{
        char text[128];

        snprintf(text, sizeof(text), "%u %u %u %s", priority, weight, port, host);
        publish(service, TYPE_SRV, text);
}

/* Its port. */
static uint16_t
door(const char *name, enum door_kind kind, const char *host, uint16_t port)
{
        assert_true(door_make(&doors[door_count], kind, host, port));
        door_names[door_count] = name;
        return address_port(&doors[door_count++].address);
}

static bool
has_ipv6(void)
{
        struct door found;

        if (!door_make(&found, DOOR_OPEN, "::1", 0))
                return false;
        door_remove(&found);
        return true;
}

static const char *
door_name(const struct address *address)
{
        for (size_t i = 0; i < door_count; i++)
                if (address_same_host(&doors[i].address, address) && address_port(&doors[i].address) == address_port(address))
                        return door_names[i];
        return "elsewhere";
}

/* ---- the owner ---- */

static struct plan {
        const char *domain;
        uint16_t port;
        int failures; /* so many connections come to nothing */
        bool is_plain_only, is_again, frees_when_connected;
        int cancel_ms; /* 0: it is not given up */
} plan;

static struct dns *dns;
static struct dialer *dialer;
static struct timer cancel, rest;
static uint64_t began, took;
static struct buf told, notes;
static enum dialer_end end;
static char why[1024];
static bool is_inside;

static void
stop(struct timer *timer)
{
        timer_stop(&cancel);
        dialer_free(&dialer);
        dns_free(&dns);
        worker_stop(worker_here());
}

static void
finish(void)
{
        took = clock_mono_ms() - began;
        timer_start(&rest, 10, stop);
}

static void
see_connected(void *owner, int fd, const struct dialer_target *target, const struct address *address)
{
        assert_false(is_inside);
        buf_printf(&told, "%s%s%s ", door_name(address), target->is_direct ? "*" : "", target->from_srv ? "" : "?");
        close(fd);
        if (plan.frees_when_connected)
                dialer_free(&dialer);
        if (plan.failures-- <= 0) {
                finish();
                return;
        }
        is_inside = true;
        if (plan.is_again)
                dialer_again(dialer);
        else
                dialer_next(dialer);
        is_inside = plan.is_again = false;
}

static void
see_exhausted(void *owner, enum dialer_end outcome, const char *text)
{
        assert_false(is_inside);
        end = outcome;
        snprintf(why, sizeof(why), "%s", text);
        buf_puts(&told, "end");
        dialer_free(&dialer);
        finish();
}

static void
see_noted(void *owner, enum dialer_end what, bool is_good, const char *text)
{
        assert_false(is_inside);
        buf_printf(&notes, "%s%s\n", is_good ? "" : "! ", text);
}

static void
give_up(struct timer *timer)
{
        dialer_free(&dialer);
        timer_start(&rest, 50, stop);
}

static const struct dialer_events events = { see_connected, see_exhausted, see_noted };

static void
begin(struct letter *letter)
{
        const char *servers[] = { dns_server_address(server) };
        struct dialer_rules rules = {
                .domain = plan.domain,
                .service = "_xmpp-server._tcp",
                .direct_service = plan.is_plain_only ? NULL : "_xmpps-server._tcp",
                .port = plan.port,
        };

        dns = dns_new(servers, 1, NULL);
        assert_non_null(dns);
        began = clock_mono_ms();
        is_inside = true;
        dialer = dialer_new(dns, &rules, &events, NULL);
        is_inside = false;
        if (plan.cancel_ms > 0)
                timer_start(&cancel, (uint64_t)plan.cancel_ms, give_up);
        else if (plan.cancel_ms < 0)
                give_up(NULL);
}

static const char *
dial(struct plan wish)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = begin };

        plan = wish;
        if (plan.domain == NULL)
                plan.domain = "rome.example";
        if (plan.port == 0)
                plan.port = 5269;
        buf_clear(&told);
        buf_clear(&notes);
        end = DIALER_EXHAUSTED;
        why[0] = '\0';
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        return buf_text(&told);
}

static int
set_up(void **state)
{
        memset(zone, 0, sizeof(zone));
        records = 0;
        server = dns_server_start(zone);
        publish("a.example", TYPE_A, "127.0.0.1");
        publish("b.example", TYPE_A, "127.0.0.2");
        publish("c.example", TYPE_A, "127.0.0.3");
        return 0;
}

static int
tear_down(void **state)
{
        dns_server_stop(&server);
        while (door_count > 0)
                door_remove(&doors[--door_count]);
        buf_free(&told);
        buf_free(&notes);
        return 0;
}

/* ---- targets ---- */

static void
targets_are_tried_by_priority(void **state)
{
        srv(PLAIN, 30, 0, door("third", DOOR_OPEN, "127.0.0.3", 0), "c.example");
        srv(PLAIN, 10, 0, door("first", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        srv(PLAIN, 20, 0, door("second", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ 0 }), "first ");
        assert_string_equal(dial((struct plan){ .failures = 9 }), "first second third end");
        assert_int_equal(end, DIALER_EXHAUSTED);
}

static void
both_services_are_one_list(void **state)
{
        srv(DIRECT, 10, 0, door("second", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        srv(DIRECT, 30, 0, door("fourth", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        srv(PLAIN, 5, 0, door("first", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        srv(PLAIN, 20, 0, door("third", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ .failures = 9 }), "first second* third fourth* end");
        assert_string_equal(dial((struct plan){ .failures = 9, .is_plain_only = true }), "first third end");
}

/* XEP-0368 3: "all priorities and weights are mixed". */
static void
weights_are_drawn_across_the_services(void **state)
{
        int direct = 0, rounds = 60;

        srv(DIRECT, 10, 50, door("direct", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        srv(PLAIN, 10, 50, door("plain", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        for (int i = 0; i < rounds; i++)
                direct += dial((struct plan){ 0 })[0] == 'd';
        assert_in_range(direct, 5, rounds - 5);
}

static void
a_refusal_leads_to_the_next_at_once(void **state)
{
        srv(PLAIN, 10, 0, door("dead", DOOR_REFUSES, "127.0.0.1", 0), "a.example");
        srv(PLAIN, 20, 0, door("alive", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
        assert_in_range(took, 0, 500);
}

static void
silence_leads_to_the_next_in_three_seconds(void **state)
{
        srv(PLAIN, 10, 0, door("silent", DOOR_SILENT, "127.0.0.1", 0), "a.example");
        srv(PLAIN, 20, 0, door("alive", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
        assert_in_range(took, 2900, 3900);
}

static void
a_target_without_address_is_passed_over(void **state)
{
        srv(PLAIN, 10, 0, 5269, "nowhere.example");
        srv(PLAIN, 20, 0, door("alive", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
        assert_non_null(strstr(buf_text(&notes), "! nowhere.example: there is no such name, or it has no address\n"));
}

static void
the_last_failure_is_told(void **state)
{
        char expected[100], text[ADDRESS_TEXT];

        srv(PLAIN, 10, 0, 5269, "nowhere.example");
        srv(PLAIN, 20, 0, door("dead", DOOR_REFUSES, "127.0.0.2", 0), "b.example");
        snprintf(expected, sizeof(expected), "%s: refused", address_format(text, &doors[0].address));
        assert_string_equal(dial((struct plan){ 0 }), "end");
        assert_int_equal(end, DIALER_REFUSED);
        assert_string_equal(why, expected);
}

static void
many_targets_are_bounded(void **state)
{
        size_t attempts = 0;

        for (unsigned i = 0; i < 30; i++) /* half of them to each service: an answer over UDP has no room for more */
                srv(i % 2 == 0 ? PLAIN : DIRECT, i, 0, door("dead", DOOR_REFUSES, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ 0 }), "end");
        for (const char *at = buf_text(&notes); (at = strstr(at, ": refused")) != NULL; at++)
                attempts++;
        assert_int_equal(attempts, 16);
}

/* ---- what SRV records say, and do not say ---- */

static void
a_dot_means_not_offered(void **state)
{
        uint16_t port = door("itself", DOOR_OPEN, "127.0.0.1", 0);

        publish("rome.example", TYPE_A, "127.0.0.1");
        srv(PLAIN, 0, 0, 0, ".");
        assert_string_equal(dial((struct plan){ .port = port }), "end");
        assert_int_equal(end, DIALER_NOT_OFFERED);
        srv(DIRECT, 0, 0, 0, ".");
        assert_string_equal(dial((struct plan){ .port = port }), "end");
        assert_int_equal(end, DIALER_NOT_OFFERED);
        assert_string_equal(why, PLAIN ": the target is \".\": the domain does not offer this service");
}

static void
a_dot_denies_only_its_own_service(void **state)
{
        srv(PLAIN, 0, 0, 0, ".");
        srv(DIRECT, 0, 0, door("direct", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ 0 }), "direct* ");
        assert_string_equal(dial((struct plan){ .is_plain_only = true }), "end");
}

static void
a_dot_for_direct_tls_leaves_the_domain_itself(void **state)
{
        publish("rome.example", TYPE_A, "127.0.0.1");
        srv(DIRECT, 0, 0, 0, ".");
        assert_string_equal(dial((struct plan){ .port = door("itself", DOOR_OPEN, "127.0.0.1", 0) }), "itself? ");
}

static void
without_srv_it_is_the_domain_itself(void **state)
{
        publish("rome.example", TYPE_A, "127.0.0.1");
        assert_string_equal(dial((struct plan){ .port = door("itself", DOOR_OPEN, "127.0.0.1", 0) }), "itself? ");
}

static void
no_name_at_all(void **state)
{
        assert_string_equal(dial((struct plan){ 0 }), "end");
        assert_int_equal(end, DIALER_NO_NAME);
        assert_string_equal(why, "rome.example: there is no such name, or it has neither SRV records nor an address");
}

static void
a_literal_address_is_a_domain_too(void **state)
{
        int before = dns_server_asked(server);

        assert_string_equal(
                dial((struct plan){ .domain = "127.0.0.1", .port = door("itself", DOOR_OPEN, "127.0.0.1", 0) }), "itself? ");
        assert_int_equal(dns_server_asked(server), before);
        if (has_ipv6())
                assert_string_equal(dial((struct plan){ .domain = "[::1]", .port = door("v6", DOOR_OPEN, "::1", 0) }), "v6? ");
}

/* RFC 2782: the address records of the domain are for the case that there is no SRV record, which nobody knows here. */
static void
a_failing_lookup_is_not_an_answer(void **state)
{
        uint16_t port = door("itself", DOOR_OPEN, "127.0.0.1", 0);

        publish("rome.example", TYPE_A, "127.0.0.1");
        publish(PLAIN, TYPE_SRV, "SERVFAIL");
        assert_string_equal(dial((struct plan){ .port = port }), "end");
        assert_int_equal(end, DIALER_DNS_FAILED);
        assert_string_equal(why, PLAIN ": DNS gave no answer; without the SRV records nothing is tried");
        publish(DIRECT, TYPE_SRV, "SERVFAIL");
        assert_string_equal(dial((struct plan){ .port = port }), "end");
        assert_int_equal(end, DIALER_DNS_FAILED);
}

static void
one_failing_service_leaves_the_other(void **state)
{
        publish(DIRECT, TYPE_SRV, "SERVFAIL");
        srv(PLAIN, 10, 0, door("alive", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
}

static void
one_silent_service_is_awaited_for_a_second(void **state)
{
        publish(DIRECT, TYPE_SRV, "SILENT");
        srv(PLAIN, 10, 0, door("alive", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
        assert_in_range(took, 950, 1900);
}

static void
a_failing_lookup_of_an_address_leads_to_the_next(void **state)
{
        publish("broken.example", TYPE_ANY, "SERVFAIL");
        srv(PLAIN, 10, 0, 5269, "broken.example");
        srv(PLAIN, 20, 0, door("alive", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
        assert_non_null(strstr(buf_text(&notes), "! broken.example: DNS gave no answer\n"));
}

/* ---- addresses ---- */

static void
ipv6_alone_will_do(void **state)
{
        if (!has_ipv6())
                skip();
        publish("six.example", TYPE_AAAA, "::1");
        srv(PLAIN, 10, 0, door("six", DOOR_OPEN, "::1", 0), "six.example");
        assert_string_equal(dial((struct plan){ 0 }), "six ");
}

static void
silent_ipv6_does_not_hold_up_ipv4(void **state)
{
        if (!has_ipv6())
                skip();
        uint16_t port = door("six", DOOR_SILENT, "::1", 0);
        door("four", DOOR_OPEN, "127.0.0.1", port);
        publish("both.example", TYPE_AAAA, "::1");
        publish("both.example", TYPE_A, "127.0.0.1");
        srv(PLAIN, 10, 0, port, "both.example");
        assert_string_equal(dial((struct plan){ 0 }), "four ");
        assert_in_range(took, 240, 600);
}

static void
a_later_failure_leads_to_the_next_address(void **state)
{
        if (!has_ipv6())
                skip();
        uint16_t port = door("six", DOOR_OPEN, "::1", 0);
        door("four", DOOR_OPEN, "127.0.0.1", port);
        publish("both.example", TYPE_AAAA, "::1");
        publish("both.example", TYPE_A, "127.0.0.1");
        srv(PLAIN, 10, 0, port, "both.example");
        srv(PLAIN, 20, 0, door("backup", DOOR_OPEN, "127.0.0.2", 0), "b.example");
        assert_string_equal(dial((struct plan){ .failures = 9 }), "six four backup end");
        assert_string_equal(dial((struct plan){ .failures = 9, .is_again = true }), "six six four backup end");
}

static void
an_alias_is_followed(void **state)
{
        publish("alias.example", TYPE_CNAME, "a.example");
        srv(PLAIN, 10, 0, door("alive", DOOR_OPEN, "127.0.0.1", 0), "alias.example");
        assert_string_equal(dial((struct plan){ 0 }), "alive ");
}

/* ---- for the administrator ---- */

static void
each_step_is_noted(void **state)
{
        char expected[1000], dead[ADDRESS_TEXT], alive[ADDRESS_TEXT];
        uint16_t first = door("dead", DOOR_REFUSES, "127.0.0.1", 0), second = door("alive", DOOR_OPEN, "127.0.0.2", 0);

        srv(PLAIN, 20, 5, second, "b.example");
        srv(PLAIN, 10, 0, first, "a.example");
        dial((struct plan){ 0 });
        snprintf(expected, sizeof(expected),
                PLAIN ": 10 0 %u a.example, 20 5 %u b.example\n" DIRECT ": none\n"
                      "a.example: 127.0.0.1\n! %s: refused\nb.example: 127.0.0.2\n%s\n",
                first, second, address_format(dead, &doors[0].address), address_format(alive, &doors[1].address));
        assert_string_equal(buf_text(&notes), expected);
}

/* ---- giving up ---- */

static void
can_be_given_up_at_any_time(void **state)
{
        static const int times[] = { -1, 1, 5, 20, 150, 400 };

        publish("slow.example", TYPE_ANY, "SILENT");
        publish("_xmpp-server._tcp.slow-srv.example", TYPE_SRV, "SILENT");
        publish("_xmpp-server._tcp.slow-name.example", TYPE_SRV, "0 0 5269 slow.example");
        srv(PLAIN, 10, 0, door("silent", DOOR_SILENT, "127.0.0.1", 0), "a.example");
        for (size_t i = 0; i < array_len(times); i++) {
                assert_string_equal(dial((struct plan){ .domain = "slow-srv.example", .cancel_ms = times[i] }), "");
                assert_string_equal(dial((struct plan){ .domain = "slow-name.example", .cancel_ms = times[i] }), "");
                assert_string_equal(dial((struct plan){ .cancel_ms = times[i] }), "");
        }
}

static void
may_be_freed_when_connected(void **state)
{
        srv(PLAIN, 10, 0, door("alive", DOOR_OPEN, "127.0.0.1", 0), "a.example");
        assert_string_equal(dial((struct plan){ .frees_when_connected = true }), "alive ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(targets_are_tried_by_priority),
                TEST(both_services_are_one_list),
                TEST(weights_are_drawn_across_the_services),
                TEST(a_refusal_leads_to_the_next_at_once),
                TEST(silence_leads_to_the_next_in_three_seconds),
                TEST(a_target_without_address_is_passed_over),
                TEST(the_last_failure_is_told),
                TEST(many_targets_are_bounded),
                TEST(a_dot_means_not_offered),
                TEST(a_dot_denies_only_its_own_service),
                TEST(a_dot_for_direct_tls_leaves_the_domain_itself),
                TEST(without_srv_it_is_the_domain_itself),
                TEST(no_name_at_all),
                TEST(a_literal_address_is_a_domain_too),
                TEST(a_failing_lookup_is_not_an_answer),
                TEST(one_failing_service_leaves_the_other),
                TEST(one_silent_service_is_awaited_for_a_second),
                TEST(a_failing_lookup_of_an_address_leads_to_the_next),
                TEST(ipv6_alone_will_do),
                TEST(silent_ipv6_does_not_hold_up_ipv4),
                TEST(a_later_failure_leads_to_the_next_address),
                TEST(an_alias_is_followed),
                TEST(each_step_is_noted),
                TEST(can_be_given_up_at_any_time),
                TEST(may_be_freed_when_connected),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
