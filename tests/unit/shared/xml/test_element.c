/* test_element.c - building, changing, copying and writing trees */
#include "shared/xml/element.h"

#include "shared/xml/writer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void
assert_written(const struct element *element, const char *default_ns, const char *expected)
{
        struct buf out = { 0 };
        xml_write(&out, element, default_ns);
        assert_string_equal(buf_text(&out), expected);
        buf_free(&out);
}

static void
writes_a_namespace_only_where_it_changes(void **state)
{
        struct arena *arena = arena_new(256);
        struct element *message = element_new(arena, "message", XML_CONTENT_NS);
        element_add_text(arena, message, "body", NULL, "hi");
        struct element *f = element_add(arena, message, "forwarded", "u:f");
        element_add(arena, f, "delay", NULL);
        element_add(arena, f, "message", XML_CONTENT_NS);
        element_add(arena, f, "none", "");

        static const char inside[] =
                "<body>hi</body><forwarded xmlns=\"u:f\"><delay/><message xmlns=\"jabber:client\"/><none xmlns=\"\"/></forwarded></message>";
        char expected[400];
        snprintf(expected, sizeof expected, "<message>%s", inside);
        assert_written(message, "jabber:client", expected);
        assert_written(message, "jabber:server", expected);
        assert_written(message, "jabber:component:accept", expected);
        snprintf(expected, sizeof expected, "<message xmlns=\"jabber:client\">%s", inside);
        assert_written(message, "u:other", expected);
        assert_written(message, NULL, expected);
        arena_free(&arena);
}

static void
escapes_text_and_values(void **state)
{
        struct arena *arena = arena_new(256);
        struct element *e = element_new(arena, "e", "");
        element_set(arena, e, "a", "<\"'&>\t\n\r");
        element_set_ns(arena, e, "lang", XML_NS_XML, "en");
        element_set_ns(arena, e, "x", "u:x", "1");
        element_put_text(arena, e, "<\"'&>\t\n\r", 8);
        assert_written(e, "",
                "<e a=\"&lt;&quot;&apos;&amp;&gt;&#9;&#10;&#13;\" xml:lang=\"en\" xmlns:n1=\"u:x\" n1:x=\"1\">&lt;\"'&amp;&gt;\t\n&#13;</e>");
        arena_free(&arena);
}

static void
sets_replaces_and_removes_attributes(void **state)
{
        struct arena *arena = arena_new(256);
        struct element *e = element_new(arena, "e", "");
        element_set(arena, e, "a", "1");
        element_set(arena, e, "b", "2");
        element_set_ns(arena, e, "a", "u:x", "3");
        element_set(arena, e, "a", "4");
        assert_string_equal(element_attribute(e, "a"), "4");
        assert_string_equal(element_attribute_ns(e, "a", "u:x"), "3");
        element_set(arena, e, "a", NULL);
        element_set(arena, e, "none", NULL);
        assert_null(element_attribute(e, "a"));
        assert_string_equal(element_attribute(e, "b"), "2");
        arena_free(&arena);
}

static void
finds_children_by_name_and_namespace(void **state)
{
        struct arena *arena = arena_new(256);
        struct element *e = element_new(arena, "e", "u:e");
        element_put_text(arena, e, " ", 1);
        struct element *one = element_add(arena, e, "x", "u:1"), *two = element_add(arena, e, "x", "u:2"),
                       *three = element_add(arena, e, "y", NULL);
        assert_ptr_equal(element_first(e), one);
        assert_ptr_equal(element_next(one), two);
        assert_ptr_equal(element_child(e, "x", NULL), one);
        assert_ptr_equal(element_child(e, NULL, "u:2"), two);
        assert_ptr_equal(element_child(e, NULL, "u:e"), three);
        assert_null(element_child(e, "y", "u:1"));
        element_remove(e, two);
        assert_ptr_equal(element_next(one), three);
        element_remove(e, three);
        assert_null(element_next(one));
        element_append(e, two);
        assert_ptr_equal(element_next(one), two);
        arena_free(&arena);
}

static void
joins_runs_of_text(void **state)
{
        struct arena *arena = arena_new(256);
        struct element *e = element_new(arena, "e", "");
        assert_string_equal(element_text(e, arena), "");
        element_put_text(arena, e, "one ", 4);
        assert_string_equal(element_text(e, arena), "one ");
        element_add_text(arena, e, "b", NULL, "not this");
        element_put_text(arena, e, "two", 3);
        assert_string_equal(element_text(e, arena), "one two");
        arena_free(&arena);
}

static void
a_copy_is_equal_and_stands_alone(void **state)
{
        struct arena *arena = arena_new(256), *other = arena_new(64);
        struct element *root = element_new(arena, "root", "u:r"), *at = root;
        for (int i = 0; i < 1000; i++) {
                element_put_text(arena, at, "t", 1);
                struct element *side = element_add(arena, at, "side", NULL);
                element_set(arena, side, "n", "1");
                at = element_add(arena, at, "down", i % 2 ? "u:r" : "u:d");
        }
        struct buf before = { 0 }, after = { 0 };
        xml_write(&before, root, NULL);
        struct element *copy = element_copy(other, root);
        struct element *part = element_copy(other, element_child(root, "side", NULL));
        arena_free(&arena);
        xml_write(&after, copy, NULL);
        assert_string_equal(buf_text(&before), buf_text(&after));
        assert_written(part, NULL, "<side xmlns=\"u:r\" n=\"1\"/>");
        buf_free(&before);
        buf_free(&after);
        arena_free(&other);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_a_namespace_only_where_it_changes),
                cmocka_unit_test(escapes_text_and_values),
                cmocka_unit_test(sets_replaces_and_removes_attributes),
                cmocka_unit_test(finds_children_by_name_and_namespace),
                cmocka_unit_test(joins_runs_of_text),
                cmocka_unit_test(a_copy_is_equal_and_stands_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
