/* xmppd.conf: every key of the manual parses, what does not fit together is refused, and the snapshot says what is served. */
#include "xmppd/settings.h"

#include "xmppd/extend/extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/test-settings-XXXXXX";

static const struct extension ping = {
        .name = "ping",
        .settings = (const struct setting[]){ { "idle", SETTING_SECONDS, "300", LIVE, "Idle.", NULL }, { 0 } },
};
static const struct extension bare = { .name = "bare" };
static const struct extension *const extensions[] = { &ping, &bare, NULL };

static void
put_file(const char *name, const char *text)
{
        FILE *out = fopen(name, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
        chmod(name, 0600);
}

static struct snapshot *
load(const char *text, struct buf *errors, struct buf *warnings)
{
        put_file("xmppd.conf", text);
        return settings_load("xmppd.conf", errors, warnings);
}

static struct snapshot *
load_good(const char *text)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct snapshot *snapshot = load(text, &errors, &warnings);

        assert_string_equal(buf_text(&errors), "");
        assert_non_null(snapshot);
        buf_free(&errors);
        buf_free(&warnings);
        return snapshot;
}

static void
expect_errors(const char *text, const char *expected)
{
        struct buf errors = { 0 }, warnings = { 0 };

        assert_null(load(text, &errors, &warnings));
        assert_string_equal(buf_text(&errors), expected);
        buf_free(&errors);
        buf_free(&warnings);
}

static const char every_key[] =
        "domain \"Example.com\" { certificate = \"c.pem\" key = \"k.pem\" }\n"
        "state-dir = \"/var/lib/xmppd\"\n"
        "control   = \"/run/xmppd/control.sock\"\n"
        "sipcomp-control = \"/run/sipcomp/control.sock\"\n"
        "store { map-size = 65536 }\n"
        "workers   = 0\n"
        "c2s { listen = { \"[::]:5222\" } listen-tls = { \"[::]:5223\" } tls = required max-stanza = 262144 tls-min = \"1.2\" }\n"
        "s2s { listen = { \"[::]:5269\" } listen-tls = { } trust = \"/etc/ssl/certs\" tls-min = \"1.2\" tls-max = \"1.2\" }\n"
        "components { listen = { \"127.0.0.1:5347\" } secret = \"file:component.secret\" }\n"
        "component \"echo.example.com\" { secret = \"s\" }\n"
        "chat \"conference.example.com\" { aliases = { \"conference-2-cluster.example.com\" } }\n"
        "http { listen = { \"127.0.0.1:5280\" } }\n"
        "dns  { servers = { } }\n"
        "log  { level = info  format = text  target = stderr }\n"
        "ping { idle = 1 }\n"
        "include(\"federation.conf\")\n";

static const char every_key_of_federation[] =
        "xmpp-federation { enabled = true tls = optional require-valid-certificates = true sasl-external-in = true\n"
        "  sasl-external-out = true dialback = true dialback-secret = \"file:component.secret\" default-policy = allow }\n"
        "xmpp-policy \"*.example.net\" { action = deny  direction = both }\n"
        "xmpp-peer \"partner.org\" { tls = required  require-valid-certificates = false  pin = \"\" }\n"
        "sip-domain \"partner.com\" { type = lync  description = \"Partner Inc.\"  direct = false  shared-subscription = false }\n"
        "sip-route \".com.partner.*\" {\n"
        "    hop \"edge.partner.com\" { port = 5061  transport = tls  priority = 1  weight = 1 }\n"
        "    hop \"192.0.2.7\"        { port = 5061  transport = tls  priority = 2  weight = 1 } }\n"
        "sip-peer \"edge.partner.com\" { domains = { \"partner.com\" }  min-version = \"\"  ciphers = \"\" }\n"
        "aol { default-domain = \"aol.com\" }\n"
        "email { enabled = false  domains = { } }\n"
        "include(\"federation.d/*.conf\")\n";

static void
takes_every_key_of_the_manual(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("federation.conf", every_key_of_federation);
        put_file("component.secret", "sesame\n");
        struct snapshot *snapshot = load(every_key, &errors, &warnings);
        assert_string_equal(buf_text(&errors), "");
        const struct domain *domain = map_get_str(snapshot->domains, "partner.com");
        assert_int_equal(domain->kind, DOMAIN_COMPONENT);
        assert_true(domain->sip);
        assert_string_equal(domain->secret, "sesame");
        assert_string_equal(domain->description, "Partner Inc.");
        domain = map_get_str(snapshot->domains, "example.com");
        assert_int_equal(domain->kind, DOMAIN_LOCAL);
        domain = map_get_str(snapshot->domains, "echo.example.com");
        assert_int_equal(domain->kind, DOMAIN_COMPONENT);
        assert_false(domain->sip);
        assert_string_equal(domain->secret, "s");
        assert_int_equal(map_count(snapshot->domains), 3);
        assert_non_null(snapshot->c2s_tls);
        assert_int_equal(config_number(section_of(config_top(snapshot->config), "ping"), "idle"), 1);
        /* One for each kind of section that this version does not serve. */
        static const char *const unbuilt[] = { "section chat:", "section http:" };
        for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++)
                assert_non_null(strstr(buf_text(&warnings), unbuilt[i]));
        snapshot_unref(&snapshot);
        buf_free(&errors);
        buf_free(&warnings);
}

#define PLAIN "c2s { tls = none listen-tls = { } }\n"

static void
refuses_what_does_not_fit_together(void **state)
{
        static const struct {
                const char *text, *errors;
        } cases[] = {
                { PLAIN,
                        "xmppd.conf:1: no domain: at least one section domain \"example.com\" { certificate = \"FILE\" } is needed\n" },
                { "domain a.example { }",
                        "xmppd.conf:1: a certificate is needed: certificate = \"FILE\", or c2s { tls = none  listen-tls = { } }\n" },
                { PLAIN "domain a.example { }\ncomponent a.example { secret = s }",
                        "xmppd.conf:3: component \"a.example\" is in conflict with domain \"a.example\" at xmppd.conf:2: a domain belongs to one of "
                        "them only\n" },
                { PLAIN "domain a.example { }\nchat c.example { aliases = { a.example } }",
                        "xmppd.conf:3: chat alias \"a.example\" is in conflict with domain \"a.example\" at xmppd.conf:2: a domain belongs to one of "
                        "them only\n" },
                { PLAIN "domain a.example { }\ncomponents { secret = s }\nchat c.example { aliases = { b.example } }\n"
                        "sip-domain b.example { type = lync }",
                        "xmppd.conf:5: sip-domain \"b.example\" is in conflict with chat alias \"b.example\" at xmppd.conf:4: a domain belongs to one "
                        "of them only\n" },
                { PLAIN "domain a.example { }\ncomponents { secret = s }\nsip-domain a.example { type = lync }",
                        "xmppd.conf:4: sip-domain \"a.example\" is in conflict with domain \"a.example\" at xmppd.conf:2: a domain belongs to one of "
                        "them only\n" },
                { PLAIN "domain a.example { }\ncomponents { secret = s }\ncomponent b.example { secret = s }\nsip-domain b.example { type = lync }",
                        "xmppd.conf:5: sip-domain \"b.example\" is in conflict with component \"b.example\" at xmppd.conf:4: a domain belongs to one "
                        "of them only\n" },
                { PLAIN "domain a.example { }\ncomponents { secret = s }\nchat b.example { }\nsip-domain b.example { type = lync }",
                        "xmppd.conf:5: sip-domain \"b.example\" is in conflict with chat \"b.example\" at xmppd.conf:4: a domain belongs to one of "
                        "them only\n" },
                { PLAIN "domain a.example { }\nxmpp-peer a.example { }",
                        "xmppd.conf:3: xmpp-peer \"a.example\" is in conflict with domain \"a.example\" at xmppd.conf:2: a peer is a domain of others, "
                        "reached by XMPP federation\n" },
                { PLAIN "domain a.example { }\nchat c.example { aliases = { b.example } }\nxmpp-peer b.example { }",
                        "xmppd.conf:4: xmpp-peer \"b.example\" is in conflict with chat alias \"b.example\" at xmppd.conf:3: a peer is a domain of "
                        "others, reached by XMPP federation\n" },
                { PLAIN "domain a.example { }\ncomponent b.example { secret = s }\nxmpp-policy b.example { action = allow }",
                        "xmppd.conf:4: xmpp-policy \"b.example\" allows a domain that is a component at xmppd.conf:3: it is reached by that component or "
                        "by XMPP federation, not by both\n" },
                { PLAIN "domain a.example { }\ncomponents { secret = s }\nsip-domain b.example { type = lync }\nemail { enabled = true  domains = { a.example, b.example } }",
                        "xmppd.conf:5: mail domain \"b.example\" is in conflict with sip-domain \"b.example\" at xmppd.conf:4: a domain belongs to one of "
                        "them only\n" },
                { PLAIN "domain a.example { }\nxmpp-peer b.example { }\nemail { enabled = true  domains = { b.example } }",
                        "xmppd.conf:3: xmpp-peer \"b.example\" is in conflict with mail domain \"b.example\" at xmppd.conf:4: a peer is a domain of others, "
                        "reached by XMPP federation\n" },
                { PLAIN "domain a.example { }\nemail { change-over = tomorrow }",
                        "xmppd.conf:3: change-over: expected a date like 2026-12-31\n" },
                { PLAIN "domain a.example { }\nsip-domain b.example { type = lync }",
                        "xmppd.conf:1: the components of the SIP domains need a secret: secret = \"file:PATH\"\n" },
                { PLAIN "domain a.example { }\ncomponent b.example { }",
                        "xmppd.conf:3: section component: secret is missing: Secret of this component.\n" },
                { PLAIN "domain a.example { }\ncomponent b.example { secret = \"\" }", "xmppd.conf:3: the secret is empty\n" },
                { PLAIN "domain a.example { }\nlog { target = here }",
                        "xmppd.conf:3: target: expected stderr or the whole path of a file\n" },
                { PLAIN "domain a.example { }\nc2s { }", "xmppd.conf:3: section c2s is given twice: first at xmppd.conf:1\n" },
                { PLAIN "domain a.example { }\nbare { }", "xmppd.conf:3: unknown section bare\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                expect_errors(cases[i].text, cases[i].errors);
}

static void
names_the_line_of_a_certificate_that_does_not_serve(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("empty.pem", "");
        assert_null(load(
                "domain a.example {\n certificate = absent.pem }\ndomain b.example {\n certificate = empty.pem }\nworkers = x\n",
                &errors, &warnings));
        const char *text = buf_text(&errors);
        assert_non_null(strstr(text, "xmppd.conf:2: "));
        assert_non_null(strstr(text, "absent.pem"));
        assert_non_null(strstr(text, "xmppd.conf:4: "));
        assert_non_null(strstr(text, "empty.pem"));
        assert_non_null(strstr(text, "xmppd.conf:5: workers"));
        buf_free(&errors);
        buf_free(&warnings);
}

static void
warns_of_a_certificate_for_another_name(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct snapshot *snapshot = load("domain other.example { certificate = c.pem key = k.pem }", &errors, &warnings);

        assert_string_equal(buf_text(&errors), "");
        assert_string_equal(buf_text(&warnings),
                "xmppd.conf:1: the certificate does not name \"other.example\": clients will refuse it\n"
                "xmppd.conf:1: the certificate does not name \"other.example\": other servers will refuse it\n");
        snapshot_unref(&snapshot);
        buf_free(&errors);
        buf_free(&warnings);
}

static struct tls_context *
client_of(const struct snapshot *snapshot, const char *name)
{
        const struct domain *domain = map_get_str(snapshot->domains, name);

        assert_non_null(domain);
        return domain->s2s_client;
}

/* One certificate with all the names is the usual case; s2s-certificate comes before certificate. */
static void
certificates_for_servers_are_shared_by_the_names_in_them(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct snapshot *snapshot = load(PLAIN "domain one.example { certificate = c.pem key = k.pem s2s-certificate = many.pem }\n"
                                               "domain two.example { }\n"
                                               "domain example.com { certificate = c.pem key = k.pem }\n"
                                               "domain bare.example { }\n"
                                               "component echo.one.example { secret = x }\n"
                                               "component other.example { secret = x }\n"
                                               "chat rooms.one.example {\n aliases = { two.example.com } }\n"
                                               "email { enabled = true  domains = { mail.example, mail.one.example } }\n",
                &errors, &warnings);

        assert_string_equal(buf_text(&errors), "");
        assert_string_equal(buf_text(&warnings),
                "xmppd.conf:8: section chat: chat rooms are not part of this version\n"
                "xmppd.conf:2: the certificate does not name \"one.example\": clients will refuse it\n"
                "xmppd.conf:2: the certificate is for servers only (extended key usage clientAuth is missing; public authorities no longer issue "
                "it): IBM Sametime and others that look for it refuse it where we connect; most others accept it, or dialback\n"
                "xmppd.conf:5: no certificate names \"bare.example\": other servers will refuse it, or ask by dialback\n"
                "xmppd.conf:7: no certificate names \"other.example\": other servers will refuse it, or ask by dialback\n"
                "xmppd.conf:9: no certificate names \"two.example.com\": other servers will refuse it, or ask by dialback\n"
                "xmppd.conf:10: no certificate names \"mail.example\": other servers will refuse it, or ask by dialback\n");
        struct tls_context *one = client_of(snapshot, "one.example");
        assert_non_null(one);
        assert_ptr_equal(client_of(snapshot, "two.example"), one);
        assert_ptr_equal(client_of(snapshot, "echo.one.example"), one);
        assert_non_null(client_of(snapshot, "example.com"));
        assert_ptr_not_equal(client_of(snapshot, "example.com"), one);
        assert_null(client_of(snapshot, "bare.example"));
        assert_null(client_of(snapshot, "other.example"));
        assert_true(tls_context_covers(snapshot->s2s_server, "two.example"));
        snapshot_unref(&snapshot);
        buf_free(&errors);
        buf_free(&warnings);
}

static void
a_trust_that_is_not_there_is_named_with_its_line(void **state)
{
        expect_errors(PLAIN "domain a.example { }\ns2s {\n trust = \"/nonexistent/roots\" }",
                "xmppd.conf:4: /nonexistent/roots: No such file or directory\n");
}

static void
names_the_settings_that_need_a_restart(void **state)
{
        struct snapshot *before = load_good(PLAIN "domain a.example { }\nworkers = 1\n");
        struct snapshot *same = load_good(PLAIN "domain a.example { } workers = 1\nlog { level = debug }\n");
        struct snapshot *after = load_good(PLAIN "domain a.example { }\nworkers = 2\nstore { map-size = 16 }\n");
        struct buf names = { 0 };

        assert_false(config_needs_restart(settings_rules(), before->config, same->config, &names));
        assert_true(config_needs_restart(settings_rules(), before->config, after->config, &names));
        assert_string_equal(buf_text(&names), "workers, store.map-size");
        buf_free(&names);
        snapshot_unref(&before);
        snapshot_unref(&same);
        snapshot_unref(&after);
}

static int
make_directory(void **state)
{
        extend_start(extensions);
        if (mkdtemp(directory) == NULL || chdir(directory) != 0)
                return 1;
        return system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=example.com "
                      "-addext subjectAltName=DNS:example.com -keyout k.pem -out c.pem >openssl.log 2>&1 && "
                      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=one.example "
                      "-addext extendedKeyUsage=serverAuth "
                      "-addext subjectAltName=DNS:one.example,DNS:two.example,DNS:*.one.example "
                      "-keyout mk.pem -out m.pem >>openssl.log 2>&1 && cat m.pem mk.pem >many.pem");
}

static int
remove_directory(void **state)
{
        char command[100];
        snprintf(command, sizeof(command), "rm -rf '%s'", directory);
        return chdir("/") != 0 || system(command) != 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_every_key_of_the_manual),
                cmocka_unit_test(refuses_what_does_not_fit_together),
                cmocka_unit_test(names_the_line_of_a_certificate_that_does_not_serve),
                cmocka_unit_test(warns_of_a_certificate_for_another_name),
                cmocka_unit_test(certificates_for_servers_are_shared_by_the_names_in_them),
                cmocka_unit_test(a_trust_that_is_not_there_is_named_with_its_line),
                cmocka_unit_test(names_the_settings_that_need_a_restart),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
