/* Framing: one message ends where its Content-Length says, whatever the pieces it comes in. */
#include "shared/base/mem.h"
#include "sipcomp/sip/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
finds_messages_whatever_the_pieces(void **state)
{
        static const char stream[] =
                "\r\nA sip:b SIP/2.0\r\nl: 5\r\n\r\nhello\r\n\r\nSIP/2.0 200 OK\r\nContent-Length:\r\n 0\r\n\r\n\r\n\r\n";
        static const enum sip_framing found[] = { SIP_FRAME_EMPTY, SIP_FRAME_MESSAGE, SIP_FRAME_PING, SIP_FRAME_MESSAGE,
                SIP_FRAME_PING };
        for (size_t piece = 1; piece < sizeof stream; piece++) {
                struct sip_framer framer = { 0 };
                size_t taken = 0, shown = 0, n = 0;
                while (taken < sizeof stream - 1) {
                        struct sip_frame frame;
                        enum sip_framing what = sip_frame_next(&framer, stream + taken, shown - taken, &frame);
                        if (what == SIP_FRAME_MORE) {
                                assert_true(shown < sizeof stream - 1);
                                shown = shown + piece < sizeof stream - 1 ? shown + piece : sizeof stream - 1;
                                continue;
                        }
                        assert_true(n < array_len(found));
                        assert_int_equal(what, found[n]);
                        if (n == 1) {
                                assert_int_equal(frame.body_len, 5);
                                assert_memory_equal(frame.body, "hello", 5);
                        }
                        taken += frame.used;
                        n++;
                }
                assert_int_equal(n, array_len(found));
        }
}

static void
gives_up_where_the_end_cannot_be_trusted(void **state)
{
        static const struct {
                const char *bytes;
                int status;
        } rows[] = {
                { "A b SIP/2.0\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 1\r\ncontent-length : 2\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: -1\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: +1\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 0x5\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 5abc\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 5, 5\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length:\r\n\r\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 4294967301\r\n\r\n", 413 },
                { "A b SIP/2.0\r\nContent-Length: 262145\r\n\r\n", 413 },
                { "A b SIP/2.0\nContent-Length: 0\n\n", 400 },
                { "A b SIP/2.0\r\nContent-Length: 0\n\r\n", 400 },
                { "GET / HTTP/1.1\r\n", 0 },
                { "\x16\x03\x01", 0 },
                { "\n", 0 },
                { " A b SIP/2.0\r\n", 0 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_framer framer = { 0 };
                struct sip_frame frame;
                if (sip_frame_next(&framer, rows[i].bytes, strlen(rows[i].bytes), &frame) != SIP_FRAME_BROKEN ||
                        frame.status != rows[i].status)
                        fail_msg("%s: %d", rows[i].bytes, frame.status);
                assert_int_equal(frame.used, strlen(rows[i].bytes));
                assert_non_null(frame.why);
        }
}

static void
limits_hold(void **state)
{
        static char bytes[SIP_HEAD_MAX + 100];
        struct sip_framer framer = { 0 };
        struct sip_frame frame;

        memset(bytes, 'a', sizeof bytes);
        assert_int_equal(sip_frame_next(&framer, bytes, SIP_HEAD_MAX, &frame), SIP_FRAME_MORE);
        assert_int_equal(sip_frame_next(&framer, bytes, SIP_HEAD_MAX + 1, &frame), SIP_FRAME_BROKEN);
        assert_int_equal(frame.status, 513);

        size_t len = (size_t)snprintf(bytes, sizeof bytes, "A b SIP/2.0\r\n");
        for (int i = 0; i < SIP_HEAD_LINES; i++)
                len += (size_t)snprintf(bytes + len, sizeof bytes - len, "x: y\r\n");
        framer = (struct sip_framer){ 0 };
        assert_int_equal(sip_frame_next(&framer, bytes, len, &frame), SIP_FRAME_BROKEN);
        assert_int_equal(frame.status, 513);

        len = (size_t)snprintf(bytes, sizeof bytes, "A b SIP/2.0\r\nx: ");
        memset(bytes + len, 'y', SIP_LINE_MAX);
        len += SIP_LINE_MAX;
        len += (size_t)snprintf(bytes + len, sizeof bytes - len, "\r\nl: 0\r\n\r\n");
        framer = (struct sip_framer){ 0 };
        assert_int_equal(sip_frame_next(&framer, bytes, len, &frame), SIP_FRAME_BROKEN);
        assert_int_equal(frame.status, 513);
        assert_int_equal(frame.head_len, len);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_messages_whatever_the_pieces),
                cmocka_unit_test(gives_up_where_the_end_cannot_be_trusted),
                cmocka_unit_test(limits_hold),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
