/* The torture messages of RFC 4475 through framing, parser and checks. */
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PASSES = -1, NOTHING = 0, CLOSES = 1 }; /* beside these: a status */

static void
read_vector(const char *name, struct buf *bytes)
{
        char path[2048];
        const char *top = getenv("SRC_DIR");
        snprintf(path, sizeof path, "%s/tests/peers/rfc4475/%s.dat", top != NULL ? top : ".", name);
        FILE *in = fopen(path, "rb");
        if (in == NULL)
                fail_msg("%s is missing", path);
        /* The files are stored with LF; on the wire a line ends in CR LF. */
        for (int c, last = 0; (c = getc(in)) != EOF; last = c) {
                if (c == '\n' && last != '\r')
                        buf_putc(bytes, '\r');
                buf_putc(bytes, (char)c);
        }
        fclose(in);
}

/* What the parser and the checks say to this head; framing is left out, since the vectors are datagrams. */
static int
judge_head(struct buf *bytes, char *why)
{
        struct sip_fault fault = { 0 };
        struct sip_message *partial = NULL, *message = NULL;
        char *text = buf_data(bytes), *end = memmem(text, bytes->len, "\r\n\r\n", 4);
        size_t head_len = end != NULL ? (size_t)(end - text) + 4 : bytes->len;
        int outcome = PASSES;

        message = sip_message_parse(text, head_len, text + head_len, bytes->len - head_len, &fault, &partial);
        if (message == NULL)
                outcome = fault.status != 0 ? fault.status : fault.close ? CLOSES : NOTHING;
        else if (message->status == 0 && !sip_message_check(message, &fault))
                outcome = fault.status;
        strcpy(why, fault.why);
        sip_message_free(&message);
        sip_message_free(&partial);
        return outcome;
}

static void
treats_each_torture_message_as_the_rfc_asks(void **state)
{
        static const struct {
                const char *name;
                int outcome;
        } rows[] = {
                { "wsinv", PASSES },
                { "intmeth", 400 }, /* a display name with escaped control characters, which are not taken here */
                { "esc01", PASSES },
                { "escnull", 405 },
                { "esc02", 405 },
                { "lwsdisp", PASSES },
                { "longreq", PASSES },
                { "dblreq", 405 },
                { "semiuri", PASSES },
                { "transports", PASSES },
                { "mpart01", PASSES },
                { "unreason", PASSES },
                { "noreason", PASSES },
                { "badinv01", 400 },
                { "scalar02", 400 },
                { "scalarlg", NOTHING },
                { "quotbal", 400 },
                { "ltgtruri", 400 },
                { "lwsruri", 400 },
                { "lwsstart", 400 },
                { "trws", 400 },
                { "escruri", PASSES },
                { "baddate", PASSES },
                { "regbadct", 405 },
                { "badaspec", 400 },
                { "baddn", 400 },
                { "badvers", 505 },
                { "mismatch01", 400 },
                { "mismatch02", 400 },
                { "bigcode", CLOSES },
                { "badbranch", PASSES },
                { "insuf", 400 },
                { "unkscm", 416 },
                { "novelsc", 416 },
                { "unksm2", 405 },
                { "bext01", 420 },
                { "invut", PASSES },
                { "regaut01", 405 },
                { "multi01", 400 },
                { "bcast", PASSES },
                { "zeromf", PASSES },
                { "cparam01", 405 },
                { "cparam02", 405 },
                { "regescrt", 405 },
                { "sdp01", PASSES },
                { "inv2543", 400 },
        };
        unsigned wrong = 0;
        for (size_t i = 0; i < array_len(rows); i++) {
                struct buf bytes = { 0 };
                char why[128];
                read_vector(rows[i].name, &bytes);
                int outcome = judge_head(&bytes, why);
                if (outcome != rows[i].outcome) {
                        print_message("%s: %d instead of %d (%s)\n", rows[i].name, outcome, rows[i].outcome, why);
                        wrong++;
                }
                buf_free(&bytes);
        }
        assert_int_equal(wrong, 0);
}

static void
closes_the_connection_over_a_wrong_length(void **state)
{
        static const struct {
                const char *name;
                enum sip_framing found;
                int status;
        } rows[] = {
                { "clerr", SIP_FRAME_MORE, 0 }, /* on a stream the rest may still come */
                { "ncl", SIP_FRAME_BROKEN, 400 },
                { "mcl01", SIP_FRAME_BROKEN, 400 },
                { "dblreq", SIP_FRAME_MESSAGE, 0 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct buf bytes = { 0 };
                struct sip_framer framer = { 0 };
                struct sip_frame frame;
                read_vector(rows[i].name, &bytes);
                assert_int_equal(sip_frame_next(&framer, buf_data(&bytes), bytes.len, &frame), rows[i].found);
                assert_int_equal(frame.status, rows[i].status);
                buf_free(&bytes);
        }
}

static void
keeps_every_part_of_a_tortuous_invite(void **state)
{
        struct buf bytes = { 0 };
        struct sip_fault fault;
        read_vector("wsinv", &bytes);
        char *text = buf_data(&bytes), *end = memmem(text, bytes.len, "\r\n\r\n", 4);
        size_t head_len = (size_t)(end - text) + 4;
        struct sip_message *message = sip_message_parse(text, head_len, NULL, 0, &fault, NULL);

        assert_non_null(message);
        assert_string_equal(message->method, "INVITE");
        assert_string_equal(message->call_id, "wsinv.ndaksdj@192.0.2.1");
        assert_int_equal(message->cseq, 9);
        assert_string_equal(message->from.display, "J Rosenberg \\\"");
        assert_string_equal(message->from.tag, "98asjd8");
        assert_string_equal(message->via.host, "192.0.2.2");
        assert_string_equal(message->via.branch, "390skdjuw");
        const char *vias[8];
        assert_int_equal(sip_message_list(message, "v", vias, 8), 3);
        assert_string_equal(sip_message_content_type(message), "application/sdp");
        sip_message_free(&message);
        buf_free(&bytes);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(treats_each_torture_message_as_the_rfc_asks),
                cmocka_unit_test(closes_the_connection_over_a_wrong_length),
                cmocka_unit_test(keeps_every_part_of_a_tortuous_invite),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
