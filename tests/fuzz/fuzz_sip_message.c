/*
 * fuzz_sip_message.c - one head and body: whatever is accepted can be answered, checked, put into a dialog, stored, and what is printed can
 * be read again
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/dialect/diagnostics.h"
#include "sipcomp/sip/dialog.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/message.h"
#include "sipcomp/sip/sdp.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What we send has to be one whole message for ourselves. */
static void
read_again(struct sip_message *message, bool sound)
{
        struct buf text = { 0 };
        struct sip_framer framer = { 0 };
        struct sip_frame frame;
        struct sip_fault fault;

        sip_message_print(message, &text);
        enum sip_framing found = sip_frame_next(&framer, buf_data(&text), text.len, &frame);
        if (sound) {
                /* Unfolding and long names can make a message of ours longer than what came; nothing else may be wrong with it. */
                must((found == SIP_FRAME_MESSAGE && frame.used == text.len) || (found == SIP_FRAME_BROKEN && frame.status > 400));
                if (found == SIP_FRAME_MESSAGE && sip_message_get(message, "Via") != NULL) {
                        struct sip_message *again =
                                sip_message_parse(frame.head, frame.head_len, frame.body, frame.body_len, &fault, NULL);
                        must(again != NULL);
                        sip_message_free(&again);
                }
        }
        buf_free(&text);
        sip_message_free(&message);
}

static void
try_dialog(struct sip_message *request)
{
        struct sip_dialog *dialog = sip_dialog_of_server(request, "tag", "user", "sip.example.com");
        if (dialog == NULL)
                return;
        struct sip_message *ours = sip_dialog_request(dialog, "NOTIFY", true);
        sip_message_prepend(ours, "Via", "SIP/2.0/TCP sip.example.com;branch=z9hG4bKx");
        read_again(ours, true);
        struct buf record = { 0 };
        sip_dialog_encode(dialog, &record);
        struct cursor cursor = cursor_on(buf_data(&record), record.len);
        struct sip_dialog *again = sip_dialog_decode(&cursor);
        must(again != NULL && decode_ok(&cursor));
        must(sip_dialog_receive(again, request) == 500);
        sip_dialog_free(&again);
        sip_dialog_free(&dialog);
        buf_free(&record);
}

/* The peer's words are shown to people: they fit, and hold nothing that speaks to a terminal. */
static void
read_reasons(const struct sip_message *message)
{
        struct diagnostics found;
        char text[64];

        if (!diagnostics_read(&found, message))
                return;
        for (const char *c = found.said; *c != '\0'; c++)
                must((unsigned char)*c >= ' ');
        must(found.id <= 999999);
        must(strlen(diagnostics_text(text, sizeof(text), &found)) < sizeof(text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sip_framer framer = { 0 };
        struct sip_frame frame;
        struct sip_fault fault;
        struct sip_message *partial;

        if (size > SIP_HEAD_MAX)
                return 0;
        enum sip_framing found = sip_frame_next(&framer, (const char *)data, size, &frame);
        if ((found != SIP_FRAME_MESSAGE && found != SIP_FRAME_BROKEN) || frame.head == NULL)
                return 0;
        struct sip_message *message = sip_message_parse(frame.head, frame.head_len, frame.body, frame.body_len, &fault, &partial);
        if (partial != NULL) {
                read_again(sip_response_of_fault(partial, &fault), false);
                sip_message_free(&partial);
        }
        if (message == NULL)
                return 0;
        if (message->status == 0) {
                bool fits = sip_message_check(message, &fault);
                if (!fits)
                        read_again(sip_response_of_fault(message, &fault), true);
                read_again(sip_response_new(message, 200, NULL, NULL), true);
                if (fits)
                        try_dialog(message);
        }
        struct sip_sdp sdp;
        if (message->body_len > 0 && sip_sdp_read(&sdp, message->arena, message->body, message->body_len) == SIP_SDP_IM)
                sip_sdp_accepts(&sdp, "text/plain");
        sip_message_content_type(message);
        sip_message_lists(message, "Supported", "timer");
        sip_message_number(message, "Expires", 86400);
        read_reasons(message);
        read_again(sip_message_copy(message), true);
        sip_message_free(&message);
        return 0;
}
