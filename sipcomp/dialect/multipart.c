/*
 * multipart.c - MIME bodies taken apart (RFC 2046, RFC 2045 6): the part that is plain text, else HTML, else RTF
 *
 * Written for what really comes: parts without headers, boundary lines with trailing blanks, no closing boundary.
 */
#include "sipcomp/dialect/text_private.h"

#include "shared/base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct part {
        char type[256];
        char encoding[24];
        const char *body;
        size_t len;
};

bool
mime_parameter(const char *value, const char *name, char *out, size_t size)
{
        size_t name_len = strlen(name);
        bool quoted = false;
        for (const char *c = value; *c != '\0'; c++) {
                if (quoted && *c == '\\' && c[1] != '\0') {
                        c++;
                        continue;
                }
                if (*c == '"')
                        quoted = !quoted;
                if (*c != ';' || quoted)
                        continue;
                const char *at = c + 1;
                while (isspace((unsigned char)*at))
                        at++;
                if (strncasecmp(at, name, name_len) != 0)
                        continue;
                at += name_len;
                while (*at == ' ' || *at == '\t')
                        at++;
                if (*at++ != '=')
                        continue;
                while (*at == ' ' || *at == '\t')
                        at++;
                size_t n = 0;
                bool in_quotes = *at == '"';
                if (in_quotes)
                        at++;
                for (; *at != '\0' && (in_quotes ? *at != '"' : *at != ';' && !isspace((unsigned char)*at)); at++) {
                        if (in_quotes && *at == '\\' && at[1] != '\0')
                                at++;
                        if (n + 1 >= size)
                                return false;
                        out[n++] = *at;
                }
                out[n] = '\0';
                return true;
        }
        return false;
}

/* One line without its end; *next is where the following one starts. */
static size_t
line_len(const char *bytes, size_t len, size_t at, size_t *next)
{
        const char *end = memchr(bytes + at, '\n', len - at);
        size_t stop = end == NULL ? len : (size_t)(end - bytes);
        *next = end == NULL ? len : stop + 1;
        if (stop > at && bytes[stop - 1] == '\r')
                stop--;
        return stop - at;
}

static void
take_header(struct part *part, const char *line, size_t len)
{
        const char *colon = memchr(line, ':', len);
        if (colon == NULL)
                return;
        size_t name = (size_t)(colon - line), value = name + 1;
        while (value < len && isspace((unsigned char)line[value]))
                value++;
        char *to = NULL;
        size_t room = 0;
        if (name == 12 && strncasecmp(line, "Content-Type", 12) == 0) {
                to = part->type;
                room = sizeof(part->type);
        } else if (name == 25 && strncasecmp(line, "Content-Transfer-Encoding", 25) == 0) {
                to = part->encoding;
                room = sizeof(part->encoding);
        }
        if (to == NULL || len - value >= room)
                return;
        memcpy(to, line + value, len - value);
        to[len - value] = '\0';
        for (size_t end = len - value; end > 0 && isspace((unsigned char)to[end - 1]);)
                to[--end] = '\0';
}

/* Headers up to the empty line; where the first line is no header, all of it is body. */
static void
read_part(struct part *part, const char *bytes, size_t len)
{
        *part = (struct part){ .type = "text/plain", .body = bytes, .len = len };
        for (size_t at = 0, next; at < len; at = next) {
                size_t line = line_len(bytes, len, at, &next);
                if (line == 0) {
                        part->body = bytes + next;
                        part->len = len - next;
                        return;
                }
                const char *colon = memchr(bytes + at, ':', line);
                bool folded = at > 0 && (bytes[at] == ' ' || bytes[at] == '\t');
                if (!folded && (colon == NULL || memchr(bytes + at, ' ', (size_t)(colon - (bytes + at))) != NULL))
                        return;
                if (!folded)
                        take_header(part, bytes + at, line);
        }
        part->body = bytes + len;
        part->len = 0;
}

static int
base64_digit(char c)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c == '\0' ? NULL : strchr(digits, c);
        return at == NULL ? -1 : (int)(at - digits);
}

static bool
decode_base64(struct buf *out, const char *bytes, size_t len)
{
        unsigned long bits = 0;
        int have = 0;
        for (size_t i = 0; i < len && bytes[i] != '='; i++) {
                if (isspace((unsigned char)bytes[i]))
                        continue;
                int digit = base64_digit(bytes[i]);
                if (digit < 0)
                        return false;
                bits = (bits << 6 | (unsigned long)digit) & 0xffffff;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        buf_putc(out, (char)(bits >> have & 0xff));
                }
        }
        return true;
}

static int
hex_value(char c)
{
        return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static void
decode_quoted(struct buf *out, const char *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (bytes[i] != '=') {
                        buf_putc(out, bytes[i]);
                } else if (len - i > 2 && hex_value(bytes[i + 1]) >= 0 && hex_value(bytes[i + 2]) >= 0) {
                        buf_putc(out, (char)(hex_value(bytes[i + 1]) * 16 + hex_value(bytes[i + 2])));
                        i += 2;
                } else if (len - i > 1 && bytes[i + 1] == '\n') {
                        i++;
                } else if (len - i > 2 && bytes[i + 1] == '\r' && bytes[i + 2] == '\n') {
                        i += 2;
                }
        }
}

static enum text_verdict
reduce_part(struct buf *out, const struct part *part, int level)
{
        struct buf plain = { 0 };
        enum text_verdict verdict;
        if (strcasecmp(part->encoding, "base64") == 0) {
                verdict = !decode_base64(&plain, part->body, part->len)
                        ? TEXT_BAD
                        : part_reduce(out, part->type, buf_data(&plain), plain.len, level);
        } else if (strcasecmp(part->encoding, "quoted-printable") == 0) {
                decode_quoted(&plain, part->body, part->len);
                verdict = part_reduce(out, part->type, buf_data(&plain), plain.len, level);
        } else {
                verdict = part_reduce(out, part->type, part->body, part->len, level);
        }
        buf_free(&plain);
        return verdict;
}

/* How much we like a part: plain before a multipart before HTML before RTF. */
static int
rank_of(const char *type)
{
        return text_type_is(type, "text/plain")            ? 4
                : strncasecmp(type, "multipart/", 10) == 0 ? 3
                : text_type_is(type, "text/html")          ? 2
                : text_type_is(type, "text/rtf")           ? 1
                                                           : 0;
}

/* A line that is "--boundary", maybe with "--" and blanks behind: 1 between parts, 2 the last, 0 none. */
static int
boundary_kind(const char *line, size_t len, const char *boundary, size_t boundary_len)
{
        if (len < 2 + boundary_len || line[0] != '-' || line[1] != '-' || memcmp(line + 2, boundary, boundary_len) != 0)
                return 0;
        size_t at = 2 + boundary_len;
        int kind = 1;
        if (len - at >= 2 && line[at] == '-' && line[at + 1] == '-') {
                kind = 2;
                at += 2;
        }
        for (; at < len; at++)
                if (line[at] != ' ' && line[at] != '\t')
                        return 0;
        return kind;
}

/* Gives each part to visit, in order; how many there were, or -1 where it is no multipart or has too many. */
static int
visit_parts(const char *type, const char *bytes, size_t len, void (*visit)(void *owner, const struct part *part), void *owner)
{
        char boundary[80];
        if (!mime_parameter(type, "boundary", boundary, sizeof(boundary)) || boundary[0] == '\0')
                return -1;
        size_t boundary_len = strlen(boundary), start = 0;
        bool inside = false, done = false;
        int parts = 0;
        for (size_t at = 0, next; !done; at = next) {
                size_t line = line_len(bytes, len, at, &next);
                int kind = boundary_kind(bytes + at, line, boundary, boundary_len);
                done = kind == 2 || next >= len;
                if (kind == 0 && !done)
                        continue;
                if (inside) {
                        struct part part;
                        size_t end = kind == 0 ? len : at; /* the line end before a boundary belongs to it */
                        if (kind != 0 && end > start && bytes[end - 1] == '\n')
                                end--;
                        if (kind != 0 && end > start && bytes[end - 1] == '\r')
                                end--;
                        if (++parts > TEXT_PARTS_MAX)
                                return -1;
                        read_part(&part, bytes + start, end - start);
                        visit(owner, &part);
                }
                inside = kind == 1;
                start = next;
        }
        return parts;
}

static void
keep_best(void *owner, const struct part *part)
{
        struct part *best = owner;
        if (rank_of(part->type) > rank_of(best->type))
                *best = *part;
}

enum text_verdict
multipart_reduce(struct buf *out, const char *type, const char *bytes, size_t len, int level)
{
        struct part best = { .len = 0 };
        if (level > TEXT_LEVELS_MAX || visit_parts(type, bytes, len, keep_best, &best) <= 0)
                return TEXT_BAD;
        return rank_of(best.type) == 0 ? TEXT_UNSUPPORTED : reduce_part(out, &best, level + 1);
}

struct search {
        const char *type;
        text_part *take;
        void *owner;
};

static void
take_if_wanted(void *owner, const struct part *part)
{
        const struct search *search = owner;
        if (text_type_is(part->type, search->type))
                search->take(search->owner, part->body, part->len);
}

bool
text_parts(const char *type, const char *bytes, size_t len, const char *wanted, text_part *take, void *owner)
{
        struct search search = { wanted, take, owner };
        return visit_parts(type, bytes, len, take_if_wanted, &search) > 0;
}

enum text_verdict
cpim_reduce(struct buf *out, const char *bytes, size_t len, int level)
{
        struct part part;
        size_t at = 0, next = 0;
        if (level > TEXT_LEVELS_MAX)
                return TEXT_BAD;
        while (at < len && line_len(bytes, len, at, &next) > 0)
                at = next;
        if (at >= len)
                return TEXT_BAD;
        read_part(&part, bytes + next, len - next);
        return reduce_part(out, &part, level + 1);
}
