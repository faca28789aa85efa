/* buf.h - bytes that are appended at the end and taken from the front: texts being built, input and output queues */
#ifndef SHARED_BASE_BUF_H
#define SHARED_BASE_BUF_H

#include <stddef.h>
#include <string.h>

/* A plain value: `struct buf out = { 0 };` is empty and owns nothing. Read buf_data(&b) and b.len. */
struct buf {
        char *base;
        size_t start, len, room; /* the bytes are base[start .. start + len) of room */
};

static inline char *
buf_data(const struct buf *buf)
{
        return buf->start > 0 ? buf->base + buf->start : buf->base; /* NULL + 0 is not defined in C */
}

void buf_free(struct buf *buf);
/* Empties it; keeps the memory unless it has grown beyond 16 KiB. */
void buf_clear(struct buf *buf);
void buf_put(struct buf *buf, const void *bytes, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for len more bytes behind the last one; add what was written with buf_added. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_added(struct buf *buf, size_t len);
/* Takes len bytes from the front. When the last byte goes, large memory goes too. */
void buf_drop(struct buf *buf, size_t len);
/* The bytes as a terminated string; the terminator is not counted in len. Valid until the next change. */
char *buf_text(struct buf *buf);

#endif
