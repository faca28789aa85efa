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
static const struct section_rule inside[] = { FEDERATION_SECTIONS("not built", NULL), { 0 } };
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
warns_of_a_route_that_nothing_uses(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct config *config = read_text("sip-route \".com.partner.*\" { hop h { } }", &errors, &warnings);

        expect_lines(&warnings, ":1: sip-route \".com.partner.*\" is not used: no sip-domain is \"partner.com\" or below it\n");
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
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
                cmocka_unit_test(warns_of_a_route_that_nothing_uses),
        };
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
