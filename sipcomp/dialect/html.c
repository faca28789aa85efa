/*
 * html.c - from HTML to text: tags go, blocks become lines, entities become characters (7.4)
 *
 * It is a scanner, not a parser: whatever stands between < and > disappears, so nothing can come out as markup.
 */
#include "sipcomp/dialect/text_private.h"

#include "shared/base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct html {
        struct buf *out;
        size_t start;  /* where our text begins in out */
        bool line_due; /* a block began or ended: the next character starts a line */
        bool space_due;
        bool empty; /* nothing written yet */
};

/* clang-format off */
static const struct {
        const char *name;
        unsigned long code;
} entities[] = {
        { "amp", '&' },      { "lt", '<' },       { "gt", '>' },       { "quot", '"' },     { "apos", '\'' },    { "nbsp", 0xa0 },
        { "copy", 0xa9 },    { "reg", 0xae },     { "euro", 0x20ac },  { "hellip", 0x2026 }, { "ndash", 0x2013 }, { "mdash", 0x2014 },
        { "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "ldquo", 0x201c }, { "rdquo", 0x201d }, { "bull", 0x2022 },  { "trade", 0x2122 },
        { "auml", 0xe4 },    { "ouml", 0xf6 },    { "uuml", 0xfc },    { "Auml", 0xc4 },    { "Ouml", 0xd6 },    { "Uuml", 0xdc },
        { "szlig", 0xdf },   { "eacute", 0xe9 },  { "egrave", 0xe8 },  { "agrave", 0xe0 },  { "ccedil", 0xe7 },  { "laquo", 0xab },
        { "raquo", 0xbb },   { "pound", 0xa3 },   { "sect", 0xa7 },    { "deg", 0xb0 },     { "middot", 0xb7 },  { "times", 0xd7 },
};
/* clang-format on */

static const char *const blocks[] = { "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote",
        "pre", "hr" };
static const char *const hidden[] = { "script", "style", "head", "title" };

static bool
is_one_of(const char *name, const char *const *names, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcasecmp(name, names[i]) == 0)
                        return true;
        return false;
}

static void
begin_character(struct html *html)
{
        if (html->line_due && !html->empty)
                buf_putc(html->out, '\n');
        else if (html->space_due && !html->empty && !html->line_due)
                buf_putc(html->out, ' ');
        html->line_due = html->space_due = html->empty = false;
}

/* &name; &#10; &#x20ac; - returns the bytes taken, 0 if it is none. */
static size_t
take_entity(struct html *html, const char *text, size_t len)
{
        char name[12];
        size_t end = 1;
        while (end < len && end < sizeof(name) && (isalnum((unsigned char)text[end]) || text[end] == '#'))
                end++;
        if (end == 1 || end >= len || text[end] != ';')
                return 0;
        memcpy(name, text + 1, end - 1);
        name[end - 1] = '\0';
        unsigned long code = 0;
        if (name[0] == '#') {
                char *rest;
                code = name[1] == 'x' || name[1] == 'X' ? strtoul(name + 2, &rest, 16) : strtoul(name + 1, &rest, 10);
                if (*rest != '\0' || name[1] == '\0')
                        return 0;
        } else {
                for (size_t i = 0; i < array_len(entities) && code == 0; i++)
                        if (strcmp(entities[i].name, name) == 0)
                                code = entities[i].code;
                if (code == 0)
                        return 0;
        }
        if (code == 0xa0)
                code = ' ';
        begin_character(html);
        put_character(html->out, code);
        return end + 1;
}

/* Behind the closing tag of an element whose inside is not text; len if it never closes. */
static size_t
skip_inside(const char *text, size_t len, size_t at, const char *name)
{
        size_t name_len = strlen(name);
        for (; at + 2 + name_len <= len; at++) {
                if (text[at] == '<' && text[at + 1] == '/' && strncasecmp(text + at + 2, name, name_len) == 0) {
                        const char *end = memchr(text + at, '>', len - at);
                        return end == NULL ? len : (size_t)(end - text) + 1;
                }
        }
        return len;
}

/* at points at '<'. Returns where to go on. */
static size_t
take_tag(struct html *html, const char *text, size_t len, size_t at)
{
        char name[16];
        size_t i = at + 1, n = 0;
        if (len - at >= 4 && memcmp(text + at, "<!--", 4) == 0) {
                const char *end = memmem(text + at + 4, len - at - 4, "-->", 3);
                return end == NULL ? len : (size_t)(end - text) + 3;
        }
        bool closing = i < len && text[i] == '/';
        if (closing)
                i++;
        while (i < len && n < sizeof(name) - 1 && isalnum((unsigned char)text[i]))
                name[n++] = text[i++];
        name[n] = '\0';
        if (n == 0 && !closing && i < len && text[i] != '!' && text[i] != '?') { /* "a < b" */
                begin_character(html);
                buf_putc(html->out, '<');
                return at + 1;
        }
        char quote = 0;
        for (; i < len && (quote != 0 || text[i] != '>'); i++) {
                if (quote != 0)
                        quote = text[i] == quote ? 0 : quote;
                else if (text[i] == '"' || text[i] == '\'')
                        quote = text[i];
        }
        i = i < len ? i + 1 : len;
        if (!closing && is_one_of(name, hidden, array_len(hidden)))
                return skip_inside(text, len, i, name);
        if (strcasecmp(name, "br") == 0) {
                if (html->line_due && !html->empty)
                        buf_putc(html->out, '\n');
                html->line_due = html->space_due = false;
                if (!html->empty)
                        buf_putc(html->out, '\n');
        } else if (is_one_of(name, blocks, array_len(blocks))) {
                html->line_due = html->out->len > html->start && buf_data(html->out)[html->out->len - 1] != '\n';
        }
        return i;
}

void
html_reduce(struct buf *out, const char *text, size_t len)
{
        struct html html = { .out = out, .start = out->len, .empty = true };
        for (size_t at = 0; at < len;) {
                size_t taken;
                if (text[at] == '<') {
                        at = take_tag(&html, text, len, at);
                } else if (text[at] == '&' && (taken = take_entity(&html, text + at, len - at)) > 0) {
                        at += taken;
                } else if (isspace((unsigned char)text[at])) {
                        html.space_due = out->len > html.start && buf_data(out)[out->len - 1] != '\n';
                        at++;
                } else {
                        begin_character(&html);
                        buf_putc(out, text[at++]);
                }
        }
        while (out->len > html.start && buf_data(out)[out->len - 1] == '\n')
                out->len--;
}
