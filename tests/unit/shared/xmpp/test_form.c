/* test_form.c - forms as they come from clients (XEP-0004), good and bad */
#include "shared/base/buf.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/form.h"

#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static struct arena *arena;

static int
set_up(void **state)
{
        arena = NULL;
        return 0;
}

static int
tear_down(void **state)
{
        arena_free(&arena);
        return 0;
}

/* The form whose inside is this. */
static bool
read(struct form *form, const char *type, const char *inside)
{
        static const struct xml_limits limits = { .stanza_bytes = 1 << 20, .depth = 64, .attributes = 64 };
        struct buf text = { 0 };
        enum xml_problem problem;

        buf_printf(&text, "<x xmlns='jabber:x:data' type='%s'>%s</x>", type, inside);
        arena_free(&arena);
        struct element *x = xml_parse_document(buf_data(&text), text.len, &limits, &arena, &problem);
        assert_non_null(x);
        bool fine = form_read(form, arena, x);
        buf_free(&text);
        return fine;
}

static void
reads_what_was_filled_in(void **state)
{
        struct form form;
        bool yes = false;

        assert_true(read(&form, "submit",
                "<field var='FORM_TYPE' type='hidden'><value>urn:a</value></field><field var='name'><value>Juliet</value></field>"
                "<field var='many' type='list-multi'><value>1</value><value>2</value></field><field var='none'/>"
                "<field var='on' type='boolean'><value>1</value></field><field var='off'><value>false</value></field>"
                "<field type='fixed'><value>Read this.</value></field><field var='count'><value>12</value></field>"));
        assert_int_equal(form.kind, FORM_SUBMIT);
        assert_string_equal(form.form_type, "urn:a");
        assert_int_equal(form.count, 7);
        assert_string_equal(form_text(&form, "name"), "Juliet");
        assert_null(form_text(&form, "many"));
        assert_int_equal(form_find(&form, "many")->count, 2);
        assert_string_equal(form_find(&form, "many")->values[1], "2");
        assert_null(form_text(&form, "none"));
        assert_null(form_text(&form, "nowhere"));
        assert_true(form_bool(&form, "on", &yes) && yes);
        assert_true(form_bool(&form, "off", &yes) && !yes);
        assert_false(form_bool(&form, "name", &yes));
        assert_false(form_bool(&form, "nowhere", &yes));
        assert_int_equal(form_number(&form, "count", 12), 12);
        assert_int_equal(form_number(&form, "count", 11), -1);
        assert_int_equal(form_number(&form, "name", 12), -1);
        assert_int_equal(form_number(&form, "nowhere", 12), -1);
}

static void
a_form_type_is_hidden_or_submitted(void **state)
{
        static const struct {
                const char *type, *inside, *form_type;
        } rows[] = {
                { "submit", "<field var='FORM_TYPE'><value>urn:a</value></field>", "urn:a" },
                { "result", "<field var='FORM_TYPE' type='hidden'><value>urn:a</value></field>", "urn:a" },
                { "result", "<field var='FORM_TYPE'><value>urn:a</value></field>", NULL },
                { "submit", "<field var='FORM_TYPE' type='text-single'><value>urn:a</value></field>", NULL },
                { "submit", "<field var='FORM_TYPE'><value>urn:a</value><value>urn:b</value></field>", NULL },
                { "submit", "<field var='FORM_TYPE'/>", NULL },
                { "cancel", "", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct form form;
                assert_true(read(&form, rows[i].type, rows[i].inside));
                if (rows[i].form_type == NULL)
                        assert_null(form.form_type);
                else
                        assert_string_equal(form.form_type, rows[i].form_type);
        }
}

static void
refuses_what_is_no_form(void **state)
{
        struct form form;
        struct buf many = { 0 };

        assert_false(form_read(&form, NULL, NULL));
        assert_false(read(&form, "", ""));
        assert_false(read(&form, "question", ""));
        assert_false(read(&form, "submit", "<field><value>1</value></field>"));
        assert_false(read(&form, "submit", "<field var='a'/><field var='a'/>"));
        for (int i = 0; i < FORM_FIELDS_MAX; i++)
                buf_printf(&many, "<field var='%d'/>", i);
        assert_true(read(&form, "submit", buf_text(&many)));
        buf_puts(&many, "<field var='one more'/>");
        assert_false(read(&form, "submit", buf_text(&many)));
        buf_clear(&many);
        buf_puts(&many, "<field var='a'>");
        for (int i = 0; i <= FORM_VALUES_MAX; i++)
                buf_puts(&many, "<value/>");
        buf_puts(&many, "</field>");
        assert_false(read(&form, "submit", buf_text(&many)));
        buf_free(&many);
}

static void
what_was_written_is_read(void **state)
{
        struct arena *here = arena_new(1024);
        struct element *query = element_new(here, "query", "urn:q");
        struct element *written = form_begin(here, query, "urn:a");
        struct form form;

        form_add(here, written, "a", "1");
        form_add(here, written, "a", "2");
        form_add(here, written, "b", "3");
        assert_true(form_read(&form, here, written));
        assert_int_equal(form.kind, FORM_RESULT);
        assert_string_equal(form.form_type, "urn:a");
        assert_int_equal(form_find(&form, "a")->count, 2);
        assert_string_equal(form_text(&form, "b"), "3");

        written = form_begin_question(here, query, "urn:a", "Please.");
        form_ask(here, written, "text-single", "name", "Name");
        assert_true(form_read(&form, here, written));
        assert_int_equal(form.kind, FORM_FORM);
        assert_string_equal(form_find(&form, "name")->type, "text-single");
        arena_free(&here);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(reads_what_was_filled_in, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_form_type_is_hidden_or_submitted, set_up, tear_down),
                cmocka_unit_test_setup_teardown(refuses_what_is_no_form, set_up, tear_down),
                cmocka_unit_test(what_was_written_is_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
