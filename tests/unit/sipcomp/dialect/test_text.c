/* Text of every kind that clients send, reduced to what a reader sees (section 7.4 of the dialects). */
#include "shared/base/mem.h"
#include "sipcomp/dialect/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const char *type, const char *body, size_t len, enum text_verdict verdict, const char *wanted)
{
        struct buf out = { 0 };
        enum text_verdict got = text_reduce(&out, type, body, len);
        if (got != verdict || (wanted != NULL && strcmp(buf_text(&out), wanted) != 0))
                print_message("%s: verdict %d, text \"%s\"\n", type == NULL ? "-" : type, got, buf_text(&out));
        assert_int_equal(got, verdict);
        if (wanted != NULL)
                assert_string_equal(buf_text(&out), wanted);
        buf_free(&out);
}

#define SAYS(type, body, wanted) expect(type, body, sizeof(body) - 1, TEXT_FINE, wanted)
#define FAILS(type, body, verdict) expect(type, body, sizeof(body) - 1, verdict, NULL)

static void
keeps_plain_text(void **state)
{
        SAYS("text/plain; charset=UTF-8", "Gr\303\274\303\237e <b>&</b>\r\nnext\rlast", "Gr\303\274\303\237e <b>&</b>\nnext\nlast");
        SAYS("text/plain;charset=UTF-8;msgr=WAAtAE0A", "Hi", "Hi");
        SAYS("Text/Plain; charset=\"iso-8859-1\"", "Gr\374\337e", "Gr\303\274\303\237e");
        SAYS("text/plain; charset=windows-1252", "10 \200", "10 \342\202\254");
        SAYS("text/plain", "a\001b", "a\357\277\275b");
        SAYS("text/plain", "a\000b", "a\357\277\275b");
        SAYS(NULL, "", "");
        FAILS("text/plain; charset=UTF-8", "\377\376", TEXT_BAD);
        FAILS("text/plain; charset=klingon", "x", TEXT_BAD);
        FAILS("application/x-ms-ink", "x", TEXT_UNSUPPORTED);
        FAILS("application/ms-imdn+xml", "<imdn/>", TEXT_NOTHING);
        FAILS(NULL, "x", TEXT_BAD);
}

static void
reduces_html(void **state)
{
        SAYS("text/html; charset=UTF-8", "<html><body><b>bold</b> &amp; <i>brave</i><br>next</body></html>", "bold & brave\nnext");
        SAYS("text/html", "<DIV style=\"font-size:10pt;\">Hi\r\nAlice</DIV>", "Hi Alice");
        SAYS("text/html", "<p>one</p><p>two</p>", "one\ntwo");
        SAYS("text/html", "<ul><li>a<li>b</ul>c", "a\nb\nc");
        SAYS("text/html", "a<script>alert('x')</script>b<style>p{}</style><!-- c -->d", "abd");
        SAYS("text/html", "&lt;b&gt; &#8364; &#x20AC; &quot;x&quot; &nbsp;y &bogus; &", "<b> \342\202\254 \342\202\254 \"x\"  y &bogus; &");
        SAYS("text/html", "a < b", "a < b");
        SAYS("text/html", "<img alt=\"a > b\">x", "x");
        SAYS("text/html", "x<unclosed", "x");
}

static void
reduces_rtf(void **state)
{
        SAYS("text/rtf", "{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}{\\colortbl;\\red0;}{\\*\\generator X;}\\f0 Hi \\b Alice\\b0\\par next\\tab z}",
                "Hi Alice\nnext\tz");
        SAYS("text/rtf", "{\\rtf1\\ansi\\ansicpg1252 Gr\\'fc\\'dfe \\u8364? \\\\ \\{x\\}}", "Gr\303\274\303\237e \342\202\254 \\ {x}");
        SAYS("text/rtf", "{\\rtf1\\uc0\\u-10179\\u-8704 x}", "\360\237\230\200x");
        SAYS("text/rtf", "{\\rtf1\\uc2 \\u8364\\'80\\'80y}", "\342\202\254y");
        SAYS("text/rtf", "{{{{{{x}}}}}}}}}y", "xy");
}

static void
takes_multiparts_apart(void **state)
{
        SAYS("multipart/alternative; boundary=\"b\"", "--b\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n", "plain");
        SAYS("multipart/alternative;boundary=b", "--b\r\n\r\nno header\r\n--b--", "no header");
        SAYS("multipart/alternative;boundary=b", "--b  \r\nContent-Type: text/html\r\n\r\n<p>x\r\n--b--", "x");
        SAYS("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGkgQWxp\r\nY2U=\r\n--b--", "Hi Alice");
        SAYS("multipart/mixed;boundary=b", "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n--b--", "a=bc");
        SAYS("multipart/mixed;boundary=b", "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--c--\r\n--b--", "in");
        SAYS("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nnever closed", "never closed");
        SAYS("message/cpim", "From: <im:a@b>\r\n\r\nContent-Type: text/plain\r\n\r\ninner", "inner");
        FAILS("multipart/mixed", "--b\r\n\r\nx\r\n--b--", TEXT_BAD);
        FAILS("multipart/mixed;boundary=zz", "--b\r\n\r\nx\r\n--b--", TEXT_BAD);
        FAILS("multipart/mixed;boundary=b", "--b\r\nContent-Type: image/gif\r\n\r\nGIF\r\n--b--", TEXT_UNSUPPORTED);
}

static void
bounds_what_it_takes(void **state)
{
        struct buf many = { 0 }, deep = { 0 }, big = { 0 };
        for (int i = 0; i < 40; i++)
                buf_puts(&many, "--b\r\nContent-Type: image/gif\r\n\r\nx\r\n");
        expect("multipart/mixed;boundary=b", buf_data(&many), many.len, TEXT_BAD, NULL);
        for (int i = 0; i < 6; i++)
                buf_printf(&deep, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i + 1);
        expect("multipart/mixed;boundary=b0", buf_data(&deep), deep.len, TEXT_BAD, NULL);
        for (int i = 0; i <= TEXT_MAX; i++)
                buf_putc(&big, 'x');
        expect("text/plain", buf_data(&big), big.len, TEXT_TOO_LARGE, NULL);
        expect("text/plain", buf_data(&big), TEXT_MAX, TEXT_FINE, NULL);
        buf_free(&many);
        buf_free(&deep);
        buf_free(&big);
}

static void
reads_typing(void **state)
{
        static const struct {
                const char *body;
                bool said, typing;
                unsigned refresh;
        } rows[] = {
                { "<?xml version=\"1.0\"?>\r\n<KeyboardActivity>\r\n<status status=\"type\" />\r\n</KeyboardActivity>", true, true, 120 },
                { "<KeyboardActivity><status status=\"idle\"/></KeyboardActivity>", true, false, 120 },
                { "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state><refresh>90</refresh></isComposing>", true, true, 90 },
                { "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>idle</state></isComposing>", true, false, 120 },
                { "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state><refresh>5</refresh></isComposing>", true, true, 60 },
                { "<action name=\"x\"/>", false, false, 120 },
                { "nonsense", false, false, 120 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                bool typing = false;
                unsigned refresh;
                assert_int_equal(text_typing(rows[i].body, strlen(rows[i].body), &typing, &refresh), rows[i].said);
                if (rows[i].said)
                        assert_int_equal(typing, rows[i].typing);
                assert_int_equal(refresh, rows[i].refresh);
        }
}

static void
note_part(void *owner, const char *bytes, size_t len)
{
        buf_put(owner, bytes, len);
        buf_putc(owner, '|');
}

static void
finds_the_parts_of_a_type(void **state)
{
        static const char body[] =
                "--b\r\nContent-Type: application/rlmi+xml\r\n\r\n<list/>\r\n--b\r\nContent-Type: application/pidf+xml; charset=UTF-8\r\n\r\n"
                "<one/>\r\n--b\r\nContent-Type: Application/PIDF+XML\r\n\r\n<two/>\r\n--b--\r\n";
        struct buf found = { 0 };
        assert_true(
                text_parts("multipart/related;boundary=\"b\"", body, sizeof(body) - 1, "application/pidf+xml", note_part, &found));
        assert_string_equal(buf_text(&found), "<one/>|<two/>|");
        assert_false(text_parts("multipart/related", body, sizeof(body) - 1, "application/pidf+xml", note_part, &found));
        assert_false(text_parts("multipart/related;boundary=c", body, sizeof(body) - 1, "application/pidf+xml", note_part, &found));
        assert_string_equal(buf_text(&found), "<one/>|<two/>|");
        buf_free(&found);
}

static void
writes_line_ends_for_the_wire(void **state)
{
        struct buf out = { 0 };
        text_to_wire(&out, "a\nb\r\nc", 6);
        assert_string_equal(buf_text(&out), "a\r\nb\r\nc");
        buf_free(&out);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keeps_plain_text),      cmocka_unit_test(reduces_html),          cmocka_unit_test(reduces_rtf),
                cmocka_unit_test(takes_multiparts_apart), cmocka_unit_test(bounds_what_it_takes), cmocka_unit_test(reads_typing),
                cmocka_unit_test(writes_line_ends_for_the_wire), cmocka_unit_test(finds_the_parts_of_a_type),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
