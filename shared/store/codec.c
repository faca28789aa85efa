/*
 * codec.c - fields one behind the other; a length that is too long breaks the cursor, and a broken cursor stays broken
 */
#include "shared/store/codec.h"

#include "shared/base/panic.h"

#include <string.h>

static const uint32_t absent = UINT32_MAX; /* the length of a text that is NULL */

void
encode_u8(struct buf *out, uint8_t number)
{
        buf_putc(out, (char)number);
}

void
encode_u32(struct buf *out, uint32_t number)
{
        unsigned char bytes[4];
        for (int i = 0; i < 4; i++)
                bytes[i] = (unsigned char)(number >> (24 - 8 * i));
        buf_put(out, bytes, sizeof(bytes));
}

void
encode_u64(struct buf *out, uint64_t number)
{
        encode_u32(out, (uint32_t)(number >> 32));
        encode_u32(out, (uint32_t)number);
}

void
encode_bytes(struct buf *out, const void *bytes, size_t len)
{
        must(len < absent);
        encode_u32(out, (uint32_t)len);
        if (len > 0)
                buf_put(out, bytes, len);
}

void
encode_text(struct buf *out, const char *text)
{
        if (text == NULL)
                encode_u32(out, absent);
        else
                encode_bytes(out, text, strlen(text));
}

struct cursor
cursor_on(const void *bytes, size_t len)
{
        /* Arithmetic on a null pointer is not for us, and an empty record has no bytes. */
        static const unsigned char nothing[1];
        const unsigned char *at = len > 0 ? bytes : nothing;
        return (struct cursor){ .at = at, .end = at + len };
}

/* The next len bytes, or NULL when there are not that many. */
static const unsigned char *
take(struct cursor *cursor, size_t len)
{
        if (cursor->broken || (size_t)(cursor->end - cursor->at) < len) {
                cursor->broken = true;
                return NULL;
        }
        const unsigned char *bytes = cursor->at;
        cursor->at += len;
        return bytes;
}

uint8_t
decode_u8(struct cursor *cursor)
{
        const unsigned char *bytes = take(cursor, 1);
        return bytes == NULL ? 0 : bytes[0];
}

uint32_t
decode_u32(struct cursor *cursor)
{
        const unsigned char *bytes = take(cursor, 4);
        if (bytes == NULL)
                return 0;
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint64_t
decode_u64(struct cursor *cursor)
{
        uint64_t high = decode_u32(cursor), low = decode_u32(cursor);
        return cursor->broken ? 0 : high << 32 | low;
}

const void *
decode_bytes(struct cursor *cursor, size_t *len)
{
        *len = decode_u32(cursor);
        const void *bytes = take(cursor, *len);
        if (bytes == NULL)
                *len = 0;
        return bytes;
}

char *
decode_text(struct cursor *cursor, struct arena *arena)
{
        uint32_t len = decode_u32(cursor);
        if (len == absent)
                return NULL;
        const char *bytes = (const char *)take(cursor, len);
        if (bytes == NULL)
                return NULL;
        if (memchr(bytes, '\0', len) != NULL) {
                cursor->broken = true;
                return NULL;
        }
        return arena_strndup(arena, bytes, len);
}

bool
decode_ok(const struct cursor *cursor)
{
        return !cursor->broken && cursor->at == cursor->end;
}
