/*
 * rtf.c - from RTF to text: what a reader sees, nothing else (7.4)
 *
 * Groups are counted, never recursed: the state of the open ones stands in a small array, deeper ones share the last place.
 */
#include "sipcomp/dialect/text_private.h"

#include "shared/base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 64 };

struct rtf {
        struct buf *out;
        int depth;        /* open groups */
        int hidden_from;  /* the group whose inside is not text; 0: none */
        int skip[GROUPS]; /* \ucN: what stands behind \uN for old readers */
        int to_skip;      /* characters still to be passed over */
        char charset[16];
        unsigned long high; /* the first half of a surrogate pair; 0: none */
        bool group_starts;
};

static const char *const destinations[] = { "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer",
        "generator", "listtable", "listoverridetable", "rsidtbl", "themedata", "fldinst", "filetbl", "revtbl" };
/* clang-format off */
static const struct {
        const char *word;
        unsigned long code;
} characters[] = {
        { "par", '\n' },       { "line", '\n' },      { "sect", '\n' },       { "page", '\n' },       { "tab", '\t' },       { "cell", '\t' },
        { "row", '\n' },       { "emdash", 0x2014 },  { "endash", 0x2013 },   { "lquote", 0x2018 },   { "rquote", 0x2019 },
        { "ldblquote", 0x201c }, { "rdblquote", 0x201d }, { "bullet", 0x2022 }, { "emspace", ' ' },   { "enspace", ' ' },
};
/* clang-format on */

static bool
is_hidden(const struct rtf *rtf)
{
        return rtf->hidden_from != 0;
}

static int *
skip_of(struct rtf *rtf)
{
        return &rtf->skip[rtf->depth < GROUPS ? rtf->depth : GROUPS - 1];
}

static void
put(struct rtf *rtf, unsigned long code)
{
        if (rtf->to_skip > 0) {
                rtf->to_skip--;
                return;
        }
        if (!is_hidden(rtf))
                put_character(rtf->out, code);
}

/* One byte in the document's code page. */
static void
put_byte(struct rtf *rtf, unsigned char byte)
{
        struct buf text = { 0 };
        char c = (char)byte;
        if (rtf->to_skip > 0 || is_hidden(rtf)) {
                put(rtf, byte);
                return;
        }
        if (byte < 0x80)
                put(rtf, byte);
        else if (charset_convert(&text, rtf->charset, &c, 1))
                buf_put(rtf->out, buf_data(&text), text.len);
        else
                put(rtf, 0xfffd);
        buf_free(&text);
}

/* \uN: signed 16 bits, two of them for what lies above. */
static void
put_unicode(struct rtf *rtf, long number)
{
        unsigned long code = (unsigned long)(number < 0 ? number + 65536 : number) & 0xffff;
        rtf->to_skip = 0;
        if (code >= 0xd800 && code <= 0xdbff) {
                rtf->high = code;
        } else if (code >= 0xdc00 && code <= 0xdfff && rtf->high != 0) {
                put(rtf, 0x10000 + ((rtf->high - 0xd800) << 10) + (code - 0xdc00));
                rtf->high = 0;
        } else {
                put(rtf, code);
                rtf->high = 0;
        }
        rtf->to_skip = *skip_of(rtf);
}

static void
obey(struct rtf *rtf, const char *word, bool has_number, long number)
{
        if (strcmp(word, "u") == 0 && has_number) {
                put_unicode(rtf, number);
                return;
        }
        if (strcmp(word, "uc") == 0 && has_number) {
                *skip_of(rtf) = number >= 0 && number <= 8 ? (int)number : 1;
                return;
        }
        if (strcmp(word, "ansicpg") == 0 && has_number && number > 0 && number < 10000) {
                snprintf(rtf->charset, sizeof(rtf->charset), "cp%ld", number);
                return;
        }
        for (size_t i = 0; i < array_len(destinations) && rtf->group_starts; i++)
                if (strcmp(word, destinations[i]) == 0 && !is_hidden(rtf))
                        rtf->hidden_from = rtf->depth;
        for (size_t i = 0; i < array_len(characters); i++)
                if (strcmp(word, characters[i].word) == 0)
                        put(rtf, characters[i].code);
}

/* at points behind the backslash. Returns where to go on. */
static size_t
take_control(struct rtf *rtf, const char *text, size_t len, size_t at)
{
        if (at >= len)
                return len;
        if (!isalpha((unsigned char)text[at])) {
                char c = text[at++];
                if (c == '\'' && len - at >= 2 && isxdigit((unsigned char)text[at]) && isxdigit((unsigned char)text[at + 1])) {
                        char digits[3] = { text[at], text[at + 1], '\0' };
                        put_byte(rtf, (unsigned char)strtoul(digits, NULL, 16));
                        return at + 2;
                }
                if (c == '*' && !is_hidden(rtf))
                        rtf->hidden_from = rtf->depth;
                else if (c == '\\' || c == '{' || c == '}')
                        put(rtf, (unsigned char)c);
                else if (c == '~')
                        put(rtf, ' ');
                else if (c == '\n' || c == '\r')
                        put(rtf, '\n');
                return at;
        }
        char word[24];
        size_t n = 0;
        for (; at < len && isalpha((unsigned char)text[at]); at++)
                if (n < sizeof(word) - 1)
                        word[n++] = text[at];
        word[n] = '\0';
        bool minus = at < len && text[at] == '-', has_number = false;
        long number = 0;
        if (minus)
                at++;
        for (; at < len && isdigit((unsigned char)text[at]); at++) {
                has_number = true;
                if (number < 1000000)
                        number = number * 10 + (text[at] - '0');
        }
        if (at < len && text[at] == ' ')
                at++;
        obey(rtf, word, has_number, minus ? -number : number);
        return at;
}

void
rtf_reduce(struct buf *out, const char *text, size_t len)
{
        struct rtf rtf = { .out = out, .charset = "cp1252" };
        size_t start = out->len;
        rtf.skip[0] = 1;
        for (size_t at = 0; at < len;) {
                char c = text[at++];
                if (c == '{') {
                        int outer = *skip_of(&rtf);
                        rtf.depth++;
                        *skip_of(&rtf) = outer;
                        rtf.group_starts = true;
                        rtf.to_skip = 0;
                        continue;
                }
                if (c == '}') {
                        if (rtf.depth > 0 && rtf.hidden_from == rtf.depth)
                                rtf.hidden_from = 0;
                        if (rtf.depth > 0)
                                rtf.depth--;
                        rtf.to_skip = 0;
                } else if (c == '\\') {
                        at = take_control(&rtf, text, len, at);
                        if (at <= len && at >= 2 && text[at - 1] == '*')
                                continue; /* \*\destination: still at the start of the group */
                } else if (c != '\r' && c != '\n') {
                        put_byte(&rtf, (unsigned char)c);
                }
                rtf.group_starts = false;
        }
        while (out->len > start && buf_data(out)[out->len - 1] == '\n')
                out->len--;
}
