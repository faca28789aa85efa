/* codec.h - how values are laid out in records: versioned, length-prefixed, checked on the way back
 *
 * encode_* append to a buf; decode_* take from a cursor and never read beyond its end: after the last field ask decode_ok.
 */
#ifndef SHARED_STORE_CODEC_H
#define SHARED_STORE_CODEC_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void encode_u8(struct buf *out, uint8_t number);
void encode_u32(struct buf *out, uint32_t number); /* big-endian, so that keys are in order */
void encode_u64(struct buf *out, uint64_t number);
void encode_bytes(struct buf *out, const void *bytes, size_t len); /* u32 length first */
void encode_text(struct buf *out, const char *text);               /* NULL and "" are told apart */

struct cursor {
        const unsigned char *at, *end;
        bool broken; /* once true, every read gives zeros */
};
struct cursor cursor_on(const void *bytes, size_t len);
uint8_t decode_u8(struct cursor *cursor);
uint32_t decode_u32(struct cursor *cursor);
uint64_t decode_u64(struct cursor *cursor);
/* Points into the record. */
const void *decode_bytes(struct cursor *cursor, size_t *len);
/* A terminated copy in the arena; NULL where NULL was written. A text with a NUL inside is broken. */
char *decode_text(struct cursor *cursor, struct arena *arena);
/* All was there and nothing is left over. */
bool decode_ok(const struct cursor *cursor);

#endif
