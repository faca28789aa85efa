/* test_jid.c - addresses */
#include "shared/xmpp/jid.h"

#include "shared/base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void
splits_and_prepares(void **state)
{
        static const struct {
                const char *text, *full, *local, *domain, *resource;
        } rows[] = {
                { "capulet.example", "capulet.example", NULL, "capulet.example", NULL },
                { "juliet@capulet.example", "juliet@capulet.example", "juliet", "capulet.example", NULL },
                { "Juliet@CAPULET.example./Balcony A", "juliet@capulet.example/Balcony A", "juliet", "capulet.example",
                        "Balcony A" },
                { "capulet.example/a/b@c", "capulet.example/a/b@c", NULL, "capulet.example", "a/b@c" },
                { "a@localhost/\xf0\x9f\x98\x80", "a@localhost/\xf0\x9f\x98\x80", "a", "localhost", "\xf0\x9f\x98\x80" },
                { "J\xc3\x9cRGEN@M\xc3\xbcNCHEN.example", "j\xc3\xbcrgen@m\xc3\xbcnchen.example", "j\xc3\xbcrgen",
                        "m\xc3\xbcnchen.example", NULL },
                { "a@xn--mnchen-3ya.example", "a@m\xc3\xbcnchen.example", "a", "m\xc3\xbcnchen.example", NULL },
                { "a@b\xe3\x80\x82"
                  "c",
                        "a@b.c", "a", "b.c", NULL },
                { "stra\xc3\x9f"
                  "e@x.example",
                        "strasse@x.example", "strasse", "x.example", NULL },
                { "a@192.0.2.7/r", "a@192.0.2.7/r", "a", "192.0.2.7", "r" },
                { "a@[2001:DB8::0:1]", "a@[2001:db8::1]", "a", "[2001:db8::1]", NULL },
                { "user\\20name@x.example", "user\\20name@x.example", "user\\20name", "x.example", NULL },
                { "a@b-c.d--e-.example", "a@b-c.d--e-.example", "a", "b-c.d--e-.example", NULL },
        };
        struct arena *arena = arena_new(1024);
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                assert_true(jid_parse(&jid, arena, rows[i].text));
                assert_string_equal(jid.full, rows[i].full);
                assert_int_equal(jid.full_len, strlen(rows[i].full));
                if (rows[i].local != NULL)
                        assert_string_equal(jid.local, rows[i].local);
                else
                        assert_null(jid.local);
                assert_string_equal(jid.domain, rows[i].domain);
                if (rows[i].resource != NULL)
                        assert_string_equal(jid.resource, rows[i].resource);
                else
                        assert_true(jid_is_bare(&jid));
                assert_int_equal(jid.bare_len, strlen(rows[i].full) - (jid.resource != NULL ? strlen(jid.resource) + 1 : 0));
        }
        arena_free(&arena);
}

static void
differs_from_rfc_7622_where_the_readme_says(void **state)
{
        static const struct {
                const char *text, *full;
        } rows[] = {
                /* mapped, where RFC 7622 keeps it: sharp s and final sigma */
                { "stra\u00dfe@x.example", "strasse@x.example" },
                { "\u03c3\u03bf\u03c6\u03cc\u03c2@x.example", "\u03c3\u03bf\u03c6\u03cc\u03c3@x.example" },
                { "a@stra\u00dfe.example", "a@strasse.example" },
                { "a@x.example/\u2163", "a@x.example/IV" },
                { "a@x.example/\ufb01", "a@x.example/fi" },
                /* mapped or dropped, where it is refused */
                { "\ufb01@x.example", "fi@x.example" },
                { "a\u00adb@x.example", "ab@x.example" },
                { "a\u200db@x.example/c\u200dd", "ab@x.example/cd" },
                /* allowed, where it is refused: symbols, and what Unicode has got since version 3.2 */
                { "\u2665@x.example", "\u2665@x.example" },
                { "\U0001f600@x.example/\U0001f600", "\U0001f600@x.example/\U0001f600" },
        };
        struct arena *arena = arena_new(1024);
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                if (!jid_parse(&jid, arena, rows[i].text))
                        fail_msg("%s is refused", rows[i].text);
                assert_string_equal(jid.full, rows[i].full);
        }
        arena_free(&arena);
}

static void
refuses_what_is_no_address(void **state)
{
        static const char *const rows[] = {
                "",
                "@",
                "/",
                "@capulet.example",
                "juliet@",
                "juliet@/balcony",
                "juliet@capulet.example/",
                "capulet.example/",
                "a@b@c",
                "a b@c.example",
                "a\"b@c.example",
                "a&b@c.example",
                "a'b@c.example",
                "a:b@c.example",
                "a<b@c.example",
                "a>b@c.example",
                "a@b c",
                "a@b_c",
                "a@-b.example",
                "a@b..c",
                "a@.b",
                "a@.",
                "a@..",
                "a@b.example/x\x01",
                "a@b.example/\x7f",
                "a\x7f@b.example",
                "\xff@b.example",
                "a@b.example/\xc3",
                "a@\xed\xa0\x80.example",
                "a@b.3c",
                "a@1.2.3",
                "a@256.1.1.1",
                "a@1.2.3.4.5",
                "a@[::g]",
                "a@[",
                "a@[]",
                "a@[::1",
                "a@[::1]x",
                "a@b\xc2\xa0"
                "c",
                "a\xe2\x80\xa8@b",
                "\xc2\xad@b.example",
                "a@xn--a-ecp.example/\xe2\x80\xa8",
                "a@abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd.example",
        };
        struct arena *arena = arena_new(1024);
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                if (jid_parse(&jid, arena, rows[i]))
                        fail_msg("took \"%s\"", rows[i]);
        }
        struct jid jid;
        assert_false(jid_parse_len(&jid, arena, "a\0b@c.example", 13));
        arena_free(&arena);
}

static void
a_part_has_at_most_1023_bytes(void **state)
{
        struct arena *arena = arena_new(8192);
        struct jid jid;
        char text[3 * 1100];

        for (int more = 0; more <= 1; more++) {
                memset(text, 'a', sizeof text);
                strcpy(text + 1023 + more, "@b.example");
                assert_int_equal(jid_parse(&jid, arena, text), !more);

                strcpy(text, "a@b.example/");
                memset(text + 12, 'r', 1100);
                text[12 + 1023 + more] = '\0';
                assert_int_equal(jid_parse(&jid, arena, text), !more);

                /* Four labels of 63, less than 256 with the dots; one more letter is too much. */
                strcpy(text, "a@");
                for (int i = 0; i < 4; i++) {
                        memset(text + 2 + i * 64, 'd', 63);
                        text[2 + i * 64 + 63] = i < 3 ? '.' : '\0';
                }
                if (more)
                        strcpy(text + 2 + 255, ".d");
                assert_int_equal(jid_parse(&jid, arena, text), !more);
        }
        arena_free(&arena);
}

static void
compares_what_it_prepared(void **state)
{
        struct arena *arena = arena_new(1024);
        struct jid a, b, c;
        assert_true(jid_parse(&a, arena, "Juliet@Capulet.example/balcony"));
        assert_true(jid_parse(&b, arena, "juliet@capulet.example/balcony"));
        assert_true(jid_parse(&c, arena, "juliet@capulet.example/Balcony"));
        assert_true(jid_equal(&a, &b));
        assert_false(jid_equal(&a, &c));
        assert_true(jid_equal_bare(&a, &c));
        assert_true(jid_has_bare(&a, "juliet@capulet.example", 22));
        assert_false(jid_has_bare(&a, "juliet@capulet.exampl", 21));
        struct jid bare = jid_bare(&a, arena);
        assert_string_equal(bare.full, "juliet@capulet.example");
        assert_true(jid_is_bare(&bare));
        struct jid other;
        assert_true(jid_with_resource(&other, arena, &bare, "x y"));
        assert_string_equal(other.full, "juliet@capulet.example/x y");
        assert_false(jid_with_resource(&other, arena, &bare, ""));
        assert_false(jid_with_resource(&other, arena, &bare, "\x01"));
        struct jid copy = jid_copy(&a, arena), none = jid_copy(&(struct jid){ 0 }, arena);
        assert_true(jid_equal(&a, &copy));
        assert_null(none.full);
        arena_free(&arena);
}

static void
a_user_name_is_prepared(void **state)
{
        struct arena *arena = arena_new(256);
        struct jid jid;

        assert_true(jid_of_user(&jid, arena, "Juliet", "capulet.example"));
        assert_string_equal(jid.full, "juliet@capulet.example");
        assert_false(jid_of_user(&jid, arena, "", "capulet.example"));
        assert_false(jid_of_user(&jid, arena, "the nurse", "capulet.example"));
        assert_false(jid_of_user(&jid, arena, "nurse@capulet.example", "capulet.example"));
        arena_free(&arena);
}

static void
escapes_foreign_names_and_back(void **state)
{
        static const struct {
                const char *plain, *escaped;
        } rows[] = {
                { "space cadet", "space\\20cadet" },
                { "call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22" },
                { "at&t guy", "at\\26t\\20guy" },
                { "d'artagnan", "d\\27artagnan" },
                { "/.fanboy", "\\2f.fanboy" },
                { "::foo::", "\\3a\\3afoo\\3a\\3a" },
                { "<foo>", "\\3cfoo\\3e" },
                { "user@host", "user\\40host" },
                { "c:\\net", "c\\3a\\net" },
                { "c:\\cool stuff", "c\\3a\\cool\\20stuff" },
                { "c:\\5commas", "c\\3a\\5c5commas" },
                { "plain", "plain" },
                { "\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool" },
                { "\\2plus\\2is\\4", "\\2plus\\2is\\4" },
                { "foo\\bar", "foo\\bar" },
                { "foob\\41r", "foob\\41r" },
                { "here's_a wild_&_/cr%zy/_address", "here\\27s_a\\20wild_\\26_\\2fcr%zy\\2f_address" },
                { "\\5", "\\5" },
                { "\\", "\\" },
                { "a\\5cb", "a\\5c5cb" },
        };
        struct arena *arena = arena_new(1024);
        for (size_t i = 0; i < array_len(rows); i++) {
                assert_string_equal(jid_escape(arena, rows[i].plain), rows[i].escaped);
                assert_string_equal(jid_unescape(arena, rows[i].escaped), rows[i].plain);
        }
        assert_null(jid_escape(arena, ""));
        assert_null(jid_escape(arena, " a"));
        assert_null(jid_escape(arena, "a "));
        /* Nodeprep would make an escape of it. */
        assert_string_equal(jid_escape(arena, "c:\\3Az"), "c\\3a\\5c3Az");
        /* What is none stays as it is: case counts, and a space is at neither end. */
        assert_string_equal(jid_unescape(arena, "a\\3Ab"), "a\\3Ab");
        assert_string_equal(jid_unescape(arena, "\\20a\\20b\\20"), "\\20a b\\20");
        char many[600];
        memset(many, '@', sizeof many);
        many[341] = '\0';
        assert_non_null(jid_escape(arena, many));
        many[341] = '@';
        many[342] = '\0';
        assert_null(jid_escape(arena, many));
        arena_free(&arena);
}

static void
domains_have_one_unicode_and_one_ascii_form(void **state)
{
        char out[JID_PART_MAX + 1], ascii[256];
        assert_true(jid_prepare_domain(out,
                "B\xc3\xbc"
                "cher.Example."));
        assert_string_equal(out,
                "b\xc3\xbc"
                "cher.example");
        assert_true(jid_domain_to_ascii(ascii, out));
        assert_string_equal(ascii, "xn--bcher-kva.example");
        assert_true(jid_prepare_domain(out, "XN--bcher-KVA.example"));
        assert_string_equal(out,
                "b\xc3\xbc"
                "cher.example");
        assert_false(jid_prepare_domain(out, ""));
        assert_false(jid_prepare_domain(out, "a/b"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(splits_and_prepares),
                cmocka_unit_test(differs_from_rfc_7622_where_the_readme_says),
                cmocka_unit_test(refuses_what_is_no_address),
                cmocka_unit_test(a_part_has_at_most_1023_bytes),
                cmocka_unit_test(compares_what_it_prepared),
                cmocka_unit_test(a_user_name_is_prepared),
                cmocka_unit_test(escapes_foreign_names_and_back),
                cmocka_unit_test(domains_have_one_unicode_and_one_ascii_form),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
