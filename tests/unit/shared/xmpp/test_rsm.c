/* test_rsm.c - pages of a list of five, and requests that are none (XEP-0059) */
#include "shared/base/buf.h"
#include "shared/xml/parser.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/rsm.h"

#include <stdio.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *const five[] = { "a", "b", "c", "d", "e" };

static struct element *
parse(struct arena **arena, const char *inside)
{
        static const struct xml_limits limits = { .stanza_bytes = 4096, .depth = 8, .attributes = 8 };
        char text[1024];
        enum xml_problem problem;

        snprintf(text, sizeof(text), "<query xmlns='urn:q'>%s</query>", inside);
        struct element *query = xml_parse_document(text, strlen(text), &limits, arena, &problem);
        assert_non_null(query);
        return query;
}

#define SET(inside) "<set xmlns='http://jabber.org/protocol/rsm'>" inside "</set>"

/* The items of the page as a text and what is said about them; NULL: item-not-found. */
static char *
page_of(const char *inside, size_t total)
{
        static char out[1024];
        struct arena *arena;
        struct element *query = parse(&arena, inside);
        struct rsm_page page;
        struct rsm rsm;
        struct buf said = { 0 };

        assert_true(rsm_read(&rsm, arena, query));
        bool is_found = rsm_cut(&rsm, five, total, &page);
        if (is_found) {
                for (size_t i = 0; i < page.count; i++)
                        buf_puts(&said, five[page.first + i]);
                struct element *result = element_new(arena, "query", "urn:q");
                rsm_describe(&rsm, arena, result, five, total, &page);
                xml_write_inside(&said, result);
                snprintf(out, sizeof(out), "%s", buf_text(&said));
        }
        buf_free(&said);
        arena_free(&arena);
        return is_found ? out : NULL;
}

#define SAYS(first, index, last, count)                                                                         \
        "<set xmlns=\"http://jabber.org/protocol/rsm\"><first index=\"" index "\">" first "</first><last>" last \
        "</last><count>" count "</count></set>"
#define COUNTS(count) "<set xmlns=\"http://jabber.org/protocol/rsm\"><count>" count "</count></set>"

static void
cuts_the_page_that_was_asked_for(void **state)
{
        static const struct {
                const char *asked;
                size_t total;
                const char *page;
        } rows[] = {
                { "", 5, "abcde" },
                { SET(""), 5, "abcde" SAYS("a", "0", "e", "5") },
                { SET("<max>2</max>"), 5, "ab" SAYS("a", "0", "b", "5") },
                { SET("<max>2</max><after>b</after>"), 5, "cd" SAYS("c", "2", "d", "5") },
                { SET("<max>2</max><after>d</after>"), 5, "e" SAYS("e", "4", "e", "5") },
                { SET("<max>2</max><after>e</after>"), 5, COUNTS("5") },
                { SET("<max>2</max><before>d</before>"), 5, "bc" SAYS("b", "1", "c", "5") },
                { SET("<max>2</max><before>b</before>"), 5, "a" SAYS("a", "0", "a", "5") },
                { SET("<max>2</max><before>a</before>"), 5, COUNTS("5") },
                { SET("<max>2</max><before/>"), 5, "de" SAYS("d", "3", "e", "5") },
                { SET("<max>9</max><before/>"), 5, "abcde" SAYS("a", "0", "e", "5") },
                { SET("<max>2</max><index>3</index>"), 5, "de" SAYS("d", "3", "e", "5") },
                { SET("<max>2</max><index>0</index>"), 5, "ab" SAYS("a", "0", "b", "5") },
                { SET("<max>2</max><index>5</index>"), 5, COUNTS("5") },
                { SET("<max>2</max><index>2147483647</index>"), 5, COUNTS("5") },
                { SET("<max>0</max>"), 5, COUNTS("5") },
                { SET("<max>0</max>"), 0, "" },
                { SET("<max>2</max><before/>"), 0, "" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_string_equal(page_of(rows[i].asked, rows[i].total), rows[i].page);
}

static void
does_not_find_what_is_gone(void **state)
{
        assert_null(page_of(SET("<max>2</max><after>x</after>"), 5));
        assert_null(page_of(SET("<max>2</max><before>x</before>"), 5));
        assert_null(page_of(SET("<max>2</max><after/>"), 5));
        assert_null(page_of(SET("<after>a</after>"), 0));
}

static void
refuses_what_makes_no_sense(void **state)
{
        static const char *const rows[] = {
                SET("<max/>"),
                SET("<max>ten</max>"),
                SET("<max>-1</max>"),
                SET("<max>2147483648</max>"),
                SET("<max>1</max><max>1</max>"),
                SET("<index/>"),
                SET("<index>-1</index>"),
                SET("<after>a</after><before>b</before>"),
                SET("<after>a</after><after>a</after>"),
                SET("<before/><index>1</index>"),
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena *arena;
                struct rsm rsm;
                struct element *query = parse(&arena, rows[i]);
                assert_false(rsm_read(&rsm, arena, query));
                arena_free(&arena);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cuts_the_page_that_was_asked_for),
                cmocka_unit_test(does_not_find_what_is_gone),
                cmocka_unit_test(refuses_what_makes_no_sense),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
