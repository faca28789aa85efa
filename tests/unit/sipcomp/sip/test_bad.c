/* Every sample of tests/peers/bad through framing, parser and checks: what is refused here is refused with an outcome that expect.tsv allows. */
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

static const char *
samples(void)
{
        static char path[1024];
        const char *top = getenv("SRC_DIR");
        snprintf(path, sizeof path, "%s/tests/peers/bad", top != NULL ? top : ".");
        return path;
}

static bool
read_file(const char *name, struct buf *bytes)
{
        char path[2048];
        snprintf(path, sizeof path, "%s/%s", samples(), name);
        FILE *in = fopen(path, "rb");
        if (in == NULL)
                return false;
        for (size_t n; (n = fread(buf_reserve(bytes, 65536), 1, 65536, in)) > 0;)
                buf_added(bytes, n);
        fclose(in);
        return true;
}

/* What becomes of one complete message. */
static int
judge_message(const struct sip_frame *frame)
{
        struct sip_fault fault;
        struct sip_message *partial,
                *message = sip_message_parse(frame->head, frame->head_len, frame->body, frame->body_len, &fault, &partial);
        int outcome = PASSES;

        if (message == NULL) {
                outcome = fault.status != 0 ? fault.status : fault.close ? CLOSES : NOTHING;
                assert_true((partial != NULL) == (fault.status != 0));
                if (partial != NULL) {
                        struct sip_message *answer = sip_response_of_fault(partial, &fault);
                        struct buf text = { 0 };
                        sip_message_print(answer, &text);
                        assert_memory_equal(buf_text(&text), "SIP/2.0 ", 8);
                        buf_free(&text);
                        sip_message_free(&answer);
                }
                sip_message_free(&partial);
        } else if (message->status != 0 || sip_message_is(message, "ACK")) {
                outcome = NOTHING;
        } else if (!sip_message_is(message, "CANCEL") && !sip_message_check(message, &fault)) {
                outcome = fault.status;
        }
        sip_message_free(&message);
        return outcome;
}

/* The first thing that happens on a connection that brings these bytes in pieces of this size. */
static int
judge(const struct buf *bytes, size_t piece)
{
        struct sip_framer framer = { 0 };
        const char *at = buf_data(bytes);
        size_t left = bytes->len, shown = 0;

        while (left > 0) {
                struct sip_frame frame;
                shown = shown + piece < left ? shown + piece : left;
                char *exact = malloc(shown); /* so that one byte too far is seen */
                memcpy(exact, at, shown);
                enum sip_framing found = sip_frame_next(&framer, exact, shown, &frame);
                int outcome = PASSES;
                if (found == SIP_FRAME_BROKEN) {
                        struct sip_fault fault;
                        struct sip_message *partial = NULL, *message = NULL;
                        outcome = frame.status != 0 ? frame.status : CLOSES;
                        if (frame.head != NULL)
                                message = sip_message_parse(frame.head, frame.head_len, NULL, 0, &fault, &partial);
                        sip_message_free(&message);
                        sip_message_free(&partial);
                } else if (found == SIP_FRAME_MESSAGE) {
                        outcome = judge_message(&frame);
                }
                free(exact);
                if (found == SIP_FRAME_MESSAGE || outcome != PASSES)
                        return outcome;
                if (found == SIP_FRAME_MORE && shown == left)
                        return NOTHING;
                at += frame.used;
                left -= frame.used;
                shown -= frame.used;
        }
        return NOTHING;
}

/* May a message with these allowed outcomes pass here? Only if the rooms above, which know dialogs and bodies, can bring one about. */
static bool
is_for_others(const char *expect)
{
        static const char *const ours[] = { "400", "413", "414", "416", "420", "431", "505", "513", "close" };

        for (const char *at = expect; *at != '\0'; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|')) {
                bool is_ours = false;
                for (size_t i = 0; i < array_len(ours); i++)
                        is_ours = is_ours || (strcspn(at, "|") == strlen(ours[i]) && strncmp(at, ours[i], strlen(ours[i])) == 0);
                if (!is_ours)
                        return true;
        }
        return false;
}

static bool
is_allowed(const char *expect, int outcome)
{
        char word[16], class[16];
        if (outcome == PASSES)
                return is_for_others(expect);
        snprintf(word, sizeof word, outcome == CLOSES ? "close" : outcome == NOTHING ? "none" : "%d", outcome);
        snprintf(class, sizeof class, "%dxx", outcome / 100);
        for (const char *at = expect; *at != '\0'; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|')) {
                size_t len = strcspn(at, "|");
                if ((len == strlen(word) && strncmp(at, word, len) == 0) ||
                        (outcome > 1 && len == 3 && strncmp(at, class, len) == 0))
                        return true;
        }
        return false;
}

static void
answers_each_sample_with_an_allowed_outcome(void **state)
{
        struct buf table = { 0 };
        unsigned count = 0, wrong = 0;

        assert_true(read_file("expect.tsv", &table));
        char *rest;
        for (char *line = strtok_r(buf_text(&table), "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
                char *tab = strchr(line, '\t');
                if (*line == '#' || tab == NULL)
                        continue;
                *tab = '\0';
                char *expect = tab + 1;
                expect[strcspn(expect, "\t")] = '\0';
                struct buf bytes = { 0 };
                assert_true(read_file(line, &bytes));
                int whole = judge(&bytes, SIZE_MAX / 2), chopped = judge(&bytes, 97);
                if (!is_allowed(expect, whole) || whole != chopped) {
                        print_message("%s: %d in one piece, %d in many; allowed: %s\n", line, whole, chopped, expect);
                        wrong++;
                }
                if (getenv("SHOW") != NULL)
                        print_message("%s: %d (%s)\n", line, whole, expect);
                count++;
                buf_free(&bytes);
        }
        buf_free(&table);
        assert_int_equal(wrong, 0);
        assert_int_equal(count, 126);
}

static void
gives_the_one_code_that_is_written_down(void **state)
{
        static const struct {
                const char *name;
                int outcome;
        } rows[] = {
                { "bad-003-length-negative", 400 },
                { "bad-004-length-2-32", 413 },
                { "bad-008-length-twice-different", 400 },
                { "bad-009-length-long-and-compact", 400 },
                { "bad-011-length-missing", 400 },
                { "bad-012-length-gigabyte", 413 },
                { "bad-013-header-70000", 513 },
                { "bad-014-headers-3000", 513 },
                { "bad-016-vias-300", 513 },
                { "bad-017-lf-only", 400 },
                { "bad-023-nul-in-header", 400 },
                { "bad-031-http", CLOSES },
                { "bad-032-tls-client-hello", CLOSES },
                { "bad-033-binary", CLOSES },
                { "bad-035-no-via", 400 },
                { "bad-040-no-from-tag", 400 },
                { "bad-045-cseq-method-differs", 400 },
                { "bad-053-version", 505 },
                { "bad-054-max-forwards-0", PASSES },
                { "bad-055-max-forwards-1000", 400 },
                { "bad-056-max-forwards-negative", 400 },
                { "bad-057-method-unknown", 405 },
                { "bad-060-method-lower-case", 405 },
                { "bad-061-scheme-http", 416 },
                { "bad-062-scheme-tel", 416 },
                { "bad-067-uri-headers", PASSES },
                { "bad-078-require-unknown", 420 },
                { "bad-079-proxy-require-unknown", PASSES },
                { "bad-080-content-encoding", 415 },
                { "bad-084-message-300k", 413 },
                { "bad-108-subscribe-no-contact", 400 },
                { "bad-109-subscribe-contact-star", 400 },
                { "bad-119-ack-nothing", NOTHING },
                { "bad-121-response-999", CLOSES },
                { "bad-124-record-route-500", 513 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                char name[256];
                struct buf bytes = { 0 };
                snprintf(name, sizeof name, "%s.txt", rows[i].name);
                assert_true(read_file(name, &bytes));
                int outcome = judge(&bytes, SIZE_MAX / 2);
                if (outcome != rows[i].outcome)
                        fail_msg("%s: %d instead of %d", name, outcome, rows[i].outcome);
                buf_free(&bytes);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers_each_sample_with_an_allowed_outcome),
                cmocka_unit_test(gives_the_one_code_that_is_written_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
