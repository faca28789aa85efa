/*
 * buf.c - a growing byte queue in one piece of memory
 */
#include "shared/base/buf.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum { ROOM_MIN = 128, ROOM_KEPT = 16 * 1024 };

void
buf_free(struct buf *buf)
{
        mem_free(buf->base);
        *buf = (struct buf){ 0 };
}

void
buf_clear(struct buf *buf)
{
        if (buf->room > ROOM_KEPT)
                buf_free(buf);
        buf->start = buf->len = 0;
}

char *
buf_reserve(struct buf *buf, size_t len)
{
        must(len <= SIZE_MAX / 4 && buf->len <= SIZE_MAX / 4);
        size_t need = buf->len + len;

        if (buf->start + need > buf->room && buf->start > 0 && need <= buf->room && buf->start >= buf->len) {
                memcpy(buf->base, buf_data(buf), buf->len);
                buf->start = 0;
        }
        if (buf->start + need > buf->room) {
                size_t room = buf->room < ROOM_MIN ? ROOM_MIN : buf->room;
                while (room < need)
                        room *= 2;
                char *base = mem_resize(NULL, room, 1);
                if (buf->len > 0)
                        memcpy(base, buf_data(buf), buf->len);
                mem_free(buf->base);
                buf->base = base;
                buf->start = 0;
                buf->room = room;
        }
        return buf->base + buf->start + buf->len;
}

void
buf_added(struct buf *buf, size_t len)
{
        must(len <= buf->room - buf->start - buf->len);
        buf->len += len;
}

void
buf_put(struct buf *buf, const void *bytes, size_t len)
{
        if (len == 0)
                return;
        memcpy(buf_reserve(buf, len), bytes, len);
        buf->len += len;
}

void
buf_puts(struct buf *buf, const char *text)
{
        buf_put(buf, text, strlen(text));
}

void
buf_putc(struct buf *buf, char c)
{
        buf_put(buf, &c, 1);
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
        va_list args, again;
        size_t room = buf->room - buf->start - buf->len; /* where there is enough of it, once is enough */
        va_start(args, format);
        va_copy(again, args);
        int len = vsnprintf(room > 0 ? buf->base + buf->start + buf->len : NULL, room, format, args);
        va_end(args);
        must(len >= 0);
        if ((size_t)len >= room)
                vsnprintf(buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, again);
        va_end(again);
        buf->len += (size_t)len;
}

void
buf_drop(struct buf *buf, size_t len)
{
        must(len <= buf->len);
        buf->start += len;
        buf->len -= len;
        if (buf->len == 0)
                buf_clear(buf);
}

char *
buf_text(struct buf *buf)
{
        *buf_reserve(buf, 1) = '\0';
        return buf_data(buf);
}
