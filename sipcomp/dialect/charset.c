/*
 * charset.c - from the charset a body declares to UTF-8
 */
#include "sipcomp/dialect/text_private.h"

#include "shared/base/text.h"

#include <iconv.h>
#include <string.h>
#include <strings.h>

void
put_character(struct buf *out, unsigned long code)
{
        bool allowed = code == 0x9 || code == 0xa || code == 0xd || (code >= 0x20 && code <= 0xd7ff) ||
                (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
        if (!allowed)
                code = 0xfffd;
        if (code < 0x80) {
                buf_putc(out, (char)code);
        } else if (code < 0x800) {
                buf_putc(out, (char)(0xc0 | code >> 6));
                buf_putc(out, (char)(0x80 | (code & 0x3f)));
        } else if (code < 0x10000) {
                buf_putc(out, (char)(0xe0 | code >> 12));
                buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
                buf_putc(out, (char)(0x80 | (code & 0x3f)));
        } else {
                buf_putc(out, (char)(0xf0 | code >> 18));
                buf_putc(out, (char)(0x80 | (code >> 12 & 0x3f)));
                buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
                buf_putc(out, (char)(0x80 | (code & 0x3f)));
        }
}

/* iconv knows hundreds of charsets; these are the ones that messages come in (7.4). */
static bool
is_known(const char *charset)
{
        return strncasecmp(charset, "iso-8859-", 9) == 0 || strncasecmp(charset, "windows-12", 10) == 0 ||
                strncasecmp(charset, "cp12", 4) == 0 || strncasecmp(charset, "utf-16", 6) == 0 ||
                strcasecmp(charset, "us-ascii") == 0 || strncasecmp(charset, "koi8-", 5) == 0 ||
                strcasecmp(charset, "shift_jis") == 0 || strcasecmp(charset, "gb2312") == 0 || strcasecmp(charset, "gbk") == 0 ||
                strcasecmp(charset, "big5") == 0 || strcasecmp(charset, "euc-kr") == 0 || strcasecmp(charset, "euc-jp") == 0;
}

bool
charset_convert(struct buf *out, const char *charset, const char *bytes, size_t len)
{
        if (charset == NULL || charset[0] == '\0' || strcasecmp(charset, "utf-8") == 0 || strcasecmp(charset, "utf8") == 0 ||
                strcasecmp(charset, "us-ascii") == 0) {
                if (!text_is_utf8(bytes, len))
                        return false;
                buf_put(out, bytes, len);
                return true;
        }
        iconv_t converter = is_known(charset) ? iconv_open("UTF-8", charset) : (iconv_t)-1;
        if (converter == (iconv_t)-1)
                return false;
        /* UTF-16 and single bytes grow at most threefold. */
        size_t room = 3 * len + 16, left = len;
        char *to = buf_reserve(out, room), *start = to, *from = (char *)bytes;
        bool fine = iconv(converter, &from, &left, &to, &room) != (size_t)-1 && left == 0;
        iconv_close(converter);
        if (fine)
                buf_added(out, (size_t)(to - start));
        return fine;
}
