/*
 * text.c - small questions about bytes that should be text
 */
#include "shared/base/text.h"

#include <string.h>

/* Length of the UTF-8 sequence at p (n bytes left), its code point in *c; 0 if it is not one. */
static size_t
decode(const unsigned char *p, size_t n, uint32_t *c)
{
        static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
        if (len == 0 || len > n)
                return 0;
        *c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
        for (size_t i = 1; i < len; i++) {
                if (p[i] >> 6 != 2)
                        return 0;
                *c = *c << 6 | (p[i] & 0x3fu);
        }
        if (*c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
                return 0;
        return len;
}

bool
text_is_utf8(const char *bytes, size_t len)
{
        const unsigned char *p = (const unsigned char *)bytes;
        uint32_t c;
        for (size_t i = 0, n; i < len; i += n)
                if ((n = decode(p + i, len - i, &c)) == 0)
                        return false;
        return true;
}

bool
text_is_xml(const char *bytes, size_t len)
{
        const unsigned char *p = (const unsigned char *)bytes;
        uint32_t c;
        for (size_t i = 0, n; i < len; i += n) {
                if ((n = decode(p + i, len - i, &c)) == 0)
                        return false;
                if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
                        return false;
        }
        return true;
}

static char
lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool
text_equal_nocase(const char *a, const char *b)
{
        for (; *a != '\0' && lower(*a) == lower(*b); a++, b++)
                ;
        return lower(*a) == lower(*b);
}

bool
text_equal(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
text_starts(const char *text, const char *start)
{
        return strncmp(text, start, strlen(start)) == 0;
}

int64_t
text_number(const char *text, int64_t max)
{
        int64_t number = 0;
        if (*text == '\0')
                return -1;
        for (; *text != '\0'; text++) {
                if (*text < '0' || *text > '9')
                        return -1;
                int64_t digit = *text - '0';
                if (number > (max - digit) / 10)
                        return -1;
                number = number * 10 + digit;
        }
        return number > max ? -1 : number;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
text_base64_size(size_t len)
{
        return (len + 2) / 3 * 4 + 1;
}

char *
text_base64(char *out, const void *bytes, size_t len)
{
        const unsigned char *p = bytes;
        char *q = out;
        for (; len > 0; p += 3) {
                size_t n = len < 3 ? len : 3;
                uint32_t three = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
                *q++ = alphabet[three >> 18];
                *q++ = alphabet[three >> 12 & 63];
                *q++ = n > 1 ? alphabet[three >> 6 & 63] : '=';
                *q++ = n > 2 ? alphabet[three & 63] : '=';
                len -= n;
        }
        *q = '\0';
        return out;
}

static int
value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int64_t
text_unbase64(void *out, const char *text, size_t text_len)
{
        unsigned char *q = out;
        if (text_len % 4 != 0)
                return -1;
        for (size_t i = 0; i < text_len; i += 4) {
                size_t digits = 4;
                if (i + 4 == text_len)
                        digits -= (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=');
                uint32_t bits = 0;
                for (size_t k = 0; k < 4; k++) {
                        int value = k < digits ? value_of(text[i + k]) : 0;
                        if (value < 0)
                                return -1;
                        bits = bits << 6 | (uint32_t)value;
                }
                if (bits & ((1u << 8 * (4 - digits)) - 1))
                        return -1;
                *q++ = (unsigned char)(bits >> 16);
                if (digits > 2)
                        *q++ = (unsigned char)(bits >> 8);
                if (digits > 3)
                        *q++ = (unsigned char)bits;
        }
        return q - (unsigned char *)out;
}

char *
text_hex(char *out, const void *bytes, size_t len)
{
        static const char digits[] = "0123456789abcdef";
        const unsigned char *p = bytes;
        for (size_t i = 0; i < len; i++) {
                out[2 * i] = digits[p[i] >> 4];
                out[2 * i + 1] = digits[p[i] & 15];
        }
        out[2 * len] = '\0';
        return out;
}

char *
text_place(char **at, const char *text)
{
        char *here = *at;
        if (text == NULL)
                return NULL;
        size_t len = strlen(text) + 1;
        memcpy(here, text, len);
        *at += len;
        return here;
}
