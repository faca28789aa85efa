/* How to talk to one domain: xmpp-federation, and over it what the xmpp-peer section of the domain sets, and nothing else. */
#include "xmppd/route/policy.h"

#include "xmppd/extend/extension.h"
#include "xmppd/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char path[] = "/tmp/test-policy-XXXXXX";
static const struct extension *const extensions[] = { NULL };

static struct snapshot *
load(const char *federation)
{
        struct buf errors = { 0 }, warnings = { 0 };
        FILE *out = fopen(path, "w");

        assert_non_null(out);
        fprintf(out, "domain our.example { }\nc2s { tls = none  listen-tls = { } }\n%s\n", federation);
        fclose(out);
        struct snapshot *snapshot = settings_load(path, &errors, &warnings);
        assert_string_equal(buf_text(&errors), "");
        assert_non_null(snapshot);
        buf_free(&errors);
        buf_free(&warnings);
        return snapshot;
}

static void
a_peer_has_the_rules_of_all_unless_it_sets_others(void **state)
{
        struct snapshot *snapshot =
                load("xmpp-federation { tls = required  require-valid-certificates = false  sasl-external-in = false\n"
                     "  dialback = true  subject-cn = true }\n"
                     "xmpp-peer clear.example { tls = none }\n"
                     "xmpp-peer strict.example { require-valid-certificates = true }\n"
                     "xmpp-peer pinned.example { tls = \"\"  pin = \"" PIN "\" }\n");
        struct peer_rules rules = policy_peer(snapshot, "other.example");

        assert_int_equal(rules.tls, PEER_TLS_REQUIRED);
        assert_false(rules.requires_valid);
        assert_false(rules.external_in);
        assert_true(rules.external_out);
        assert_true(rules.dialback);
        assert_true(rules.allows_cn);
        assert_false(rules.is_pinned);
        assert_non_null(strstr(rules.place, ":3"));

        rules = policy_peer(snapshot, "clear.example");
        assert_int_equal(rules.tls, PEER_TLS_NONE);
        assert_false(rules.requires_valid);
        assert_false(rules.is_pinned);
        assert_true(rules.allows_cn);
        assert_non_null(strstr(rules.place, ":5"));

        rules = policy_peer(snapshot, "strict.example");
        assert_int_equal(rules.tls, PEER_TLS_REQUIRED);
        assert_true(rules.requires_valid);

        rules = policy_peer(snapshot, "pinned.example");
        assert_int_equal(rules.tls, PEER_TLS_REQUIRED);
        assert_false(rules.requires_valid);
        assert_true(rules.is_pinned);
        assert_int_equal(rules.pin[1], 0x11);

        /* It is for this domain, not for those below it. */
        assert_int_equal(policy_peer(snapshot, "x.clear.example").tls, PEER_TLS_REQUIRED);
        snapshot_unref(&snapshot);
}

static void
without_any_setting_certificates_are_valid_or_refused(void **state)
{
        struct snapshot *snapshot = load("");
        struct peer_rules rules = policy_peer(snapshot, "other.example");

        assert_int_equal(rules.tls, PEER_TLS_OPTIONAL);
        assert_true(rules.requires_valid);
        assert_true(rules.external_in);
        assert_true(rules.external_out);
        assert_true(rules.dialback);
        assert_false(rules.allows_cn);
        assert_true(policy_decide(snapshot, "other.example", POLICY_IN).is_allowed);
        assert_false(policy_decide(snapshot, "our.example", POLICY_IN).is_allowed);
        snapshot_unref(&snapshot);
}

static int
make_file(void **state)
{
        int fd = mkstemp(path);

        extend_start(extensions);
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
                cmocka_unit_test(a_peer_has_the_rules_of_all_unless_it_sets_others),
                cmocka_unit_test(without_any_setting_certificates_are_valid_or_refused),
        };
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
