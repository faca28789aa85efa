/*
 * fuzz_sip_records.c - stored dialogs and pairs from damaged records
 *
 * What is read is written to the same bytes, and a dialog that was read can speak: it builds its next request and names whom to ask.
 */
#include "shared/base/panic.h"
#include "sipcomp/simple/pair.h"
#include "sipcomp/sip/dialog.h"
#include "sipcomp/sip/message.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_pair(const uint8_t *data, size_t size, struct arena *arena)
{
        struct cursor cursor = cursor_on(data, size);
        struct buf out = { 0 };
        unsigned char key[PAIR_KEY];
        struct pair pair, copy;

        if (pair_decode(&pair, &cursor, arena) && !cursor.broken) {
                pair_encode(&pair, &out);
                must(out.len == (size_t)(cursor.at - data) && memcmp(buf_data(&out), data, out.len) == 0);
                pair_copy(&copy, &pair);
                pair_key(key, &copy);
                pair_free(&copy);
        }
        buf_free(&out);
}

static void
read_dialog(const uint8_t *data, size_t size, struct arena *arena)
{
        struct cursor cursor = cursor_on(data, size);
        struct sip_dialog *dialog = sip_dialog_decode(&cursor);
        struct buf out = { 0 };

        if (dialog == NULL)
                return;
        sip_dialog_encode(dialog, &out);
        struct cursor again = cursor_on(buf_data(&out), out.len);
        struct sip_dialog *same = sip_dialog_decode(&again);
        must(same != NULL && decode_ok(&again));
        sip_dialog_free(&same);
        struct sip_uri next;
        sip_dialog_next(dialog, arena, &next);
        struct sip_message *request = sip_dialog_request(dialog, "NOTIFY", true);
        buf_clear(&out);
        sip_message_print(request, &out);
        sip_message_free(&request);
        sip_dialog_free(&dialog);
        buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(1024);

        read_pair(data, size, arena);
        read_dialog(data, size, arena);
        arena_free(&arena);
        return 0;
}
