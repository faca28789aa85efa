/* federation.conf: what must hold between its sections. */
#include "shared/config/federation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct setting settings[] = {
        { "local-domains", SETTING_DOMAINS, "{ }", LIVE, "", NULL },
        { 0 },
};
#define PIN "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static const struct section_rule inside[] = { { .name = "component", .titled = true, .title_is_domain = true }, FEDERATION_SECTIONS,
        { 0 } };
static const struct section_rule rules = { .name = "", .settings = settings, .inside = inside };

static char path[] = "/tmp/test-federation-XXXXXX";

static void
check(const struct config *config, struct buf *errors, struct buf *warnings)
{
        struct federation_check *federation = federation_check_new(errors, warnings);
        const struct section *top = config_top(config);

        for (size_t i = 0; i < config_list_count(top, "local-domains"); i++)
                federation_claim(
                        federation, "local domain", config_list_item(top, "local-domains", i), section_place(top, "local-domains"));
        for (const struct section *at = NULL; (at = section_next(top, "component", at)) != NULL;)
                federation_claim(federation, "component", section_title(at), section_place(at, NULL));
        federation_check_all(federation, config);
        federation_check_free(&federation);
}

static struct config *
read_text(const char *text, struct buf *errors, struct buf *warnings)
{
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
        return config_read(path, &rules, check, errors, warnings);
}

/* The lines that are expected, each without the file before ":LINE". */
static void
expect_lines(struct buf *lines, const char *expected)
{
        struct buf plain = { 0 };
        const char *text = buf_text(lines);

        for (const char *hit; (hit = strstr(text, path)) != NULL; text = hit + strlen(path))
                buf_put(&plain, text, (size_t)(hit - text));
        buf_puts(&plain, text);
        assert_string_equal(buf_text(&plain), expected);
        buf_free(&plain);
}

static void
refuses_what_does_not_fit_together(void **state)
{
        static const struct {
                const char *text, *errors;
        } cases[] = {
                { "sip-domain \"a.example\" { type = lync }\nlocal-domains = { A.example }",
                        ":1: sip-domain \"a.example\" is in conflict with local domain \"a.example\" at :2: a domain belongs to one of them only\n" },
                { "xmpp-policy \"A.example\" { action = allow }\nsip-domain \"a.example\" { type = lync }",
                        ":1: xmpp-policy \"a.example\" allows a domain that is a sip-domain at :2: it is reached by XMPP or by SIP, not by both\n" },
                { "local-domains = { a.example }\nxmpp-peer \"A.example\" { }",
                        ":2: xmpp-peer \"a.example\" is in conflict with local domain \"a.example\" at :1: a peer is a domain of others, reached by XMPP federation\n" },
                { "xmpp-peer \"a.example\" { tls = none }\nsip-domain \"a.example\" { type = lync }",
                        ":1: xmpp-peer \"a.example\" is in conflict with sip-domain \"a.example\" at :2: a peer is a domain of others, reached by XMPP federation\n" },
                { "component \"a.example\" { }\nxmpp-peer \"a.example\" { }",
                        ":2: xmpp-peer \"a.example\" is in conflict with component \"a.example\" at :1: a peer is a domain of others, reached by XMPP federation\n" },
                { "component \"a.example\" { }\nxmpp-policy \"a.example\" { action = allow }",
                        ":2: xmpp-policy \"a.example\" allows a domain that is a component at :1: it is reached by that component or by XMPP federation, not by both\n" },
                { "xmpp-policy \"a.example\" { action = allow }\nxmpp-policy \"A.example\" { action = deny }",
                        ":2: xmpp-policy \"A.example\" is for the same name as xmpp-policy \"a.example\" at :1\n" },
                { "xmpp-policy \"*.a.example\" { action = allow direction = in }\nxmpp-policy \"*.A.example\" { action = deny direction = out }",
                        ":2: xmpp-policy \"*.A.example\" is for the same name as xmpp-policy \"*.a.example\" at :1\n" },
                { "xmpp-policy \"*\" { action = deny }",
                        ":1: xmpp-policy \"*\": expected a domain name or *.DOMAIN; xmpp-federation { default-policy } is for all others\n" },
                { "xmpp-federation {\n tls = none\n dialback = false }",
                        ":3: dialback = false and tls = none (:2): certificates need TLS, so no server could prove its domain: allow dialback or TLS\n" },
                { "xmpp-federation {\n sasl-external-in = false\n sasl-external-out = false\n dialback = false }",
                        ":4: dialback = false, sasl-external-in = false (:2) and sasl-external-out = false (:3): no server could prove its domain: allow one of them\n" },
                { "xmpp-federation {\n dialback = false }\nxmpp-peer a.example {\n tls = none }",
                        ":4: tls = none, but dialback = false (:2): certificates need TLS, so \"a.example\" could not prove its domain\n" },
                { "xmpp-peer a.example {\n pin = abc }",
                        ":2: pin: expected the SHA-256 of a certificate, 64 hexadecimal digits as `openssl x509 -noout -fingerprint -sha256` prints them\n" },
                { "xmpp-federation {\n tls = none }\nxmpp-peer a.example {\n pin = " PIN " }",
                        ":4: pin: with tls = none (:2) no certificate is ever seen\n" },
                { "xmpp-policy \"*.\" { action = allow }", ":1: xmpp-policy \"*.\": expected a domain name or *.DOMAIN\n" },
                { "sip-domain a.example { type = lync }\nsip-route \".example.a.*\" {\n hop h { transport = tcp } }",
                        ":3: hop \"h\" is tcp, but \"a.example\" is of type lync, which speaks TLS only (:1): expected transport = tls\n" },
                { "sip-domain a.example { type = aol }\nsip-route \"a.example\" {\n hop h { transport = tcp } }",
                        ":3: hop \"h\" is tcp, but \"a.example\" is of type aol, which speaks TLS only (:1): expected transport = tls\n" },
                { "sip-route \".com.aol.*\" { hop h { transport = tcp } }",
                        ":1: hop \"h\" is tcp, but \"aol.com\" is the default domain of AOL, which speaks TLS only (:1): expected transport = tls\n" },
                { "sip-domain a.example { type = ocs }\nsip-route \"a.example\" {\n hop h { transport = tcp } }",
                        ":3: hop \"h\" is tcp, but \"a.example\" is of type ocs without direct = true, so it speaks TLS only (:1): expected transport = tls\n" },
                { "sip-domain chat.a.example { type = lync }\nsip-route \".example.a.*\" {\n hop h { transport = tcp } }",
                        ":3: hop \"h\" is tcp, but \"chat.a.example\" is of type lync, which speaks TLS only (:1): expected transport = tls\n" },
                { "sip-route \".com.partner\" { hop h { } }",
                        ":1: sip-route \".com.partner\": expected a reversed pattern like \".com.partner.*\" or a domain name like \"partner.com\"\n" },
                { "sip-route \".com..*\" { hop h { } }",
                        ":1: sip-route \".com..*\": expected a reversed pattern like \".com.partner.*\" or a domain name like \"partner.com\"\n" },
                { "sip-route \".*\" { hop h { } }",
                        ":1: sip-route \".*\": expected a reversed pattern like \".com.partner.*\" or a domain name like \"partner.com\"\n" },
                { "sip-domain a.b.example { type = lync }\nsip-route a.b.example { hop h { } }\nsip-route .example.b.a.* { hop h { } }",
                        ":3: sip-route \".example.b.a.*\" is for the same domain as sip-route \"a.b.example\" at :2: put all hops into one\n" },
                { "sip-domain a.example { type = lync }\nsip-route a.example { }",
                        ":2: sip-route \"a.example\" leads nowhere: expected hop \"HOST\" { port = 5061 } in it\n" },
                { "sip-peer edge { domains = { a.example } }",
                        ":1: sip-peer \"edge\" is to speak for \"a.example\", which is no sip-domain: define it or leave it out\n" },
                { "sip-domain a.example { type = teams }", ":1: type: expected lync, ocs, aol or simple, found \"teams\"\n" },
                { "sip-domain a.example { }",
                        ":1: section sip-domain: type is missing: What runs there: lync, ocs, aol or simple.\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct buf errors = { 0 }, warnings = { 0 };
                assert_null(read_text(cases[i].text, &errors, &warnings));
                expect_lines(&errors, cases[i].errors);
                buf_free(&errors);
                buf_free(&warnings);
        }
}

static void
accepts_what_does(void **state)
{
        static const char *const good[] = {
                "xmpp-policy \"*.a.example\" { action = allow }\nsip-domain \"a.example\" { type = lync }",
                "xmpp-policy \"a.example\" { action = deny }\nsip-domain \"a.example\" { type = lync }",
                "xmpp-federation { default-policy = allow }\nsip-domain \"a.example\" { type = lync }",
                "component a.example { }\nxmpp-policy a.example { action = deny }\nxmpp-policy *.a.example { action = allow }",
                "xmpp-federation { enabled = false  tls = none  dialback = false }",
                "xmpp-federation { tls = none }\nxmpp-peer a.example { tls = required  pin = " PIN " }",
                "xmpp-federation { dialback = false  tls = required }\nxmpp-peer a.example { require-valid-certificates = false }",
                "local-domains = { a.example }\nsip-domain \"chat.a.example\" { type = simple }",
                "sip-domain a.example { type = ocs direct = true }\nsip-route a.example { hop h { transport = tcp } }",
                "sip-domain a.example { type = simple }\nsip-route a.example { hop h { transport = tcp } }",
                /* the longer pattern decides */
                "sip-domain a.example { type = simple }\nsip-domain b.a.example { type = lync }\n"
                "sip-route a.example { hop h { transport = tcp } }\nsip-route b.a.example { hop h { } }",
        };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct buf errors = { 0 }, warnings = { 0 };
                struct config *config = read_text(good[i], &errors, &warnings);
                expect_lines(&errors, "");
                assert_non_null(config);
                config_unref(&config);
                buf_free(&errors);
                buf_free(&warnings);
        }
}

static void
warns_of_what_has_no_effect(void **state)
{
        static const struct {
                const char *text, *warnings;
        } cases[] = {
                { "sip-route \".com.partner.*\" { hop h { } }",
                        ":1: sip-route \".com.partner.*\" is not used: no sip-domain is \"partner.com\" or below it\n" },
                { "local-domains = { a.example }\nxmpp-policy \"A.example\" { action = deny }",
                        ":2: xmpp-policy \"a.example\" has no effect: the name is ours, local domain at :1\n" },
                { "xmpp-federation {\n dialback = false\n sasl-external-in = false }",
                        ":2: dialback = false and sasl-external-in = false (:3): no other server can prove its domain to us\n" },
                { "xmpp-federation {\n dialback = false\n sasl-external-out = false }",
                        ":2: dialback = false and sasl-external-out = false (:3): we can prove our domains to no other server\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct buf errors = { 0 }, warnings = { 0 };
                struct config *config = read_text(cases[i].text, &errors, &warnings);
                expect_lines(&errors, "");
                expect_lines(&warnings, cases[i].warnings);
                config_unref(&config);
                buf_free(&errors);
                buf_free(&warnings);
        }
}

static void
reads_pins_as_tools_print_them(void **state)
{
        static const char colons[] =
                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        unsigned char plain[32], pin[32];

        assert_true(federation_read_pin(plain, PIN));
        assert_int_equal(plain[1], 0x11);
        assert_int_equal(plain[31], 0xff);
        assert_true(federation_read_pin(pin, colons));
        assert_memory_equal(pin, plain, 32);
        assert_false(federation_read_pin(pin, ""));
        assert_false(federation_read_pin(pin, PIN "0"));
        assert_false(federation_read_pin(pin, ":" PIN));
        assert_false(federation_read_pin(pin, PIN ":"));
        assert_false(federation_read_pin(pin, "0011"));
        assert_false(federation_read_pin(pin, "g0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"));
}

static int
make_file(void **state)
{
        int fd = mkstemp(path);
        return fd < 0 || close(fd) != 0;
}

static int
remove_file(void **state)
{
        return unlink(path);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(refuses_what_does_not_fit_together),
                cmocka_unit_test(accepts_what_does),
                cmocka_unit_test(warns_of_what_has_no_effect),
                cmocka_unit_test(reads_pins_as_tools_print_them),
        };
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
