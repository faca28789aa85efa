/* test_address.c - addresses, networks, and the head of the PROXY protocol */
#include "shared/base/mem.h"
#include "shared/loop/address.h"
#include "shared/loop/proxy.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void
a_network_holds_what_begins_like_it(void **state)
{
        static const struct {
                const char *network, *address;
                bool holds;
        } rows[] = {
                { "192.0.2.7", "192.0.2.7", true },
                { "192.0.2.7", "192.0.2.8", false },
                { "192.0.2.0/24", "192.0.2.255", true },
                { "192.0.2.0/24", "192.0.3.0", false },
                { "192.0.2.0/25", "192.0.2.128", false },
                { "192.0.2.0/24", "::ffff:192.0.2.9", true },
                { "0.0.0.0/0", "203.0.113.1", true },
                { "0.0.0.0/0", "2001:db8::1", false },
                { "2001:db8::/33", "2001:db8:7fff::1", true },
                { "2001:db8::/33", "2001:db8:8000::1", false },
                { "::/0", "2001:db8::1", true },
                { "[2001:db8::1]", "2001:db8::1", true },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct network network;
                struct address address;
                assert_true(network_parse(&network, rows[i].network));
                assert_true(address_from_host(&address, rows[i].address, 0));
                assert_int_equal(network_holds(&network, &address), rows[i].holds);
        }
}

static void
refuses_what_is_no_network(void **state)
{
        static const char *const rows[] = { "", "balancer", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.1/24",
                "2001:db8::/129", "192.0.2.0/24/1", "192.0.2/24" };
        struct network network;
        for (size_t i = 0; i < array_len(rows); i++)
                assert_false(network_parse(&network, rows[i]));
}

#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
        const char *bytes;
        size_t len;
        enum proxy_outcome outcome;
        size_t head_len;
        const char *source;
} heads[] = {
        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 41522 5061\r\nREST"), PROXY_DONE, 43, "192.0.2.7:41522" },
        { BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 41522 5061\r\n"), PROXY_DONE, 47, "[2001:db8::7]:41522" },
        { BYTES("PROXY UNKNOWN\r\nREST"), PROXY_DONE, 15, NULL },
        { BYTES("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), PROXY_DONE, 35, NULL },
        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 41522 5061\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 41522\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 41522 5061 7\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 65536 5061\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP4 2001:db8::7 192.0.2.1 41522 5061\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP6 192.0.2.7 2001:db8::1 41522 5061\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY TCP4 192.0.2.7\0 192.0.2.1 41522 5061\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("PROXY \r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("SUBSCRIBE sip:juliet@capulet.example SIP/2.0\r\n"), PROXY_BROKEN, 0, NULL },
        { BYTES("\x16\x03\x01"), PROXY_BROKEN, 0, NULL },
        { BYTES(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\xa2\x32\x13\xc5REST"), PROXY_DONE, 28, "192.0.2.7:41522" },
        { BYTES(SIGNATURE "\x21\x11\0\x10\xc0\0\2\7\xc0\0\2\1\xa2\x32\x13\xc5\4\0\1\0"), PROXY_DONE, 32, "192.0.2.7:41522" },
        { BYTES(SIGNATURE "\x21\x21\0\x24\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                          "\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xa2\x32\x13\xc5"),
                PROXY_DONE, 52, "[2001:db8::7]:41522" },
        { BYTES(SIGNATURE "\x20\0\0\0REST"), PROXY_DONE, 16, NULL },
        { BYTES(SIGNATURE "\x21\0\0\0"), PROXY_DONE, 16, NULL },
        { BYTES(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\7\xc0\0\2\1\xa2\x32\x13"), PROXY_BROKEN, 0, NULL },
        { BYTES(SIGNATURE "\x22\x11\0\x0c"), PROXY_BROKEN, 0, NULL },
        { BYTES(SIGNATURE "\x11\x11\0\x0c"), PROXY_BROKEN, 0, NULL },
        { BYTES(SIGNATURE "\x21\x31\0\xd8"), PROXY_BROKEN, 0, NULL },
        { BYTES(SIGNATURE "\x21\x11\xff\xff"), PROXY_BROKEN, 0, NULL },
};

static void
reads_a_proxy_head(void **state)
{
        for (size_t i = 0; i < array_len(heads); i++) {
                struct proxy_head head;
                char text[ADDRESS_TEXT];
                assert_int_equal(proxy_read(&head, heads[i].bytes, heads[i].len), heads[i].outcome);
                if (heads[i].outcome != PROXY_DONE)
                        continue;
                assert_int_equal(head.len, heads[i].head_len);
                assert_int_equal(head.has_source, heads[i].source != NULL);
                if (heads[i].source != NULL)
                        assert_string_equal(address_format(text, &head.source), heads[i].source);
        }
}

static void
waits_for_the_rest_of_a_proxy_head(void **state)
{
        struct proxy_head head;
        for (size_t i = 0; i < array_len(heads); i++)
                for (size_t len = 0; heads[i].outcome == PROXY_DONE && len < heads[i].head_len; len++) {
                        char *exact = mem_dup(heads[i].bytes, len);
                        assert_int_equal(proxy_read(&head, exact, len), PROXY_MORE);
                        mem_free(exact);
                }
        char line[200];
        memset(line, 'x', sizeof(line));
        memcpy(line, "PROXY ", 6);
        assert_int_equal(proxy_read(&head, line, 106), PROXY_MORE);
        assert_int_equal(proxy_read(&head, line, 107), PROXY_BROKEN);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_network_holds_what_begins_like_it),
                cmocka_unit_test(refuses_what_is_no_network),
                cmocka_unit_test(reads_a_proxy_head),
                cmocka_unit_test(waits_for_the_rest_of_a_proxy_head),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
