/* fuzz_codec.c - records of any bytes: the first byte of each step says what is decoded, and nothing is read beyond the end */
#include "shared/store/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded, written again, is what was there. */
static void
check_round_trip(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(256);
        struct cursor cursor = cursor_on(data, size);
        struct buf out = { 0 };
        size_t len;

        encode_u8(&out, decode_u8(&cursor));
        encode_text(&out, decode_text(&cursor, arena));
        encode_u64(&out, decode_u64(&cursor));
        const void *bytes = decode_bytes(&cursor, &len);
        encode_bytes(&out, bytes, len);
        encode_u32(&out, decode_u32(&cursor));
        if (decode_ok(&cursor) && (out.len != size || memcmp(buf_data(&out), data, size) != 0))
                abort();
        buf_free(&out);
        arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(256);
        struct cursor cursor = cursor_on(data, size);
        size_t len, sum = 0;

        while (!cursor.broken && cursor.at < cursor.end) {
                switch (decode_u8(&cursor) % 5) {
                case 0:
                        sum += decode_u32(&cursor);
                        break;
                case 1:
                        sum += (size_t)decode_u64(&cursor);
                        break;
                case 2: {
                        const unsigned char *bytes = decode_bytes(&cursor, &len);
                        for (size_t i = 0; i < len; i++)
                                sum += bytes[i];
                        break;
                }
                case 3: {
                        const char *text = decode_text(&cursor, arena);
                        sum += text == NULL ? 0 : strlen(text);
                        break;
                }
                default:
                        sum += decode_ok(&cursor);
                }
        }
        if (cursor.broken && (decode_u64(&cursor) != 0 || decode_ok(&cursor) || decode_bytes(&cursor, &len) != NULL))
                abort();
        arena_free(&arena);
        check_round_trip(data, size);
        return sum == SIZE_MAX ? 1 : 0;
}
