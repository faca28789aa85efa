/* test_parser.c - streams and documents, in one piece and byte by byte */
#include "shared/xml/parser.h"

#include "shared/base/mem.h"
#include "shared/xml/writer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a.example' version='1.0'>"

static const struct xml_limits limits = { .stanza_bytes = 10000, .depth = 8, .attributes = 4 };

/* What the events said, one line each. */
struct witness {
        struct xml_parser *parser;
        struct buf said;
        bool stops;
};

static void
witness_opened(void *owner, struct element *header, const char *default_ns)
{
        struct witness *w = owner;
        const char *to = element_attribute(header, "to");
        buf_printf(&w->said, "open %s %s %s\n", header->name, default_ns, to != NULL ? to : "-");
        if (w->stops)
                xml_parser_stop(w->parser);
}

static void
witness_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct witness *w = owner;
        buf_puts(&w->said, source->plain ? "plain " : "other ");
        buf_put(&w->said, source->inside, source->inside_len);
        buf_puts(&w->said, " ");
        xml_write(&w->said, element, XML_CONTENT_NS);
        buf_puts(&w->said, "\n");
        arena_free(&arena);
        if (w->stops)
                xml_parser_stop(w->parser);
}

static void
witness_closed(void *owner)
{
        struct witness *w = owner;
        buf_puts(&w->said, "close\n");
}

static const struct xml_events events = { witness_opened, witness_element, witness_closed };

static void
begin(struct witness *w)
{
        *w = (struct witness){ 0 };
        w->parser = xml_parser_new(&limits, &events, w);
}

static void
end(struct witness *w)
{
        xml_parser_free(&w->parser);
        buf_free(&w->said);
}

/* Feeds in pieces of `step` bytes, each in memory of its own so that a look behind it is seen. */
static enum xml_problem
feed(struct witness *w, const char *text, size_t step)
{
        size_t len = strlen(text), used;
        for (size_t at = 0; at < len; at += step) {
                size_t n = len - at < step ? len - at : step;
                char *copy = mem_dup(text + at, n);
                enum xml_problem problem = xml_parser_feed(w->parser, copy, n, &used);
                mem_free(copy);
                if (problem != XML_FINE)
                        return problem;
        }
        return XML_FINE;
}

static void
tells_the_same_however_the_bytes_are_cut(void **state)
{
        static const char stream[] =
                "<?xml version='1.0' encoding='UTF-8'?>\n" HEADER
                "<message to='b'><body>a &amp; b &lt;</body></message> \n <presence/>"
                "<iq type='get'><q xmlns='u:q' a=\"1\">x<i/>y</q></iq><message><body>\xc3\xa4\xe2\x82\xac</body></message></stream:stream>";
        static const char expected[] =
                "open stream jabber:client a.example\n"
                "plain <body>a &amp; b &lt;</body> <message to=\"b\"><body>a &amp; b &lt;</body></message>\n"
                "plain  <presence/>\n"
                "plain <q xmlns='u:q' a=\"1\">x<i/>y</q> <iq type=\"get\"><q xmlns=\"u:q\" a=\"1\">x<i/>y</q></iq>\n"
                "plain <body>\xc3\xa4\xe2\x82\xac</body> <message><body>\xc3\xa4\xe2\x82\xac</body></message>\n"
                "close\n";
        for (size_t step = 1; step <= sizeof stream; step++) {
                struct witness w;
                begin(&w);
                assert_int_equal(feed(&w, stream, step), XML_FINE);
                assert_string_equal(buf_text(&w.said), expected);
                end(&w);
        }
}

static void
an_inside_that_leans_on_outer_declarations_is_not_plain(void **state)
{
        static const struct {
                const char *header, *stanza;
                bool plain;
        } rows[] = {
                { HEADER, "<message><a xmlns:p='u:p'><p:b/></a></message>", true },
                { HEADER, "<message xmlns='jabber:client'><body/></message>", true },
                { HEADER, "<message xmlns:p='u:p'><p:b/></message>", false },
                { HEADER, "<c:message xmlns:c='jabber:client'><c:body/></c:message>", false },
                { HEADER, "<message><stream:x/></message>", false },
                { HEADER, "<message><x stream:a='1'/></message>", false },
                { HEADER, "<message><f xmlns='u:f'><message xmlns='jabber:server'/></f></message>", false },
                { HEADER, "<auth xmlns='u:sasl'><x/></auth>", false },
                { "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='u:p'>",
                        "<message><p:b/></message>", false },
                { "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
                        "<message><body/></message>", true },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct witness w;
                begin(&w);
                assert_int_equal(feed(&w, rows[i].header, 1000), XML_FINE);
                buf_clear(&w.said);
                assert_int_equal(feed(&w, rows[i].stanza, 1000), XML_FINE);
                assert_memory_equal(buf_text(&w.said), rows[i].plain ? "plain" : "other", 5);
                end(&w);
        }
}

static void
the_three_content_namespaces_are_one(void **state)
{
        struct witness w;
        begin(&w);
        feed(&w,
                "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'><message><body>x</body></message>",
                7);
        assert_string_equal(buf_text(&w.said),
                "open stream jabber:component:accept -\nplain <body>x</body> <message><body>x</body></message>\n");
        end(&w);
}

static void
names_each_problem(void **state)
{
        static const struct {
                const char *bytes;
                enum xml_problem problem;
        } rows[] = {
                { HEADER "<message><body></message>", XML_NOT_WELL_FORMED },
                { "hello\n", XML_NOT_WELL_FORMED },
                { HEADER "<message a='1' a='2'/>", XML_NOT_WELL_FORMED },
                { HEADER "<message>\x01</message>", XML_NOT_WELL_FORMED },
                { HEADER "<message>&#1;</message>", XML_NOT_WELL_FORMED },
                { HEADER "<message>\xff</message>", XML_NOT_WELL_FORMED },
                { HEADER "<message>\xed\xa0\x80</message>", XML_NOT_WELL_FORMED },
                { HEADER "<!-- -->", XML_RESTRICTED },
                { HEADER "<message><!-- --></message>", XML_RESTRICTED },
                { HEADER "<?pi x?>", XML_RESTRICTED },
                { HEADER "<message>&foo;</message>", XML_RESTRICTED },
                { "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", XML_RESTRICTED },
                { "<?xml version='1.0' encoding='ISO-8859-1'?><x/>", XML_UNSUPPORTED_ENCODING },
                { "<?xml version='1.0' encoding='UTF-16'?><x/>", XML_UNSUPPORTED_ENCODING },
                { HEADER "<p:message/>", XML_BAD_NAMESPACE_PREFIX },
                { HEADER "stray", XML_STRAY_TEXT },
                { HEADER "<a><a><a><a><a><a><a><a><a>", XML_TOO_DEEP },
                { HEADER "<a b='' c='' d='' e='' f=''/>", XML_TOO_MANY_ATTRIBUTES },
        };
        for (size_t i = 0; i < array_len(rows); i++)
                for (size_t step = 1; step < 200; step += 66) {
                        struct witness w;
                        size_t used;
                        begin(&w);
                        enum xml_problem problem = feed(&w, rows[i].bytes, step);
                        if (problem != rows[i].problem)
                                fail_msg("%s: %d", rows[i].bytes, problem);
                        assert_int_equal(xml_parser_feed(w.parser, "<a/>", 4, &used), rows[i].problem);
                        end(&w);
                }
}

static void
a_stanza_is_limited_while_it_comes(void **state)
{
        struct witness w;
        char bytes[1000];
        size_t used, fed = 0;

        memset(bytes, 'x', sizeof bytes);
        begin(&w);
        assert_int_equal(feed(&w, HEADER "<message><body>", 1000), XML_FINE);
        enum xml_problem problem;
        while ((problem = xml_parser_feed(w.parser, bytes, sizeof bytes, &used)) == XML_FINE)
                fed += used;
        assert_int_equal(problem, XML_TOO_LARGE);
        assert_in_range(fed, 9000, 10000);
        end(&w);

        /* A start tag without end, white space around it, and a header without end. */
        static const char *const starts[] = { HEADER "   <message a='", "<stream:stream a='" };
        for (size_t i = 0; i < array_len(starts); i++) {
                begin(&w);
                assert_int_equal(feed(&w, starts[i], 1000), XML_FINE);
                for (fed = 0; (problem = xml_parser_feed(w.parser, bytes, sizeof bytes, &used)) == XML_FINE;)
                        fed += used;
                assert_int_equal(problem, XML_TOO_LARGE);
                assert_in_range(fed, 9000, 10000);
                end(&w);
        }

        /* One byte more than allowed, all in one piece. */
        struct buf whole = { 0 };
        for (int more = 0; more <= 1; more++) {
                begin(&w);
                feed(&w, HEADER, 1000);
                buf_clear(&whole);
                buf_puts(&whole, "<m>");
                while (whole.len < limits.stanza_bytes + (size_t)more - 4)
                        buf_putc(&whole, 'x');
                buf_puts(&whole, "</m>");
                assert_int_equal(feed(&w, buf_text(&whole), 100000), more ? XML_TOO_LARGE : XML_FINE);
                end(&w);
        }
        buf_free(&whole);
}

static void
white_space_keeps_a_stream_alive_for_ever(void **state)
{
        struct witness w;
        begin(&w);
        feed(&w, HEADER, 1000);
        for (int i = 0; i < 30000; i++)
                assert_int_equal(feed(&w, " \n", 2), XML_FINE);
        end(&w);
}

static void
stops_behind_an_element_and_goes_on_there(void **state)
{
        static const char stream[] = HEADER "<a/> <b>1</b><c/></stream:stream>";
        struct witness w;
        size_t at = 0, used;
        int feeds = 0;

        begin(&w);
        w.stops = true;
        while (at < strlen(stream)) {
                assert_int_equal(xml_parser_feed(w.parser, stream + at, strlen(stream) - at, &used), XML_FINE);
                at += used;
                feeds++;
        }
        assert_int_equal(feeds, 5);
        assert_string_equal(
                buf_text(&w.said), "open stream jabber:client a.example\nplain  <a/>\nplain 1 <b>1</b>\nplain  <c/>\nclose\n");
        end(&w);
}

static void
an_empty_root_closes_even_when_it_was_stopped_at(void **state)
{
        static const char stream[] = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'/>";
        struct witness w;
        size_t used;

        begin(&w);
        w.stops = true;
        assert_int_equal(xml_parser_feed(w.parser, stream, strlen(stream), &used), XML_FINE);
        assert_int_equal(used, strlen(stream));
        xml_parser_feed(w.parser, "", 0, &used);
        assert_string_equal(buf_text(&w.said), "open stream jabber:client -\nclose\n");
        end(&w);
}

static void
rests_only_between_two_stanzas_and_wakes_with_its_namespaces(void **state)
{
        struct witness w;
        begin(&w);
        assert_int_equal(
                feed(&w, "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:p='u:&lt;p'>", 50),
                XML_FINE);
        buf_clear(&w.said);
        assert_string_equal(xml_parser_root_prefix(w.parser), "s");
        assert_true(xml_parser_rest(w.parser));
        assert_true(xml_parser_rest(w.parser));
        feed(&w, "<mess", 5);
        assert_false(xml_parser_rest(w.parser));
        feed(&w, "age><p:x/>", 10);
        assert_false(xml_parser_rest(w.parser));
        feed(&w, "</message> ", 11);
        assert_true(xml_parser_rest(w.parser));
        feed(&w, "<presence/></s:stream>", 100);
        assert_string_equal(
                buf_text(&w.said), "other <p:x/> <message><x xmlns=\"u:&lt;p\"/></message>\nother  <presence/>\nclose\n");
        end(&w);
}

static void
what_follows_the_end_is_ignored(void **state)
{
        struct witness w;
        begin(&w);
        assert_int_equal(feed(&w, HEADER "</stream:stream><junk & <!-- ", 1000), XML_FINE);
        assert_int_equal(feed(&w, "more", 1000), XML_FINE);
        assert_string_equal(buf_text(&w.said), "open stream jabber:client a.example\nclose\n");
        end(&w);
}

static void
reads_a_document(void **state)
{
        static const char text[] =
                "<?xml version=\"1.0\"?>\n<p xmlns='u:p' a='1'><!-- skipped --><t>one<![CDATA[ <two>]]></t></p>\n";
        struct arena *arena;
        enum xml_problem problem;
        struct element *root = xml_parse_document(text, strlen(text), &limits, &arena, &problem);

        assert_non_null(root);
        assert_int_equal(problem, XML_FINE);
        assert_true(element_is(root, "p", "u:p"));
        assert_string_equal(element_text(element_child(root, "t", NULL), arena), "one <two>");
        arena_free(&arena);
}

static void
refuses_a_document_that_is_cut_or_has_a_dtd(void **state)
{
        static const struct {
                const char *text;
                enum xml_problem problem;
        } rows[] = {
                { "", XML_NOT_WELL_FORMED },
                { "<a>", XML_NOT_WELL_FORMED },
                { "<a/><b/>", XML_NOT_WELL_FORMED },
                { "<!DOCTYPE a><a/>", XML_RESTRICTED },
                { "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", XML_TOO_DEEP },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena;
                enum xml_problem problem;
                assert_null(xml_parse_document(rows[i].text, strlen(rows[i].text), &limits, &arena, &problem));
                assert_int_equal(problem, rows[i].problem);
                assert_null(arena);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_the_same_however_the_bytes_are_cut),
                cmocka_unit_test(an_inside_that_leans_on_outer_declarations_is_not_plain),
                cmocka_unit_test(the_three_content_namespaces_are_one),
                cmocka_unit_test(names_each_problem),
                cmocka_unit_test(a_stanza_is_limited_while_it_comes),
                cmocka_unit_test(white_space_keeps_a_stream_alive_for_ever),
                cmocka_unit_test(stops_behind_an_element_and_goes_on_there),
                cmocka_unit_test(an_empty_root_closes_even_when_it_was_stopped_at),
                cmocka_unit_test(rests_only_between_two_stanzas_and_wakes_with_its_namespaces),
                cmocka_unit_test(what_follows_the_end_is_ignored),
                cmocka_unit_test(reads_a_document),
                cmocka_unit_test(refuses_a_document_that_is_cut_or_has_a_dtd),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
