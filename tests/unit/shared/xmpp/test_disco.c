/* test_disco.c - verification strings: the two examples of XEP-0115 and what its section 5.4 rejects */
#include "shared/xml/parser.h"
#include "shared/xmpp/disco.h"

#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define IDENTITY  "<identity category='client' type='pc' name='Exodus 0.9.1'/>"
#define HIDDEN(t) "<field var='FORM_TYPE' type='hidden'><value>" t "</value></field>"
#define FORM(in)  "<x xmlns='jabber:x:data' type='result'>" in "</x>"

static struct arena *arena;

static int
forget(void **state)
{
        arena_free(&arena);
        return 0;
}

static bool
read(struct disco *disco, const char *inside)
{
        static const struct xml_limits limits = { .stanza_bytes = 1 << 20, .depth = 64, .attributes = 64 };
        struct buf text = { 0 };
        enum xml_problem problem;

        arena_free(&arena);
        buf_printf(&text, "<query xmlns='http://jabber.org/protocol/disco#info'>%s</query>", inside);
        struct element *query = xml_parse_document(buf_data(&text), text.len, &limits, &arena, &problem);
        assert_non_null(query);
        buf_free(&text);
        return disco_read(disco, arena, query);
}

static const char *
hash(const char *inside)
{
        static char out[DISCO_HASH_TEXT];
        struct disco disco;

        assert_true(read(&disco, inside));
        return disco_hash(&disco, DIGEST_SHA1, out);
}

static void
hashes_as_the_simple_example(void **state)
{
        assert_string_equal(
                hash("<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/disco#items'/>" IDENTITY
                     "<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>"),
                "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

static void
hashes_as_the_complex_example(void **state)
{
        assert_string_equal(
                hash("<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
                     "<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>"
                     "<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>"
                     "<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>" FORM(
                             "<field var='os_version'><value>10.5.1</value></field>" HIDDEN(
                                     "urn:xmpp:dataforms:softwareinfo") "<field var='ip_version'><value>ipv6</value><value>ipv4</value></field><field var='os'><value>Mac"
                                                                        "</value></field><field var='software'><value>Psi</value></field><field var='software_version'>"
                                                                        "<value>0.11</value></field>")),
                "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

static void
a_bracket_inside_ends_nothing(void **state)
{
        char parts[DISCO_HASH_TEXT];

        strcpy(parts, hash(IDENTITY "<feature var='a'/><feature var='b'/>"));
        assert_string_not_equal(parts, hash(IDENTITY "<feature var='a&lt;b'/>"));
        assert_string_not_equal(hash("<identity category='client' type='pc' name='Exodus 0.9.1&lt;a&lt;b'/>"), parts);
}

static void
forms_without_a_hidden_type_do_not_count(void **state)
{
        char plain[DISCO_HASH_TEXT];

        strcpy(plain, hash(IDENTITY));
        assert_string_equal(plain, hash(IDENTITY FORM("<field var='FORM_TYPE'><value>urn:a</value></field>")));
        assert_string_equal(plain, hash(IDENTITY FORM("<field var='a'><value>1</value></field>")));
        assert_string_equal(plain, hash(IDENTITY FORM("<field var='FORM_TYPE' type='hidden'/>")));
        assert_string_not_equal(plain, hash(IDENTITY FORM(HIDDEN("urn:a"))));
        assert_string_equal(hash(IDENTITY FORM(HIDDEN("urn:a"))),
                hash(IDENTITY FORM("<field var='FORM_TYPE' type='hidden'><value>urn:a</value><value>urn:a</value></field>")));
}

static void
rejects_what_is_ill_formed(void **state)
{
        static const char *const rows[] = {
                "",
                "<feature var='a'/>",
                "<identity category='client'/>",
                "<identity type='pc'/>",
                IDENTITY "<feature/>",
                IDENTITY IDENTITY,
                IDENTITY "<feature var='a'/><feature var='b'/><feature var='a'/>",
                IDENTITY FORM(HIDDEN("urn:a")) FORM(HIDDEN("urn:a")),
                IDENTITY FORM("<field var='FORM_TYPE' type='hidden'><value>urn:a</value><value>urn:b</value></field>"),
                IDENTITY FORM(HIDDEN("urn:a") HIDDEN("urn:a")),
        };
        struct disco disco;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_false(read(&disco, rows[i]));
}

static void
has_bounds(void **state)
{
        struct buf many = { 0 };
        struct disco disco;

        buf_puts(&many, IDENTITY);
        for (int i = 0; i < DISCO_FEATURES_MAX; i++)
                buf_printf(&many, "<feature var='%d'/>", i);
        assert_true(read(&disco, buf_text(&many)));
        assert_true(disco_has(&disco, "0"));
        assert_true(disco_has(&disco, "999"));
        assert_false(disco_has(&disco, "1000"));
        buf_puts(&many, "<feature var='1000'/>");
        assert_false(read(&disco, buf_text(&many)));
        buf_free(&many);
}

static void
a_client_is_shown_before_others(void **state)
{
        struct disco disco;

        assert_true(read(
                &disco, "<identity category='automation' type='rpc' name='R'/><identity category='client' type='pc' name='C'/>"));
        assert_string_equal(disco_identity(&disco)->name, "C");
        assert_true(read(&disco, "<identity category='automation' type='rpc' name='R'/>"));
        assert_string_equal(disco_identity(&disco)->name, "R");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(hashes_as_the_simple_example, forget),
                cmocka_unit_test_teardown(hashes_as_the_complex_example, forget),
                cmocka_unit_test_teardown(a_bracket_inside_ends_nothing, forget),
                cmocka_unit_test_teardown(forms_without_a_hidden_type_do_not_count, forget),
                cmocka_unit_test_teardown(rejects_what_is_ill_formed, forget),
                cmocka_unit_test_teardown(has_bounds, forget),
                cmocka_unit_test_teardown(a_client_is_shown_before_others, forget),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
