/*
 * json.c - JSON, written and read
 */
#include "shared/base/json.h"

#include "shared/base/text.h"

#include <inttypes.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

static void
put_quoted(struct buf *out, const char *text)
{
        buf_putc(out, '"');
        for (; *text != '\0'; text++) {
                unsigned char c = (unsigned char)*text;
                if (c == '"' || c == '\\')
                        buf_printf(out, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        buf_printf(out, "\\u%04x", c);
                else
                        buf_putc(out, (char)c);
        }
        buf_putc(out, '"');
}

static void
put_key(struct json_writer *json, const char *key)
{
        if (json->is_behind_value)
                buf_putc(json->out, ',');
        json->is_behind_value = true;
        if (key != NULL) {
                put_quoted(json->out, key);
                buf_putc(json->out, ':');
        }
}

static void
open_with(struct json_writer *json, const char *key, char bracket)
{
        put_key(json, key);
        buf_putc(json->out, bracket);
        json->is_behind_value = false;
}

static void
close_with(struct json_writer *json, char bracket)
{
        buf_putc(json->out, bracket);
        json->is_behind_value = true;
}

void
json_open_object(struct json_writer *json, const char *key)
{
        open_with(json, key, '{');
}

void
json_close_object(struct json_writer *json)
{
        close_with(json, '}');
}

void
json_open_array(struct json_writer *json, const char *key)
{
        open_with(json, key, '[');
}

void
json_close_array(struct json_writer *json)
{
        close_with(json, ']');
}

void
json_put_text(struct json_writer *json, const char *key, const char *text)
{
        put_key(json, key);
        if (text == NULL)
                buf_puts(json->out, "null");
        else
                put_quoted(json->out, text_is_utf8(text, strlen(text)) ? text : "\xef\xbf\xbd");
}

void
json_put_number(struct json_writer *json, const char *key, int64_t number)
{
        put_key(json, key);
        buf_printf(json->out, "%" PRId64, number);
}

void
json_put_bool(struct json_writer *json, const char *key, bool truth)
{
        put_key(json, key);
        buf_puts(json->out, truth ? "true" : "false");
}

struct reader {
        struct arena *arena;
        const char *start, *at, *end;
        const char *problem;
};

static struct json *read_value(struct reader *reader, int depth);

static void *
stumble(struct reader *reader, const char *problem)
{
        if (reader->problem == NULL)
                reader->problem = problem;
        return NULL;
}

static void
skip_space(struct reader *reader)
{
        while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != '\0')
                reader->at++;
}

/* Takes the character if it comes next. */
static bool
take(struct reader *reader, char c)
{
        skip_space(reader);
        if (reader->at >= reader->end || *reader->at != c)
                return false;
        reader->at++;
        return true;
}

/* Four hex digits; -1 if they are not there. */
static int32_t
read_hex(struct reader *reader)
{
        int32_t number = 0;

        if (reader->end - reader->at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                const char *digits = "0123456789abcdef", c = (char)(reader->at[i] | 0x20);
                const char *digit = c == ' ' ? NULL : strchr(digits, c);
                if (digit == NULL || *digit == '\0')
                        return -1;
                number = number << 4 | (int32_t)(digit - digits);
        }
        reader->at += 4;
        return number;
}

static void
put_utf8(struct buf *out, uint32_t c)
{
        if (c < 0x80) {
                buf_putc(out, (char)c);
        } else if (c < 0x800) {
                buf_putc(out, (char)(0xc0 | c >> 6));
                buf_putc(out, (char)(0x80 | (c & 63)));
        } else if (c < 0x10000) {
                buf_putc(out, (char)(0xe0 | c >> 12));
                buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
                buf_putc(out, (char)(0x80 | (c & 63)));
        } else {
                buf_putc(out, (char)(0xf0 | c >> 18));
                buf_putc(out, (char)(0x80 | (c >> 12 & 63)));
                buf_putc(out, (char)(0x80 | (c >> 6 & 63)));
                buf_putc(out, (char)(0x80 | (c & 63)));
        }
}

/* Behind "\u": one code point, of two escapes where the first is a high surrogate. */
static bool
read_code_point(struct reader *reader, struct buf *out)
{
        int32_t c = read_hex(reader);

        if (c >= 0xd800 && c < 0xdc00) {
                if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u')
                        return false;
                reader->at += 2;
                int32_t low = read_hex(reader);
                if (low < 0xdc00 || low > 0xdfff)
                        return false;
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        } else if (c <= 0 || (c >= 0xdc00 && c <= 0xdfff)) {
                return false;
        }
        put_utf8(out, (uint32_t)c);
        return true;
}

static bool
read_escape(struct reader *reader, struct buf *out)
{
        static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";

        if (reader->at >= reader->end)
                return false;
        char c = *reader->at++;
        if (c == 'u')
                return read_code_point(reader, out);
        const char *name = c == '\0' ? NULL : strchr(names, c);
        if (name == NULL)
                return false;
        buf_putc(out, meant[name - names]);
        return true;
}

/* Behind the opening quote. */
static const char *
read_text(struct reader *reader)
{
        struct buf text = { 0 };
        const char *copy = NULL;

        while (reader->at < reader->end && *reader->at != '"') {
                unsigned char c = (unsigned char)*reader->at++;
                if (c < 0x20 || (c == '\\' && !read_escape(reader, &text))) {
                        stumble(reader, c < 0x20 ? "a control character inside a text" : "an escape that is none");
                        goto out;
                }
                if (c != '\\')
                        buf_putc(&text, (char)c);
        }
        if (reader->at >= reader->end)
                stumble(reader, "a text without its closing quote");
        else if (!text_is_utf8(text.len > 0 ? buf_data(&text) : "", text.len))
                stumble(reader, "a text that is not UTF-8");
        else
                copy = arena_strndup(reader->arena, text.len > 0 ? buf_data(&text) : "", text.len);
        reader->at++;
out:
        buf_free(&text);
        return copy;
}

static struct json *
read_members(struct reader *reader, struct json *value, char closing, int depth)
{
        struct json **last = &value->first;

        if (take(reader, closing))
                return value;
        do {
                const char *key = NULL;
                if (closing == '}') {
                        if (!take(reader, '"'))
                                return stumble(reader, "a name in quotes is expected");
                        key = read_text(reader);
                        if (key == NULL)
                                return NULL;
                        if (!take(reader, ':'))
                                return stumble(reader, "a colon is expected");
                }
                *last = read_value(reader, depth + 1);
                if (*last == NULL)
                        return NULL;
                (*last)->key = key;
                last = &(*last)->next;
        } while (take(reader, ','));
        return take(reader, closing) ? value
                                     : stumble(reader, closing == '}' ? "a comma or } is expected" : "a comma or ] is expected");
}

static size_t
count_digits(const char *at, const char *end)
{
        size_t n = 0;
        while (at + n < end && at[n] >= '0' && at[n] <= '9')
                n++;
        return n;
}

/* The grammar of RFC 8259, 6; whole numbers are converted too. */
static struct json *
read_number(struct reader *reader, struct json *value)
{
        const char *from = reader->at, *at = from, *end = reader->end;
        bool is_whole = true;

        if (at < end && *at == '-')
                at++;
        size_t digits = count_digits(at, end);
        if (digits == 0 || (digits > 1 && *at == '0'))
                return stumble(reader, "a value is expected");
        at += digits;
        if (at < end && *at == '.') {
                is_whole = false;
                digits = count_digits(++at, end);
                if (digits == 0)
                        return stumble(reader, "a digit is expected");
                at += digits;
        }
        if (at < end && (*at == 'e' || *at == 'E')) {
                is_whole = false;
                at++;
                if (at < end && (*at == '+' || *at == '-'))
                        at++;
                digits = count_digits(at, end);
                if (digits == 0)
                        return stumble(reader, "a digit is expected");
                at += digits;
        }
        reader->at = at;
        value->kind = JSON_NUMBER;
        value->text = arena_strndup(reader->arena, from, (size_t)(at - from));
        if (is_whole) {
                int64_t number = text_number(value->text + (*value->text == '-'), INT64_MAX);
                value->number = number < 0 ? 0 : *value->text == '-' ? -number : number;
        }
        return value;
}

static struct json *
read_word(struct reader *reader, struct json *value)
{
        static const struct {
                const char *word;
                enum json_kind kind;
        } words[] = { { "null", JSON_NULL }, { "false", JSON_FALSE }, { "true", JSON_TRUE } };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                size_t len = strlen(words[i].word);
                if ((size_t)(reader->end - reader->at) >= len && memcmp(reader->at, words[i].word, len) == 0) {
                        reader->at += len;
                        value->kind = words[i].kind;
                        return value;
                }
        }
        return read_number(reader, value);
}

static struct json *
read_value(struct reader *reader, int depth)
{
        struct json *value = ARENA_NEW(reader->arena, value);

        if (depth > DEPTH_MAX)
                return stumble(reader, "too many levels");
        if (take(reader, '{')) {
                value->kind = JSON_OBJECT;
                return read_members(reader, value, '}', depth);
        }
        if (take(reader, '[')) {
                value->kind = JSON_ARRAY;
                return read_members(reader, value, ']', depth);
        }
        if (take(reader, '"')) {
                value->kind = JSON_TEXT;
                value->text = read_text(reader);
                return value->text == NULL ? NULL : value;
        }
        return read_word(reader, value);
}

struct json *
json_parse(struct arena *arena, const char *text, size_t len, struct err *err)
{
        struct reader reader = { .arena = arena, .start = text, .at = text, .end = text + len };
        struct json *value = read_value(&reader, 0);

        skip_space(&reader);
        if (value != NULL && reader.at < reader.end)
                value = stumble(&reader, "the end is expected");
        if (value == NULL)
                err_set(err, "at byte %zu: %s", (size_t)(reader.at - reader.start), reader.problem);
        return value;
}

const struct json *
json_member(const struct json *object, const char *key)
{
        if (object == NULL || object->kind != JSON_OBJECT)
                return NULL;
        for (const struct json *member = object->first; member != NULL; member = member->next)
                if (strcmp(member->key, key) == 0)
                        return member;
        return NULL;
}

const char *
json_member_text(const struct json *object, const char *key)
{
        const struct json *member = json_member(object, key);
        return member != NULL && member->kind == JSON_TEXT ? member->text : NULL;
}

int64_t
json_member_number(const struct json *object, const char *key, int64_t otherwise)
{
        const struct json *member = json_member(object, key);

        if (member == NULL || member->kind != JSON_NUMBER || strpbrk(member->text, ".eE") != NULL)
                return otherwise;
        return member->number;
}
