/* sipcomp.conf: every key of the manual parses, and what does not fit together is refused. */
#include "sipcomp/settings.h"

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

static void
put_file(const char *name, const char *text)
{
        FILE *out = fopen(name, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
        chmod(name, 0600);
}

static struct config *
read_text(const char *text, struct buf *errors, struct buf *warnings)
{
        put_file("sipcomp.conf", text);
        return sipcomp_settings_read("sipcomp.conf", errors, warnings);
}

static const char every_key[] =
        "xmpp { host = \"127.0.0.1\"  port = 5347  secret = \"file:component.secret\" }\n"
        "local-domains = { \"example.com\" }\n"
        "routing-fqdn  = \"sip.example.com\"\n"
        "state-dir     = \"/var/lib/sipcomp\"\n"
        "control       = \"/run/sipcomp/control.sock\"\n"
        "store { map-size = 64 }\n"
        "listen \"peer-auth\"   { address = \"[::]\"  port = 5062  transport = tls  client-certificate = required  advertise-port = 5061 }\n"
        "listen \"server-auth\" { address = \"[::]\"  port = 5061  transport = tls  client-certificate = optional }\n"
        "listen \"tcp\"         { address = \"[::]\"  port = 5060  transport = tcp }\n"
        "tls { certificate = \"c.pem\" key = \"k.pem\" trust = \"/etc/ssl/certs\"  min-version = \"1.2\"  ciphers = \"\"  empty-fragments = false }\n"
        "record-route-transport = false\n"
        "session-idle = 600\n"
        "notify-interval = 5\n"
        "subscribe-rate = 20\n"
        "proxy-from = { }\n"
        "dns  { servers = { } }\n"
        "log  { level = info }\n"
        "include(\"federation.conf\")\n";

static void
takes_every_key_of_the_manual(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("component.secret", "sesame\n");
        put_file("federation.conf", "sip-domain partner.com { type = aol }\nxmpp-federation { enabled = true }\n");
        struct config *config = read_text(every_key, &errors, &warnings);
        assert_string_equal(buf_text(&errors), "");
        assert_string_equal(buf_text(&warnings), "");
        const struct section *top = config_top(config), *listen = section_titled(top, "listen", "peer-auth");
        assert_int_equal(config_number(listen, "advertise-port"), 5061);
        assert_string_equal(config_text(listen, "client-certificate"), "required");
        assert_string_equal(config_text(section_of(top, "xmpp"), "secret"), "sesame");
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
}

#define GOOD "xmpp { secret = s } local-domains = a.example routing-fqdn = sip.a.example sip-domain b.example { type = simple }\n"

static void
refuses_what_does_not_fit_together(void **state)
{
        static const struct {
                const char *text, *errors;
        } cases[] = {
                { "sip-domain b.example { type = simple }",
                        "sipcomp.conf:1: section xmpp: secret is missing: Secret of our component streams.\n"
                        "sipcomp.conf:1: local-domains is empty: expected the domains of our own users\n"
                        "sipcomp.conf:1: routing-fqdn is missing: expected the public name of this gateway\n" },
                { GOOD "sip-domain a.example { type = lync }",
                        "sipcomp.conf:2: sip-domain \"a.example\" is in conflict with local domain \"a.example\" at sipcomp.conf:1: a domain belongs "
                        "to one of them only\n" },
                { GOOD "listen x { }",
                        "sipcomp.conf:2: section listen: port is missing: Port to listen on.\n"
                        "sipcomp.conf:1: tls: certificate is missing: a listener with transport = tls, or tls-port of msrp, needs one\n" },
                { GOOD "listen x { port = 5060 transport = tcp address = \"localhost\" }",
                        "sipcomp.conf:2: address: expected an IP address like \"[::]\" or \"192.0.2.7\", found \"localhost\"\n" },
                { GOOD "listen x { port = 5060 transport = tcp }\nlisten y { port = 5060 transport = tcp }",
                        "sipcomp.conf:3: listen \"y\" has the address and port of listen \"x\" at sipcomp.conf:2\n" },
                { GOOD "proxy-from = { balancer }", "sipcomp.conf:2: proxy-from: expected IP addresses or networks like 192.0.2.0/24, found \"balancer\"\n" },
                { GOOD "tls { ceritficate = x }",
                        "sipcomp.conf:2: unknown setting ceritficate in section tls: did you mean certificate?\n" },
                { "local-domains = a.example routing-fqdn = sip.a.example xmpp { secret = \"\" }",
                        "sipcomp.conf:1: secret: expected one that is not empty\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct buf errors = { 0 }, warnings = { 0 };
                assert_null(read_text(cases[i].text, &errors, &warnings));
                assert_string_equal(buf_text(&errors), cases[i].errors);
                buf_free(&errors);
                buf_free(&warnings);
        }
}

static void
warns_when_there_is_nothing_to_do(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct config *config =
                read_text("xmpp { secret = s } local-domains = a.example routing-fqdn = sip.a.example", &errors, &warnings);

        assert_non_null(config);
        assert_string_equal(buf_text(&warnings), "sipcomp.conf:1: there is no sip-domain: this gateway has nothing to do\n");
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
}

static int
make_directory(void **state)
{
        if (mkdtemp(directory) == NULL || chdir(directory) != 0)
                return 1;
        return system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sip.example.com "
                      "-addext subjectAltName=DNS:sip.example.com -keyout k.pem -out c.pem >openssl.log 2>&1");
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
                cmocka_unit_test(warns_when_there_is_nothing_to_do),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
