/* A piece of a stream is found whole, whatever the portions its bytes come in. */
#include "shared/xml/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEADER "<?xml version='1.0'?><s:s a='>' b=\"'/>\">"

/* Cuts `text` into pieces with bars between them, given so many bytes more at a time. */
static void
cut(const char *text, size_t portion, char *out)
{
        struct frame frame = { 0 };
        size_t done = 0, given = 0, len = strlen(text);

        *out = '\0';
        while (given < len) {
                given = given + portion < len ? given + portion : len;
                for (size_t piece; done < given && (piece = frame_scan(&frame, text + done, given - done)) > 0; done += piece)
                        out += sprintf(out, "%.*s|", (int)piece, text + done);
        }
        if (done < len)
                sprintf(out, "...%s", text + done);
}

static void
finds_where_a_piece_ends(void **state)
{
        static const struct {
                const char *text, *pieces;
        } rows[] = {
                { HEADER, "<?xml version='1.0'?>|<s:s a='>' b=\"'/>\">|" },
                { "<s><a/>", "<s>|<a/>|" },
                { "<s><a><b/>text</a><c x='</s>'/></s>", "<s>|<a><b/>text</a>|<c x='</s>'/>|</s>|" },
                { "<s><a><b></b>", "<s>|...<a><b></b>" },
                { "<s><a b='", "<s>|...<a b='" },
                { "<s to='", "...<s to='" },
                { "<s/>", "<s/>|" },
                { "<s><a b='/'>/</a>", "<s>|<a b='/'>/</a>|" },
                { "<s><?a ? >?><b/>", "<s>|<?a ? >?>|<b/>|" },
                { "<s><?a", "<s>|...<?a" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (size_t portion = 1; portion < 40; portion++) {
                        char pieces[200];
                        cut(rows[i].text, portion, pieces);
                        assert_string_equal(pieces, rows[i].pieces);
                }
}

static void
leaves_to_the_parser_what_it_is_not_sure_of(void **state)
{
        static const char *const rows[] = { "x", "<>", "<<", "<s a<", "<s><!--", "<s><![CDATA[", "<s>text", "</s>", "<s></s></s>",
                "<s/ >", "<s></s<" };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct frame frame = { 0 };
                size_t len = strlen(rows[i]), done = 0;
                for (size_t piece; done < len && (piece = frame_scan(&frame, rows[i] + done, len - done)) > 0;)
                        done += piece;
                assert_int_equal(done, len);
                assert_true(frame.is_lost);
                assert_int_equal(frame_scan(&frame, "<a b='", 6), 6);
        }
}

static void
passes_white_space_on(void **state)
{
        struct frame frame = { 0 };

        assert_int_equal(frame_scan(&frame, "<s> \n\t<a> </a>", 14), 3);
        assert_int_equal(frame_scan(&frame, " \n\t<a> </a>", 11), 3);
        assert_int_equal(frame_scan(&frame, "<a> </a>", 8), 8);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_where_a_piece_ends),
                cmocka_unit_test(leaves_to_the_parser_what_it_is_not_sure_of),
                cmocka_unit_test(passes_white_space_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
