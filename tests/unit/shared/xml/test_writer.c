/* Trees to bytes: where xmlns stands, what is escaped, and that what was written reads as the same tree. */
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct xml_limits limits = { .stanza_bytes = 65536, .depth = 64, .attributes = 64 };

static struct arena *arena;

static int
set_up(void **state)
{
        arena = arena_new(1024);
        return 0;
}

static int
tear_down(void **state)
{
        arena_free(&arena);
        return 0;
}

static void
assert_writes(const struct element *element, const char *default_ns, const char *expected)
{
        struct buf out = { 0 };

        xml_write(&out, element, default_ns);
        assert_string_equal(buf_text(&out), expected);
        buf_free(&out);
}

static void
a_namespace_is_declared_where_it_changes(void **state)
{
        static const struct {
                const char *ns, *inner, *around, *expected;
        } rows[] = {
                { XML_CONTENT_NS, NULL, XML_CONTENT_NS, "<a><b/></a>" },
                { XML_CONTENT_NS, XML_CONTENT_NS, XML_CONTENT_NS, "<a><b/></a>" },
                /* One content namespace stands for the others, so the same bytes fit each kind of stream. */
                { XML_CONTENT_NS, NULL, "jabber:server", "<a><b/></a>" },
                { XML_CONTENT_NS, NULL, "jabber:component:accept", "<a><b/></a>" },
                { XML_CONTENT_NS, NULL, "urn:x", "<a xmlns=\"jabber:client\"><b/></a>" },
                { XML_CONTENT_NS, NULL, NULL, "<a xmlns=\"jabber:client\"><b/></a>" },
                { "urn:x", NULL, XML_CONTENT_NS, "<a xmlns=\"urn:x\"><b/></a>" },
                { "urn:x", "urn:x", XML_CONTENT_NS, "<a xmlns=\"urn:x\"><b/></a>" },
                { "urn:x", "urn:y", XML_CONTENT_NS, "<a xmlns=\"urn:x\"><b xmlns=\"urn:y\"/></a>" },
                { "urn:x", XML_CONTENT_NS, XML_CONTENT_NS, "<a xmlns=\"urn:x\"><b xmlns=\"jabber:client\"/></a>" },
                { "urn:x", "", XML_CONTENT_NS, "<a xmlns=\"urn:x\"><b xmlns=\"\"/></a>" },
                { "", NULL, NULL, "<a><b/></a>" },
                { "urn:\"<&", NULL, "", "<a xmlns=\"urn:&quot;&lt;&amp;\"><b/></a>" },
        };

        for (size_t i = 0; i < array_len(rows); i++) {
                struct element *a = element_new(arena, "a", rows[i].ns);
                element_add(arena, a, "b", rows[i].inner);
                assert_writes(a, rows[i].around, rows[i].expected);
        }
}

static void
what_would_not_come_back_is_escaped(void **state)
{
        struct element *a = element_new(arena, "a", XML_CONTENT_NS);
        element_set(arena, a, "v", "&<>\"'\t\n\r\303\274");
        element_put_text(arena, a, "&<>\"'\t\n\r\303\274]]>", 13);
        assert_writes(a, XML_CONTENT_NS,
                "<a v=\"&amp;&lt;&gt;&quot;&apos;&#9;&#10;&#13;\303\274\">&amp;&lt;&gt;\"'\t\n&#13;\303\274]]&gt;</a>");
}

static void
attributes_of_namespaces_get_prefixes(void **state)
{
        struct element *a = element_new(arena, "a", XML_CONTENT_NS);
        element_set_ns(arena, a, "lang", XML_NS_XML, "de");
        element_set_ns(arena, a, "one", "urn:x", "1");
        element_set(arena, a, "plain", "2");
        element_set_ns(arena, a, "two", "urn:y", "3");
        assert_writes(a, XML_CONTENT_NS,
                "<a xml:lang=\"de\" xmlns:n1=\"urn:x\" n1:one=\"1\" plain=\"2\" xmlns:n2=\"urn:y\" n2:two=\"3\"/>");
}

static void
the_inside_stands_in_the_elements_namespace(void **state)
{
        struct buf out = { 0 };
        struct element *a = element_new(arena, "a", "urn:x");
        element_add_text(arena, a, "b", "urn:x", "in");
        element_put_text(arena, a, " between ", 9);
        element_add(arena, a, "c", "urn:y");
        xml_write_inside(&out, a);
        assert_string_equal(buf_text(&out), "<b>in</b> between <c xmlns=\"urn:y\"/>");
        buf_free(&out);
}

static void
what_is_read_is_written_and_read_again(void **state)
{
        static const char *const documents[] = {
                "<message xmlns=\"jabber:client\" to=\"a@b\"><body>&lt;&amp;&gt; &#13; \"</body><x xmlns=\"urn:x\"><y xmlns=\"\"/></x></message>",
                "<p:a xmlns:p=\"urn:p\" xmlns=\"urn:d\" p:b=\"1\" b=\"2\"><p:c/><c/><p:d xmlns:p=\"urn:q\"/></p:a>",
                "<a xmlns=\"urn:x\" v=\"&#9;&#10;&#13; &apos;&quot;\">\303\274<b/>tail</a>",
        };

        for (size_t i = 0; i < array_len(documents); i++) {
                struct buf once = { 0 }, twice = { 0 };
                struct arena *first, *second;
                enum xml_problem problem;
                struct element *element = xml_parse_document(documents[i], strlen(documents[i]), &limits, &first, &problem);
                assert_non_null(element);
                xml_write(&once, element, NULL);
                struct element *again = xml_parse_document(buf_data(&once), once.len, &limits, &second, &problem);
                assert_non_null(again);
                xml_write(&twice, again, NULL);
                assert_string_equal(buf_text(&once), buf_text(&twice));
                arena_free(&first);
                arena_free(&second);
                buf_free(&once);
                buf_free(&twice);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_namespace_is_declared_where_it_changes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_would_not_come_back_is_escaped, set_up, tear_down),
                cmocka_unit_test_setup_teardown(attributes_of_namespaces_get_prefixes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_inside_stands_in_the_elements_namespace, set_up, tear_down),
                cmocka_unit_test(what_is_read_is_written_and_read_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
