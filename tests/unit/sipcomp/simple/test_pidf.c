/* Presence documents: what others write, and the one shape that we write (sections 6.2 and 6.4 of the dialects). */
#include "shared/base/mem.h"
#include "sipcomp/simple/pidf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:ep=\"urn:x\" xmlns:dm=\"urn:y\" xmlns:r=\"urn:z\" entity=\"sip:carol@lync.test\">"
#define OPEN "<status><basic>open</basic></status>"

static struct arena *arena;

static enum pidf_verdict
read_as(struct pidf *pidf, const char *text, const char *entity, bool loose)
{
        return pidf_read(pidf, arena, text, strlen(text), entity, loose);
}

static void
reads_states_and_activities(void **state)
{
        static const struct {
                const char *body;
                bool open;
                const char *activity;
        } rows[] = {
                { "<tuple id=\"0\">" OPEN "</tuple>", true, "" },
                { "<tuple id=\"0\"><status><basic> closed </basic></status></tuple>", false, "" },
                { "<tuple id=\"0\"><status><basic>open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities></status></tuple>", true, "busy" },
                { "<tuple id=\"0\">" OPEN "<r:activities><r:away/></r:activities></tuple>", true, "away" },
                { "<tuple id=\"0\">" OPEN "</tuple><dm:person><r:activities><r:note>x</r:note><r:unknown/><r:on-the-phone/></r:activities></dm:person>", true, "on-the-phone" },
                { "<tuple id=\"a\">" OPEN "<contact priority=\"0.2\">x</contact><r:activities><r:away/></r:activities></tuple>"
                  "<tuple id=\"b\">" OPEN "<contact priority=\"0.9\">x</contact><r:activities><r:busy/></r:activities></tuple>", true, "busy" },
                { "<tuple id=\"a\"><status><basic>closed</basic></status></tuple><tuple id=\"b\">" OPEN "</tuple>", true, "" },
                { "<tuple id=\"a\"><status><basic>maybe</basic></status></tuple>", false, "" },
                { "", false, "" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct buf text = { 0 };
                struct pidf pidf;
                buf_printf(&text, "%s%s</presence>", HEAD, rows[i].body);
                assert_int_equal(read_as(&pidf, buf_text(&text), "sip:carol@lync.test", false), PIDF_FINE);
                assert_int_equal(pidf.open, rows[i].open);
                assert_string_equal(pidf.activity, rows[i].activity);
                buf_free(&text);
        }
}

static void
reads_notes_and_names(void **state)
{
        struct pidf pidf;
        assert_int_equal(read_as(&pidf, HEAD "<tuple id=\"0\">" OPEN "<note xml:lang=\"de\"> Mittag </note><note>lunch</note></tuple><note>other</note>"
                                             "<display-name>Carol Weber</display-name></presence>", "carol@lync.test", false), PIDF_FINE);
        assert_int_equal(pidf.note_count, 2);
        assert_string_equal(pidf.notes[0].lang, "de");
        assert_string_equal(pidf.notes[0].text, "Mittag");
        assert_null(pidf.notes[1].lang);
        assert_string_equal(pidf.display_name, "Carol Weber");
        assert_int_equal(read_as(&pidf, HEAD "<tuple id=\"0\">" OPEN "</tuple><note>outside</note></presence>", "carol@lync.test", false), PIDF_FINE);
        assert_string_equal(pidf.notes[0].text, "outside");
}

static void
refuses_what_is_no_document_of_this_contact(void **state)
{
        static const char *const broken[] = { "", "nonsense", "<presence/>", "<!DOCTYPE x [<!ENTITY a \"b\">]>" HEAD "</presence>", HEAD "<tuple>",
                                              "<presence xmlns=\"urn:other\" entity=\"sip:carol@lync.test\"/>", "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>" };
        struct pidf pidf;
        for (size_t i = 0; i < array_len(broken); i++)
                assert_int_equal(read_as(&pidf, broken[i], "sip:carol@lync.test", false), PIDF_BROKEN);
        assert_int_equal(read_as(&pidf, HEAD "</presence>", "sip:mallory@lync.test", false), PIDF_OF_ANOTHER);
}

static void
compares_entities(void **state)
{
        static const struct {
                const char *a, *b;
                bool loose, same;
        } rows[] = {
                { "sip:a@x.test", "a@X.TEST", false, true },        { "pres:a@x.test;p=1", "sips:a@x.test", false, true },
                { "sip:a@x.test:5061", "sip:a@x.test", false, true }, { "sip:A@x.test", "sip:a@x.test", false, false },
                { "Dave Smith@aol.com", "sip:davesmith@aol.com", true, true }, { "sip:a%20b@x.test", "sip:a%20b@x.test", false, true },
                { "sip:a@x.test", "sip:a@xx.test", false, false },  { "nobody", "nobody", false, false },
        };
        for (size_t i = 0; i < array_len(rows); i++)
                assert_int_equal(pidf_same_entity(rows[i].a, rows[i].b, rows[i].loose), rows[i].same);
}

static void
writes_what_it_reads(void **state)
{
        struct buf text = { 0 };
        struct pidf pidf;
        pidf_write(&text, "sip:alice@example.com", true, "busy", "In <a> meeting & more");
        assert_int_equal(read_as(&pidf, buf_text(&text), "sip:alice@example.com", false), PIDF_FINE);
        assert_true(pidf.open);
        assert_string_equal(pidf.activity, "busy");
        assert_string_equal(pidf.notes[0].text, "In <a> meeting & more");
        assert_non_null(strstr(buf_text(&text), "<ep:activity>busy</ep:activity>"));
        assert_non_null(strstr(buf_text(&text), "<rpid:busy/>"));
        buf_free(&text);
}

static void
tells_nobody_why_someone_is_offline(void **state)
{
        struct buf denied = { 0 }, away = { 0 };
        pidf_write(&denied, "sip:alice@example.com", false, "", "");
        pidf_write(&away, "sip:alice@example.com", false, "busy", "gone home");
        assert_string_equal(buf_text(&denied), buf_text(&away));
        assert_null(strstr(buf_text(&denied), "note"));
        assert_null(strstr(buf_text(&denied), "person"));
        buf_free(&denied);
        buf_free(&away);
}

static void
copies_outlive_what_they_were_made_of(void **state)
{
        struct arena *own = arena_new(512);
        struct pidf pidf;
        const char *text = HEAD "<tuple id=\"1\">" OPEN "<note xml:lang=\"de\">zu Tisch</note><note>lunch</note></tuple>"
                                "<ci:display-name xmlns:ci=\"urn:c\">Carol</ci:display-name></presence>";
        assert_int_equal(pidf_read(&pidf, own, text, strlen(text), "sip:carol@lync.test", false), PIDF_FINE);
        const struct pidf *copy = pidf_copy(&pidf);
        arena_free(&own);
        assert_true(copy->open);
        assert_string_equal(copy->activity, "");
        assert_string_equal(copy->display_name, "Carol");
        assert_int_equal(copy->note_count, 2);
        assert_string_equal(copy->notes[0].lang, "de");
        assert_string_equal(copy->notes[0].text, "zu Tisch");
        assert_null(copy->notes[1].lang);
        assert_string_equal(copy->notes[1].text, "lunch");
        pidf_free_copy(&copy);
        assert_null(copy);

        copy = pidf_copy(&(struct pidf){ .activity = "" });
        assert_ptr_equal(copy, &pidf_closed); /* there are very many of these */
        pidf_free_copy(&copy);
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
                cmocka_unit_test(reads_states_and_activities),
                cmocka_unit_test(reads_notes_and_names),
                cmocka_unit_test(refuses_what_is_no_document_of_this_contact),
                cmocka_unit_test(compares_entities),
                cmocka_unit_test(writes_what_it_reads),
                cmocka_unit_test(tells_nobody_why_someone_is_offline),
                cmocka_unit_test(copies_outlive_what_they_were_made_of),
        };
        return cmocka_run_group_tests(tests, open_arena, close_arena);
}
