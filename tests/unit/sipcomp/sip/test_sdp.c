/* Session descriptions of IM sessions: which are taken, what they accept, and what is written (DIALECTS.md 7.1, 7.3). */
#include "shared/base/mem.h"
#include "sipcomp/sip/sdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=session\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static enum sip_sdp_kind
kind_of(const char *body, size_t len)
{
        struct arena *arena = arena_new(1024);
        struct sip_sdp sdp;
        enum sip_sdp_kind kind = sip_sdp_read(&sdp, arena, body, len);

        arena_free(&arena);
        return kind;
}

static void
tells_text_from_other_media_and_from_nonsense(void **state)
{
        static const struct {
                const char *body;
                enum sip_sdp_kind kind;
        } rows[] = {
                { HEAD "m=message 5060 sip null\r\n", SIP_SDP_IM },
                { HEAD "m=message 5060 sip sip:carol@lync.test\r\na=accept-types:text/plain\r\n", SIP_SDP_IM },
                { HEAD "m=x-ms-message 5060 sip null\r\n", SIP_SDP_IM },
                { HEAD "m=MESSAGE 5060 SIP null\r\n", SIP_SDP_IM },
                { "v=0\nm=message 1 sip null\n", SIP_SDP_IM },
                { "v=0\n\nm=message 1 sip null", SIP_SDP_IM },
                { HEAD, SIP_SDP_OTHER },                            /* no media */
                { HEAD "m=message 0 sip null\r\n", SIP_SDP_OTHER }, /* refused: RFC 3264 6 */
                { HEAD "m=audio 5060 RTP/AVP 0\r\n", SIP_SDP_OTHER },
                { HEAD "m=message 5060 TCP/MSRP *\r\n", SIP_SDP_OTHER },
                { HEAD "m=message 5060 sips null\r\n", SIP_SDP_OTHER },
                { HEAD "m=messages 5060 sip null\r\n", SIP_SDP_OTHER },
                { HEAD "m=message 5060 sip null\r\nm=audio 5062 RTP/AVP 0\r\n", SIP_SDP_OTHER },
                { HEAD "m=message 5060 sip null\r\nm=message 5060 sip null\r\n", SIP_SDP_OTHER },
                { HEAD "m=audio 49170/2 RTP/AVP 31\r\n", SIP_SDP_OTHER },
                { "", SIP_SDP_BAD },
                { "\r\n", SIP_SDP_BAD },
                { "v=1\r\nm=message 5060 sip null\r\n", SIP_SDP_BAD },
                { "m=message 5060 sip null\r\nv=0\r\n", SIP_SDP_BAD },
                { HEAD "m=message sip null\r\n", SIP_SDP_BAD },
                { HEAD "m=message 65536 sip null\r\n", SIP_SDP_BAD },
                { HEAD "m=message 123456 sip null\r\n", SIP_SDP_BAD },
                { HEAD "m=message -1 sip null\r\n", SIP_SDP_BAD },
                { HEAD "m=\r\n", SIP_SDP_BAD },
                { HEAD "M=message 5060 sip null\r\n", SIP_SDP_BAD },
                { HEAD "hello\r\n", SIP_SDP_BAD },
                { HEAD "s\r\n", SIP_SDP_BAD },
                { HEAD "s=\377\r\n", SIP_SDP_BAD },
        };

        for (size_t i = 0; i < array_len(rows); i++)
                assert_int_equal(kind_of(rows[i].body, strlen(rows[i].body)), rows[i].kind);
        assert_int_equal(kind_of("v=0\r\ns=\0x\r\n", 11), SIP_SDP_BAD);
}

static void
reads_so_many_lines_and_no_more(void **state)
{
        struct buf body = { 0 };

        buf_puts(&body, "v=0\nm=message 1 sip null\n");
        for (int i = 2; i < 256; i++)
                buf_puts(&body, "a=x\n");
        assert_int_equal(kind_of(buf_data(&body), body.len), SIP_SDP_IM);
        buf_puts(&body, "a=x\n");
        assert_int_equal(kind_of(buf_data(&body), body.len), SIP_SDP_BAD);
        buf_free(&body);
}

static void
accepts_what_is_offered(void **state)
{
        static const struct {
                const char *types, *type;
                bool accepted;
        } rows[] = {
                { NULL, "text/plain", true },
                { NULL, "TEXT/PLAIN", true },
                { NULL, "text/html", false },
                { "text/plain text/html", "text/html", true },
                { "text/plain\tText/HTML ", "text/html", true },
                { "text/plain", "text/html", false },
                { "text/plain", "text/plai", false },
                { "text/*", "text/html", true },
                { "text/*", "image/png", false },
                { "*", "image/png", true },
                { "", "text/plain", false },
        };

        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_sdp sdp = { .accept_types = rows[i].types };
                assert_int_equal(sip_sdp_accepts(&sdp, rows[i].type), rows[i].accepted);
        }
}

static void
only_the_types_of_the_text_line_count(void **state)
{
        static const char body[] =
                "v=0\na=accept-types:a/b\nm=message 1 sip null\na=accept-types:text/plain c/d\na=accept-types:e/f\n";
        struct arena *arena = arena_new(1024);
        struct sip_sdp sdp;

        assert_int_equal(sip_sdp_read(&sdp, arena, body, sizeof(body) - 1), SIP_SDP_IM);
        assert_string_equal(sdp.accept_types, "text/plain c/d");
        arena_free(&arena);
}

static void
writes_what_it_reads(void **state)
{
        static const struct {
                const char *address, *expected;
        } rows[] = {
                { "192.0.2.1",
                        "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=session\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                        "m=message 5060 sip null\r\na=accept-types:text/plain\r\n" },
                { "2001:db8::1",
                        "v=0\r\no=- 0 0 IN IP6 2001:db8::1\r\ns=session\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
                        "m=message 5060 sip null\r\na=accept-types:text/plain\r\n" },
        };

        for (size_t i = 0; i < array_len(rows); i++) {
                struct buf out = { 0 };
                sip_sdp_write(&out, rows[i].address, "null", "text/plain");
                assert_string_equal(buf_text(&out), rows[i].expected);
                assert_int_equal(kind_of(buf_data(&out), out.len), SIP_SDP_IM);
                buf_free(&out);
        }
}

static void
reads_msrp(void **state)
{
        static const char head[] = "v=0\r\no=- 0 0 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\n";
        static const struct {
                const char *rest;
                enum sip_sdp_kind kind;
                bool secure, fingerprint;
                enum sip_sdp_setup setup;
        } rows[] = {
                { "m=message 7394 TCP/MSRP *\r\na=accept-types:*\r\na=path:msrp://a:7394/s;tcp\r\n", SIP_SDP_MSRP, false, false,
                        SIP_SETUP_NONE },
                { "a=setup:passive\r\nm=message 1 tcp/tls/msrp *\r\na=path:msrps://a/s;tcp\r\na=fingerprint:sha-256 "
                  "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:fF\r\n",
                        SIP_SDP_MSRP, true, true, SIP_SETUP_PASSIVE },
                { "m=message 1 TCP/MSRP *\r\na=path:x\r\na=setup:ActPass\r\na=fingerprint:sha-256 00:01\r\n", SIP_SDP_MSRP, false,
                        false, SIP_SETUP_ACTPASS },
                { "m=message 1 TCP/MSRP *\r\na=path:x\r\na=setup:holdconn\r\na=fingerprint:sha-1 00:01\r\n", SIP_SDP_MSRP, false,
                        false, SIP_SETUP_HOLDCONN },
                { "m=message 1 TCP/MSRP *\r\n", SIP_SDP_OTHER, false, false, SIP_SETUP_NONE },
                { "a=path:x\r\nm=message 1 TCP/MSRP *\r\n", SIP_SDP_OTHER, false, false, SIP_SETUP_NONE },
                { "m=message 0 TCP/MSRP *\r\na=path:x\r\n", SIP_SDP_OTHER, false, false, SIP_SETUP_NONE },
                { "m=message 1 UDP/MSRP *\r\na=path:x\r\n", SIP_SDP_OTHER, false, false, SIP_SETUP_NONE },
                { "m=message 1 TCP/MSRP *\r\na=path:x\r\nm=message 1 sip null\r\n", SIP_SDP_OTHER, false, false, SIP_SETUP_NONE },
                { "m=message 1 sip null\r\na=path:x\r\na=setup:active\r\n", SIP_SDP_IM, false, false, SIP_SETUP_ACTIVE },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena = arena_new(512);
                struct buf text = { 0 };
                struct sip_sdp sdp;
                buf_printf(&text, "%s%s", head, rows[i].rest);
                assert_int_equal(sip_sdp_read(&sdp, arena, buf_data(&text), text.len), rows[i].kind);
                if (rows[i].kind == SIP_SDP_MSRP) {
                        assert_non_null(sdp.path);
                        assert_int_equal(sdp.secure, rows[i].secure);
                        assert_int_equal(sdp.has_fingerprint, rows[i].fingerprint);
                        assert_int_equal(sdp.setup, rows[i].setup);
                }
                if (rows[i].fingerprint)
                        assert_int_equal(sdp.fingerprint[31], 0xff);
                buf_clear(&text);
                sip_sdp_write_msrp(&text, "::1", 2855, true, "msrps://a/s;tcp", "active", "text/plain");
                assert_int_equal(sip_sdp_read(&sdp, arena, buf_data(&text), text.len), SIP_SDP_MSRP);
                assert_string_equal(sdp.path, "msrps://a/s;tcp");
                assert_true(sdp.secure);
                buf_free(&text);
                arena_free(&arena);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_text_from_other_media_and_from_nonsense),
                cmocka_unit_test(reads_so_many_lines_and_no_more),
                cmocka_unit_test(accepts_what_is_offered),
                cmocka_unit_test(only_the_types_of_the_text_line_count),
                cmocka_unit_test(writes_what_it_reads),
                cmocka_unit_test(reads_msrp),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
