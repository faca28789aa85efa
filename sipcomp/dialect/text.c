/*
 * text.c - which reduction a content type gets, and the rules that hold for all of them
 */
#include "sipcomp/dialect/text_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xml/parser.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
text_type_is(const char *type, const char *name)
{
        size_t len = strlen(name);
        while (*type == ' ' || *type == '\t')
                type++;
        return strncasecmp(type, name, len) == 0 && (type[len] == '\0' || strchr("; \t", type[len]) != NULL);
}

/* Line ends become LF; what XML forbids becomes U+FFFD. The bytes are UTF-8. */
static void
put_clean(struct buf *out, const char *bytes, size_t len)
{
        size_t done = 0; /* what stands behind it, up to i, is put as it is */
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)bytes[i];
                bool is_return = c == '\r', is_control = c < 0x20 && c != '\t' && c != '\n';
                bool is_no_character = c == 0xef && len - i >= 3 && (unsigned char)bytes[i + 1] == 0xbf &&
                        (unsigned char)bytes[i + 2] >= 0xbe; /* U+FFFE and U+FFFF */
                if (!is_control && !is_no_character)
                        continue;
                buf_put(out, bytes + done, i - done);
                if (!is_return)
                        put_character(out, 0xfffd);
                else if (i + 1 >= len || bytes[i + 1] != '\n')
                        buf_putc(out, '\n');
                i += is_no_character ? 2 : 0;
                done = i + 1;
        }
        if (done < len)
                buf_put(out, bytes + done, len - done);
}

static enum text_verdict
reduce_plain(struct buf *out, const char *type, const char *bytes, size_t len)
{
        char charset[40] = "";
        struct buf text = { 0 };
        mime_parameter(type, "charset", charset, sizeof(charset));
        bool fine = charset_convert(&text, charset, bytes, len);
        if (fine)
                put_clean(out, buf_data(&text), text.len);
        buf_free(&text);
        return fine ? TEXT_FINE : TEXT_BAD;
}

static enum text_verdict
reduce_html(struct buf *out, const char *type, const char *bytes, size_t len)
{
        struct buf html = { 0 }, text = { 0 };
        enum text_verdict verdict = reduce_plain(&html, type, bytes, len);
        if (verdict == TEXT_FINE) {
                html_reduce(&text, buf_data(&html), html.len);
                put_clean(out, buf_data(&text), text.len);
        }
        buf_free(&html);
        buf_free(&text);
        return verdict;
}

static enum text_verdict
reduce_rtf(struct buf *out, const char *type, const char *bytes, size_t len)
{
        struct buf text = { 0 };
        rtf_reduce(&text, bytes, len);
        put_clean(out, buf_data(&text), text.len);
        buf_free(&text);
        return TEXT_FINE;
}

/* clang-format off */
static const struct {
        const char *type;
        enum text_verdict (*reduce)(struct buf *, const char *, const char *, size_t);
        enum text_verdict verdict; /* where there is nothing to reduce */
} rules[] = {
        { "text/plain",                    reduce_plain, TEXT_FINE      },
        { "text/html",                     reduce_html,  TEXT_FINE      },
        { "text/rtf",                      reduce_rtf,   TEXT_FINE      },
        { "application/rtf",               reduce_rtf,   TEXT_FINE      },
        { "application/im-iscomposing+xml", NULL,        TEXT_COMPOSING },
        { "application/ms-imdn+xml",       NULL,         TEXT_NOTHING   },
};
/* clang-format on */

enum text_verdict
part_reduce(struct buf *out, const char *type, const char *bytes, size_t len, int level)
{
        if (strncasecmp(type, "multipart/", 10) == 0)
                return multipart_reduce(out, type, bytes, len, level);
        if (text_type_is(type, "message/cpim"))
                return cpim_reduce(out, bytes, len, level);
        for (size_t i = 0; i < array_len(rules); i++)
                if (text_type_is(type, rules[i].type))
                        return rules[i].reduce == NULL ? rules[i].verdict : rules[i].reduce(out, type, bytes, len);
        return TEXT_UNSUPPORTED;
}

enum text_verdict
text_reduce(struct buf *out, const char *type, const char *bytes, size_t len)
{
        if (len == 0)
                return TEXT_FINE;
        if (type == NULL)
                return TEXT_BAD;
        while (*type == ' ' || *type == '\t')
                type++;
        size_t before = out->len;
        enum text_verdict verdict = part_reduce(out, type, bytes, len, 1);
        if (verdict == TEXT_FINE && out->len - before > TEXT_MAX)
                verdict = TEXT_TOO_LARGE;
        return verdict;
}

void
text_to_wire(struct buf *out, const char *text, size_t len)
{
        const char *end = text + len;
        for (const char *line = text, *feed; line < end; line = feed + 1) {
                feed = memchr(line, '\n', (size_t)(end - line));
                if (feed == NULL) {
                        buf_put(out, line, (size_t)(end - line));
                        break;
                }
                buf_put(out, line, (size_t)(feed - line));
                buf_puts(out, feed > text && feed[-1] == '\r' ? "\n" : "\r\n");
        }
}

/* <status status="type"/> in KeyboardActivity, without a namespace. */
static bool
read_keyboard(const struct element *root, bool *typing)
{
        struct element *status = element_child(root, "status", NULL);
        const char *value = status == NULL ? NULL : element_attribute(status, "status");
        if (value == NULL)
                return false;
        *typing = strcasecmp(value, "type") == 0;
        return *typing || strcasecmp(value, "idle") == 0;
}

static bool
read_composing(const struct element *root, struct arena *arena, bool *typing, unsigned *refresh)
{
        struct element *state = element_child(root, "state", NULL), *seconds = element_child(root, "refresh", NULL);
        if (state == NULL)
                return false;
        const char *text = element_text(state, arena);
        while (isspace((unsigned char)*text))
                text++;
        *typing = strncmp(text, "active", 6) == 0;
        int64_t number = seconds == NULL ? -1 : text_number(element_text(seconds, arena), 3600);
        if (number >= 60) /* RFC 3994 3.2: anything shorter counts as 60 */
                *refresh = (unsigned)number;
        else if (number >= 0)
                *refresh = 60;
        return true;
}

bool
text_typing(const char *bytes, size_t len, bool *typing, unsigned *refresh)
{
        static const struct xml_limits limits = { .stanza_bytes = 8192, .depth = 8, .attributes = 16 };
        struct arena *arena = NULL;
        enum xml_problem problem;
        bool said = false;
        *refresh = 120;
        struct element *root = len > 8192 ? NULL : xml_parse_document(bytes, len, &limits, &arena, &problem);
        if (root != NULL && text_equal(root->name, "KeyboardActivity"))
                said = read_keyboard(root, typing);
        else if (root != NULL && text_equal(root->name, "isComposing"))
                said = read_composing(root, arena, typing, refresh);
        arena_free(&arena);
        return said;
}
