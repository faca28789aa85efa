/* SIP URIs, addresses and parameters from raw text. */
#include "shared/base/mem.h"
#include "sipcomp/sip/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int
open_arena(void **state)
{
        arena = arena_new(4096);
        return 0;
}

static int
close_arena(void **state)
{
        arena_free(&arena);
        return 0;
}

static void
reads_the_parts_of_a_uri(void **state)
{
        static const struct {
                const char *text, *user, *host, *parameters, *headers;
                unsigned port;
                enum sip_scheme scheme;
        } rows[] = {
                { "sip:alice@example.com", "alice", "example.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "SIPS:alice@Example.COM.:5061;transport=tls", "alice", "example.com", "transport=tls", NULL, 5061,
                        SIP_SCHEME_SIPS },
                { "sip:example.com", NULL, "example.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:user;day=tuesday@example.com", "user;day=tuesday", "example.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:alice:secret@example.com", "alice", "example.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:user(gmail.com)@aol.com", "user(gmail.com)", "aol.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:a%00b@example.com", "a%00b", "example.com", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:alice@[2001:DB8::1]:5060;lr", "alice", "2001:db8::1", "lr", NULL, 5060, SIP_SCHEME_SIP },
                { "sip:alice@192.0.2.7", "alice", "192.0.2.7", NULL, NULL, 0, SIP_SCHEME_SIP },
                { "sip:alice@example.com?From=sip:x@y.test&body=z", "alice", "example.com", NULL, "From=sip:x@y.test&body=z", 0,
                        SIP_SCHEME_SIP },
                { "sip:a@lync.test;opaque=user:epid:hYn-xd_I7vAAA;gruu", "a", "lync.test", "opaque=user:epid:hYn-xd_I7vAAA;gruu",
                        NULL, 0, SIP_SCHEME_SIP },
                { "tel:+12025550100", NULL, NULL, NULL, NULL, 0, SIP_SCHEME_OTHER },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_uri uri;
                if (!sip_uri_parse(&uri, arena, rows[i].text, strlen(rows[i].text)))
                        fail_msg("%s", rows[i].text);
                const char *pairs[][2] = { { uri.user, rows[i].user }, { uri.host, rows[i].host },
                        { uri.parameters, rows[i].parameters }, { uri.headers, rows[i].headers }, { uri.text, rows[i].text } };
                for (size_t j = 0; j < array_len(pairs); j++) {
                        if (pairs[j][1] == NULL)
                                assert_null(pairs[j][0]);
                        else
                                assert_string_equal(pairs[j][0], pairs[j][1]);
                }
                assert_int_equal(uri.port, rows[i].port);
                assert_int_equal(uri.scheme, rows[i].scheme);
        }
}

static void
refuses_what_is_no_uri(void **state)
{
        static const char *const texts[] = { "", "sip:", "sip", "alice@example.com", "sip:erin@simple.test@bank.test",
                "sip:@example.com", "sip:alice@", "sip:alice@exa mple.com", "sip:alice@example..com", "sip:alice@-\\.com",
                "sip:alice@example.com:0", "sip:alice@example.com:70000", "sip:alice@example.com:", "sip:alice@[::1",
                "sip:al%ice@example.com", "sip:al%4@example.com", "sip:al<ice@example.com", "sip:al\"ice@example.com",
                "sip:alice@example.com\r\nTo: x", "sip:alice@ex_ample.com", "sip:alice@b\xc3\xbc.de", "1:x y", "tel:" };
        for (size_t i = 0; i < array_len(texts); i++) {
                struct sip_uri uri;
                if (sip_uri_parse(&uri, arena, texts[i], strlen(texts[i])))
                        fail_msg("%s", texts[i]);
        }
        struct sip_uri uri;
        assert_false(sip_uri_parse(&uri, arena, "sip:alice@example.com\0x", 23));
}

static void
decodes_a_user_once_and_only_into_text(void **state)
{
        assert_string_equal(sip_uri_decode_user(arena, "a%20b%2540"), "a b%40");
        assert_string_equal(sip_uri_decode_user(arena, "gr%C3%BC%c3%9fe"),
                "gr\xc3\xbc\xc3\x9f"
                "e");
        static const char *const bad[] = { "a%00b", "a%0d%0ab", "%7f", "%C3", "%C0%AF", "%ED%A0%80", "a%", "a%4", "a%C2%85b" };
        for (size_t i = 0; i < array_len(bad); i++)
                assert_null(sip_uri_decode_user(arena, bad[i]));
}

static void
encodes_what_a_user_part_cannot_hold(void **state)
{
        assert_string_equal(sip_uri_encode_user(arena, "user(gmail.com)"), "user(gmail.com)");
        assert_string_equal(sip_uri_encode_user(arena, "d'artagnan@x y%:\"<>\\"), "d'artagnan%40x%20y%25%3A%22%3C%3E%5C");
        assert_string_equal(sip_uri_encode_user(arena, "gr\xc3\xbc"), "gr%C3%BC");
}

static void
compares_as_19_1_4_says(void **state)
{
        static const struct {
                const char *a, *b;
                bool equal;
        } rows[] = {
                { "sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true },
                { "sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true },
                { "sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true },
                { "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false },
                { "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true },
                { "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                        "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true },
                { "SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false },
                { "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false },
                { "sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false },
                { "sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false },
                { "sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false },
                { "sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false },
                { "sip:a%40b@x.test", "sip:a%40b@x.test", true },
                { "sip:bob@biloxi.com", "sips:bob@biloxi.com", false },
                { "sip:bob:pw@biloxi.com", "sip:bob@biloxi.com", false },
                { "tel:123", "tel:123", true },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_uri a, b;
                assert_true(sip_uri_parse(&a, arena, rows[i].a, strlen(rows[i].a)));
                assert_true(sip_uri_parse(&b, arena, rows[i].b, strlen(rows[i].b)));
                if (sip_uri_equal(&a, &b) != rows[i].equal || sip_uri_equal(&b, &a) != rows[i].equal)
                        fail_msg("%s %s", rows[i].a, rows[i].b);
        }
}

static void
reads_addresses(void **state)
{
        static const struct {
                const char *text, *display, *uri, *tag;
        } rows[] = {
                { "<sip:alice@example.com>", NULL, "sip:alice@example.com", NULL },
                { "\"Weber, Carol\" <sip:carol@lync.test>;epid=b84a;tag=1b28", "Weber, Carol", "sip:carol@lync.test", "1b28" },
                { "Carol Weber <sip:carol@lync.test> ; tag = 9", "Carol Weber", "sip:carol@lync.test", "9" },
                { "sip:carol@lync.test;tag=9;x=\"a;tag=b\"", NULL, "sip:carol@lync.test", "9" },
                { "\"a \\\"b\\\"\"<sip:c@d.test>", "a \"b\"", "sip:c@d.test", NULL },
                { "\"\xff\" <sip:c@d.test>;tag=1", NULL, "sip:c@d.test", "1" },
                { "<sip:e.test:5061;lr;ms-key-info=a+/=;opaque=state:F:C.R>;tag=33", NULL,
                        "sip:e.test:5061;lr;ms-key-info=a+/=;opaque=state:F:C.R", "33" },
                { "<tel:123>;tag=1", NULL, "tel:123", "1" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_address address;
                if (!sip_address_parse(&address, arena, rows[i].text, strlen(rows[i].text)))
                        fail_msg("%s", rows[i].text);
                if (rows[i].display != NULL)
                        assert_string_equal(address.display, rows[i].display);
                else
                        assert_null(address.display);
                assert_string_equal(address.uri.text, rows[i].uri);
                if (rows[i].tag != NULL)
                        assert_string_equal(address.tag, rows[i].tag);
                else
                        assert_null(address.tag);
        }
}

static void
refuses_what_is_no_address(void **state)
{
        static const char *const texts[] = { "", "<>", "<sip:>", "\"open <sip:a@b.test>", "Bell, Alexander <sip:a@b.test>",
                "<sip:a@b.test", "sip:a@b.test>", "<sip:a@b.test>;tag=1;tag=2", "<sip:a@b.test>x", "<sip:a@b.test>, <sip:c@d.test>",
                "sip:a@b.test, sip:c@d.test", "<sip:a@b.test>;tag=", "< sip:a@b.test>", "sip:a@b.test?x=y",
                "<sip:a@b.test>;tag=\"1\"", "*;x" };
        for (size_t i = 0; i < array_len(texts); i++) {
                struct sip_address address;
                if (sip_address_parse(&address, arena, texts[i], strlen(texts[i])))
                        fail_msg("%s", texts[i]);
        }
}

static void
splits_lists_at_the_right_commas(void **state)
{
        const char *at = "\"a, b\" <sip:a,b@c.test>;x=\"y,z\", <sip:d@e.test> ,, sip:f@g.test (h, i)";
        static const char *const parts[] = { "\"a, b\" <sip:a,b@c.test>;x=\"y,z\"", "<sip:d@e.test>", "", "sip:f@g.test (h, i)" };
        size_t len, n = 0;
        for (const char *part; (part = sip_list_next(&at, &len)) != NULL; n++) {
                assert_true(n < array_len(parts));
                assert_int_equal(len, strlen(parts[n]));
                assert_memory_equal(part, parts[n], len);
        }
        assert_int_equal(n, array_len(parts));
}

static void
finds_parameters(void **state)
{
        const char *value;
        assert_true(sip_parameter(arena, ";lr;Transport=tls; q = 0.5;x=\"a\\\"b;c\"", "transport", &value));
        assert_string_equal(value, "tls");
        assert_true(sip_parameter(arena, "lr;transport=tls", "LR", &value));
        assert_null(value);
        assert_true(sip_parameter(arena, ";q = 0.5;x=\"a\\\"b;c\"", "x", &value));
        assert_string_equal(value, "a\"b;c");
        assert_false(sip_parameter(arena, ";lrx", "lr", NULL));
        assert_false(sip_parameter(arena, NULL, "lr", NULL));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_the_parts_of_a_uri),
                cmocka_unit_test(refuses_what_is_no_uri),
                cmocka_unit_test(decodes_a_user_once_and_only_into_text),
                cmocka_unit_test(encodes_what_a_user_part_cannot_hold),
                cmocka_unit_test(compares_as_19_1_4_says),
                cmocka_unit_test(reads_addresses),
                cmocka_unit_test(refuses_what_is_no_address),
                cmocka_unit_test(splits_lists_at_the_right_commas),
                cmocka_unit_test(finds_parameters),
        };
        return cmocka_run_group_tests(tests, open_arena, close_arena);
}
