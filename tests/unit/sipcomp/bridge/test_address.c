/* SIP URIs and JIDs, both ways (sections 2.1 to 2.3 of the dialects), and stanza errors as statuses (11). */
#include "shared/base/mem.h"
#include "sipcomp/bridge/address.h"
#include "sipcomp/bridge/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static bool
jid_of(struct jid *jid, const char *text, const struct dialect *dialect)
{
        struct sip_uri uri;
        return sip_uri_parse(&uri, arena, text, strlen(text)) && address_to_jid(jid, arena, &uri, dialect);
}

static void
maps_uris_to_jids(void **state)
{
        static const struct {
                const char *uri, *jid;
        } rows[] = {
                { "sip:carol@lync.test", "carol@lync.test" },
                { "sips:Carol@LYNC.test:5061;transport=tls?x=y", "carol@lync.test" },
                { "sip:carol:secret@lync.test", "carol@lync.test" },
                { "sip:carol@lync.test;opaque=user:epid:hYns;gruu", "carol@lync.test" },
                { "sip:user;day=tuesday@lync.test", "user;day=tuesday@lync.test" },
                { "sip:a%20b@lync.test", "a\\20b@lync.test" },
                { "sip:o%27neil%26sons@lync.test", "o\\27neil\\26sons@lync.test" },
                { "sip:a%2fb%3ac%3cd%3ee%40f@lync.test", "a\\2fb\\3ac\\3cd\\3ee\\40f@lync.test" },
                { "sip:gr%C3%BC%C3%9Fe@lync.test", "gr\303\274sse@lync.test" },
                { "sip:user(gmail.com)@aol.com", "user(gmail.com)@aol.com" },
                { "sip:lync.test", "lync.test" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                assert_true(jid_of(&jid, rows[i].uri, &dialect_lync));
                assert_string_equal(jid.full, rows[i].jid);
        }
}

static void
refuses_uris_that_hide_something(void **state)
{
        static const char *const uris[] = { "sip:alice%00@lync.test", "sip:a%0d%0ab@lync.test", "sip:a%zz@lync.test", "sip:a%ff@lync.test",
                                            "sip:erin@simple.test@bank.test", "sip:a@192.0.2.7", "sip:a@[::1]", "tel:+1234", "sip:@lync.test" };
        for (size_t i = 0; i < array_len(uris); i++) {
                struct jid jid;
                assert_false(jid_of(&jid, uris[i], &dialect_lync));
        }
}

static void
maps_jids_to_uris(void **state)
{
        static const struct {
                const char *jid, *uri;
        } rows[] = {
                { "alice@example.com", "sip:alice@example.com" },
                { "alice@example.com/balcony", "sip:alice@example.com" },
                { "a\\20b@lync.test", "sip:a%20b@lync.test" },
                { "o\\27neil@lync.test", "sip:o'neil@lync.test" },
                { "a\\40b@lync.test", "sip:a%40b@lync.test" },
                { "gr\303\274n@lync.test", "sip:gr%C3%BCn@lync.test" },
                { "user(gmail.com)@aol.com", "sip:user(gmail.com)@aol.com" },
                { "lync.test", "sip:lync.test" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                assert_true(jid_parse(&jid, arena, rows[i].jid));
                assert_string_equal(address_to_uri(arena, &jid), rows[i].uri);
        }
}

static void
comes_back_from_where_it_went(void **state)
{
        static const char *const jids[] = { "alice@x.test", "a\\20b\\40c@x.test", "gr\303\274n@x.test", "user(gmail.com)@aol.com", "a\\2fb@x.test", "100%@x.test" };
        for (size_t i = 0; i < array_len(jids); i++) {
                struct jid jid, back;
                assert_true(jid_parse(&jid, arena, jids[i]));
                assert_true(jid_of(&back, address_to_uri(arena, &jid), &dialect_simple));
                assert_string_equal(back.full, jids[i]);
        }
}

static void
knows_the_names_of_aol_users(void **state)
{
        struct jid jid;
        assert_string_equal(address_canonical(arena, &dialect_aol, "user\\40gmail.com"), "user(gmail.com)");
        assert_string_equal(address_canonical(arena, &dialect_aol, "user(gmail.com)"), "user(gmail.com)");
        assert_string_equal(address_canonical(arena, &dialect_aol, "dave\\20smith"), "davesmith");
        assert_string_equal(address_canonical(arena, &dialect_lync, "user\\40gmail.com"), "user\\40gmail.com");
        assert_true(jid_of(&jid, "sip:Dave%20Smith@aol.com", &dialect_aol));
        assert_string_equal(jid.full, "davesmith@aol.com");
}

static void
answers_stanza_errors_with_statuses(void **state)
{
        static const struct {
                const char *condition;
                int status;
        } rows[] = {
                { "item-not-found", 404 }, { "forbidden", 403 }, { "not-allowed", 403 }, { "policy-violation", 403 }, { "not-authorized", 403 },
                { "subscription-required", 403 }, { "registration-required", 403 }, { "recipient-unavailable", 480 }, { "service-unavailable", 480 },
                { "gone", 410 }, { "redirect", 480 }, { "not-acceptable", 488 }, { "jid-malformed", 404 }, { "bad-request", 400 },
                { "feature-not-implemented", 501 }, { "resource-constraint", 500 }, { "internal-server-error", 500 },
                { "remote-server-not-found", 504 }, { "remote-server-timeout", 504 }, { "undefined-condition", 500 }, { "", 500 },
        };
        for (size_t i = 0; i < array_len(rows); i++)
                assert_int_equal(errors_status(rows[i].condition), rows[i].status);
}

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

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(maps_uris_to_jids),
                cmocka_unit_test(refuses_uris_that_hide_something),
                cmocka_unit_test(maps_jids_to_uris),
                cmocka_unit_test(comes_back_from_where_it_went),
                cmocka_unit_test(knows_the_names_of_aol_users),
                cmocka_unit_test(answers_stanza_errors_with_statuses),
        };
        return cmocka_run_group_tests(tests, open_arena, close_arena);
}
