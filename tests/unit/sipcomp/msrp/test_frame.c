/*
 * MSRP frames: what is read, where it ends, and what is not MSRP
 */
#include "sipcomp/msrp/frame.h"
#include "sipcomp/msrp/uri.h"

#include "shared/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PATHS "To-Path: msrp://a.example:2855/s1;tcp\r\nFrom-Path: msrp://b.example/s2;tcp\r\n"
#define SEND  "MSRP a786hjs2 SEND\r\n" PATHS "Message-ID: 87652491\r\n"
#define END   "-------a786hjs2$\r\n"

static struct arena *arena;

static enum msrp_framing
next(const char *text, struct msrp_frame *frame)
{
        struct msrp_framer framer = { 0 };
        return msrp_frame_next(&framer, arena, text, strlen(text), frame);
}

static void
reads_requests_and_responses(void **state)
{
        struct msrp_frame frame;
        assert_int_equal(
                next(SEND
                        "Byte-Range: 1-25/25\r\nSuccess-Report: yes\r\nFailure-Report: partial\r\nContent-Type: text/plain\r\n\r\n"
                        "Hey Bob, are you\r\n-------there?\r\n" END "MSRP",
                        &frame),
                MSRP_FRAME_WHOLE);
        assert_string_equal(frame.id, "a786hjs2");
        assert_string_equal(frame.method, "SEND");
        assert_string_equal(frame.to_path, "msrp://a.example:2855/s1;tcp");
        assert_string_equal(frame.from_path, "msrp://b.example/s2;tcp");
        assert_string_equal(frame.message_id, "87652491");
        assert_string_equal(frame.content_type, "text/plain");
        assert_int_equal(frame.start, 1);
        assert_int_equal(frame.total, 25);
        assert_true(frame.success_report);
        assert_int_equal(frame.failure_report, MSRP_FAILURE_PARTIAL);
        assert_int_equal(frame.body_len, 31);
        assert_int_equal(frame.flag, '$');

        assert_int_equal(next("MSRP d93kswow 200 OK\r\n" PATHS "-------d93kswow$\r\n", &frame), MSRP_FRAME_WHOLE);
        assert_null(frame.method);
        assert_int_equal(frame.status, 200);
        assert_int_equal(next("MSRP d93kswow 481\r\n" PATHS "-------d93kswow$\r\n", &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.status, 481);
        assert_int_equal(
                next("MSRP dkei38sd REPORT\r\n" PATHS "Message-ID: 12339sdqwer\r\nStatus: 000 413 No\r\n-------dkei38sd$\r\n",
                        &frame),
                MSRP_FRAME_WHOLE);
        assert_int_equal(frame.report, 413);
        /* an empty body, with a line end of its own and without */
        assert_int_equal(next(SEND "Byte-Range: 1-0/0\r\n\r\n\r\n" END, &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.body_len, 0);
        assert_int_equal(next(SEND "Byte-Range: 1-0/0\r\n\r\n" END, &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.body_len, 0);
        assert_int_equal(next(SEND "\r\n\r\n\r\n\r\n-------a786hjs2+\r\n", &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.body_len, 4);
        assert_int_equal(frame.flag, '+');
}

static void
waits_for_the_end(void **state)
{
        static const char whole[] =
                SEND "Byte-Range: 1-*/*\r\nContent-Type: text/plain\r\n\r\nab\r\n-------a786hjs2\r\n-------a786hjs2x\r\n" END;
        struct msrp_framer framer = { 0 };
        struct msrp_frame frame;
        for (size_t len = 1; len < sizeof(whole) - 1; len++) /* byte by byte, from memory that ends there */ {
                char *part = mem_dup(whole, len);
                assert_int_equal(msrp_frame_next(&framer, arena, part, len, &frame), MSRP_FRAME_MORE);
                mem_free(part);
        }
        assert_int_equal(msrp_frame_next(&framer, arena, whole, sizeof(whole) - 1, &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.used, sizeof(whole) - 1);
        assert_int_equal(framer.scanned, 0);
}

static void
refuses_what_is_none(void **state)
{
        static const char *const rows[] = {
                "GET / HTTP/1.1\r\n\r\n",
                "MSRPabc",
                "MSRP a SEND\r\n",
                "MSRP a786hjs2 send\r\n",
                "MSRP a786hjs2 20 OK\r\n",
                "MSRP a786hjs2\r\n",
                "MSRP a78!hjs2 SEND\r\n",
                "MSRP 0123456789012345678901234567890123 SEND\r\n",
                "MSRP a786hjs2 SEND\r\n" END,
                "MSRP a786hjs2 SEND\r\n\r\n" END,
                "MSRP a786hjs2 SEND\r\nFrom-Path: x\r\nTo-Path: y\r\n" END,
                "MSRP a786hjs2 SEND\r\nMessage-ID: abcd\r\n" PATHS END,
                SEND PATHS END,
                SEND "Message-ID: abcd\r\n" END,
                "MSRP a786hjs2 SEND\r\n" PATHS "Message-ID: a b c d\r\n" END,
                SEND "no colon\r\n" END,
                SEND ": empty\r\n" END,
                SEND "X: \x01\r\n" END,
                SEND "Byte-Range: 0-1/1\r\n" END,
                SEND "Byte-Range: 5-3/9\r\n" END,
                SEND "Byte-Range: 1-2\r\n" END,
                SEND "Byte-Range: 1-2/3x\r\n" END,
                SEND "Byte-Range: 1-2/99999999999999999999\r\n" END,
                SEND "Status: 000 x\r\n" END,
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct msrp_frame frame;
                assert_int_equal(next(rows[i], &frame), MSRP_FRAME_BROKEN);
                assert_non_null(frame.why);
        }
}

static void
bounds_what_it_waits_for(void **state)
{
        struct msrp_frame frame;
        struct buf text = { 0 };
        buf_puts(&text, "MSRP ");
        for (int i = 0; i < 300; i++)
                buf_putc(&text, 'a');
        assert_int_equal(next(buf_text(&text), &frame), MSRP_FRAME_BROKEN);
        buf_clear(&text);
        buf_puts(&text, SEND "X: ");
        for (int i = 0; i < MSRP_HEAD_MAX; i++)
                buf_putc(&text, 'a');
        assert_int_equal(next(buf_text(&text), &frame), MSRP_FRAME_BROKEN);
        buf_clear(&text);
        buf_puts(&text, SEND "\r\n");
        for (int i = 0; i < MSRP_BODY_MAX; i++)
                buf_putc(&text, 'a');
        assert_int_equal(next(buf_text(&text), &frame), MSRP_FRAME_MORE);
        for (int i = 0; i < MSRP_HEAD_MAX + 64; i++)
                buf_putc(&text, 'a');
        assert_int_equal(next(buf_text(&text), &frame), MSRP_FRAME_BROKEN);
        buf_clear(&text);
        buf_puts(&text, SEND);
        for (int i = 0; i < 2 * MSRP_LINES_MAX; i++)
                buf_puts(&text, "X: y\r\n");
        buf_puts(&text, END);
        assert_int_equal(next(buf_text(&text), &frame), MSRP_FRAME_BROKEN);
        buf_free(&text);
}

static void
reads_uris(void **state)
{
        static const struct {
                const char *text, *host, *session;
                bool fine, secure;
                uint16_t port;
        } rows[] = {
                { "msrp://bob.example.com:8888/9di4eae923wzd;tcp", "bob.example.com", "9di4eae923wzd", true, false, 8888 },
                { "MSRPS://u@Bob.Example/a/b=+;TCP;x=y", "bob.example", "a/b=+", true, true, 2855 },
                { "msrp://[2001:DB8::1]:1/s;tcp", "2001:db8::1", "s", true, false, 1 },
                { "msrp://bob.example.com:8888/;tcp", NULL, NULL, false, false, 0 },
                { "msrp://bob.example.com;tcp", NULL, NULL, false, false, 0 },
                { "msrp://bob.example.com/s;udp", NULL, NULL, false, false, 0 },
                { "msrp://bob.example.com/s", NULL, NULL, false, false, 0 },
                { "msrp://bob.example.com:99999/s;tcp", NULL, NULL, false, false, 0 },
                { "msrp://bob.example.com:/s;tcp", NULL, NULL, false, false, 0 },
                { "msrp:///s;tcp", NULL, NULL, false, false, 0 },
                { "msrp://a b/s;tcp", NULL, NULL, false, false, 0 },
                { "msrp://[::1/s;tcp", NULL, NULL, false, false, 0 },
                { "sip://a/s;tcp", NULL, NULL, false, false, 0 },
                { "", NULL, NULL, false, false, 0 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct msrp_uri uri;
                assert_int_equal(msrp_uri_parse(&uri, arena, rows[i].text), rows[i].fine);
                if (!rows[i].fine)
                        continue;
                assert_string_equal(uri.host, rows[i].host);
                assert_string_equal(uri.session, rows[i].session);
                assert_int_equal(uri.port, rows[i].port);
                assert_int_equal(uri.secure, rows[i].secure);
                assert_true(msrp_uri_same(&uri, &uri));
        }
        assert_string_equal(msrp_path_first(arena, " a b c "), "a");
        assert_string_equal(msrp_path_last(arena, " a b c "), "c");
        assert_null(msrp_path_first(arena, " "));
        assert_null(msrp_path_last(arena, ""));
}

static void
reads_what_it_writes(void **state)
{
        struct buf out = { 0 };
        struct msrp_frame frame;
        msrp_write_response(&out, "abcd", 413, "msrp://a/1;tcp", "msrp://b/2;tcp");
        assert_int_equal(next(buf_text(&out), &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.status, 413);
        buf_clear(&out);
        msrp_write_request(&out, "abcd", "SEND", "msrp://a/1;tcp", "msrp://b/2;tcp");
        buf_puts(&out, "Message-ID: efgh\r\nContent-Type: text/plain\r\n\r\nx\r\n");
        msrp_write_end(&out, "abcd", '#');
        assert_int_equal(next(buf_text(&out), &frame), MSRP_FRAME_WHOLE);
        assert_int_equal(frame.flag, '#');
        assert_int_equal(frame.body_len, 1);
        buf_free(&out);
}

static int
begin(void **state)
{
        arena = arena_new(4096);
        return 0;
}

static int
end(void **state)
{
        arena_free(&arena);
        return 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(reads_requests_and_responses, begin, end),
                cmocka_unit_test_setup_teardown(waits_for_the_end, begin, end),
                cmocka_unit_test_setup_teardown(refuses_what_is_none, begin, end),
                cmocka_unit_test_setup_teardown(bounds_what_it_waits_for, begin, end),
                cmocka_unit_test_setup_teardown(reads_uris, begin, end),
                cmocka_unit_test_setup_teardown(reads_what_it_writes, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
