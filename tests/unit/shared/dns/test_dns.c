/*
 * The order of targets, and look-ups against a small DNS server that this test runs in a thread of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/mem.h"
#include "shared/dns/dns.h"
#include "shared/loop/worker.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- a DNS server of sixty lines ---- */

static int server_fd;
static _Atomic int asked;
static char server_name[40];

static size_t
put_name(unsigned char *at, const char *name)
{
        size_t len = 0;

        while (*name != '\0') {
                size_t label = strcspn(name, ".");
                at[len++] = (unsigned char)label;
                memcpy(at + len, name, label);
                len += label;
                name += label + (name[label] == '.');
        }
        at[len++] = 0;
        return len;
}

static size_t
put_record(unsigned char *at, int type, const void *data, size_t len)
{
        unsigned char head[12] = { 0xc0, 0x0c, (unsigned char)(type >> 8), (unsigned char)type, 0, 1, 0, 0, 0, 60,
                (unsigned char)(len >> 8), (unsigned char)len };

        memcpy(at, head, sizeof(head));
        memcpy(at + sizeof(head), data, len);
        return sizeof(head) + len;
}

static size_t
put_srv(unsigned char *at, int priority, int weight, int port, const char *target)
{
        unsigned char data[300] = { 0, (unsigned char)priority, 0, (unsigned char)weight, (unsigned char)(port >> 8),
                (unsigned char)port };

        return put_record(at, 33, data, 6 + put_name(data + 6, target));
}

static void *
serve(void *unused)
{
        unsigned char packet[1024], v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
        struct sockaddr_in from;
        char name[256];

        for (;;) {
                socklen_t from_len = sizeof(from);
                ssize_t len = recvfrom(server_fd, packet, 512, 0, (struct sockaddr *)&from, &from_len);
                if (len < 17)
                        return NULL; /* one byte: the end */
                asked++;
                size_t at = 12, n = 0;
                for (; packet[at] != 0; at += packet[at] + 1u)
                        n += (size_t)snprintf(
                                name + n, sizeof(name) - n, "%s%.*s", n > 0 ? "." : "", packet[at], (char *)packet + at + 1);
                int type = packet[at + 2];
                size_t end = at + 5;
                int answers = 0, code = 0;
                if (strcmp(name, "_xmpp-server._tcp.verona.example") == 0 && type == 33) {
                        end += put_srv(packet + end, 20, 0, 5270, "backup.verona.example");
                        end += put_srv(packet + end, 10, 5, 5269, "xmpp.verona.example");
                        answers = 2;
                } else if (strcmp(name, "_xmpp-server._tcp.closed.example") == 0 && type == 33) {
                        end += put_srv(packet + end, 0, 0, 0, "");
                        answers = 1;
                } else if (strcmp(name, "xmpp.verona.example") == 0 && type == 1) {
                        end += put_record(packet + end, 1, "\x7f\x00\x00\x02", 4);
                        answers = 1;
                } else if (strcmp(name, "xmpp.verona.example") == 0 && type == 28) {
                        end += put_record(packet + end, 28, v6, 16);
                        answers = 1;
                } else if (strstr(name, "broken") != NULL) {
                        code = 2;
                } else {
                        code = 3;
                }
                packet[2] = 0x84;
                packet[3] = (unsigned char)(0x80 | code);
                memset(packet + 6, 0, 6);
                packet[7] = (unsigned char)answers;
                sendto(server_fd, packet, end, 0, (struct sockaddr *)&from, from_len);
        }
}

/* ---- look-ups ---- */

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
        const char *servers[] = { server_name };
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
        int before = asked;

        ask(ask_literals, 3);
        assert_string_equal(told, "v4: found 192.0.2.7:5061\nv6: found [::1]:5061\nempty: none\n");
        assert_int_equal(asked, before);
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
        int before = asked;

        ask(ask_twice, 1);
        assert_string_equal(told, "kept: found 127.0.0.2:1 [2001:db8::7]:1\n");
        assert_int_equal(asked, before + 2); /* A and AAAA, once */
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

static pthread_t server_thread;

static int
start_server(void **state)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);

        server_fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (bind(server_fd, (struct sockaddr *)&address, len) < 0)
                return -1;
        getsockname(server_fd, (struct sockaddr *)&address, &len);
        snprintf(server_name, sizeof(server_name), "127.0.0.1:%d", ntohs(address.sin_port));
        return pthread_create(&server_thread, NULL, serve, NULL);
}

static int
stop_server(void **state)
{
        struct sockaddr_in address;
        socklen_t len = sizeof(address);

        getsockname(server_fd, (struct sockaddr *)&address, &len);
        sendto(server_fd, "", 1, 0, (struct sockaddr *)&address, len);
        pthread_join(server_thread, NULL);
        close(server_fd);
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
        };
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
