/*
 * lexer.c - bytes of a configuration file become words, strings and signs
 *
 * Words are bare or in quotes; "#", "//" and the C comment are comments. A string ends on the line where it began: a quote that was
 * forgotten is then found where it is missing, not at the end of the file.
 */
#include "shared/config/config_private.h"

#include "shared/base/text.h"

#include <string.h>

static void
complain_here(struct lexer *lexer, int line, const char *what)
{
        struct place place = { lexer->source, line };

        lexer->reading->bad_syntax = true;
        if (!lexer->skipping)
                complain_error(lexer->reading, place, "%s", what);
}

static bool
looking_at(const struct lexer *lexer, const char *text)
{
        size_t len = strlen(text);
        return (size_t)(lexer->end - lexer->at) >= len && memcmp(lexer->at, text, len) == 0;
}

static void
skip_line(struct lexer *lexer)
{
        while (lexer->at < lexer->end && *lexer->at != '\n')
                lexer->at++;
}

static void
skip_comment(struct lexer *lexer)
{
        int began = lexer->line;

        for (lexer->at += 2; lexer->at < lexer->end; lexer->at++) {
                if (looking_at(lexer, "*/")) {
                        lexer->at += 2;
                        return;
                }
                if (*lexer->at == '\n')
                        lexer->line++;
        }
        complain_here(lexer, began, "the comment that begins here is not closed: \"*/\" is missing");
}

static void
skip_blanks(struct lexer *lexer)
{
        while (lexer->at < lexer->end) {
                char c = *lexer->at;
                if (c == '\n') {
                        lexer->line++;
                        lexer->at++;
                } else if (c == ' ' || c == '\t' || c == '\r') {
                        lexer->at++;
                } else if (c == '#' || looking_at(lexer, "//")) {
                        skip_line(lexer);
                } else if (looking_at(lexer, "/*")) {
                        skip_comment(lexer);
                } else {
                        return;
                }
        }
}

static bool
is_word_byte(const struct lexer *lexer)
{
        unsigned char c = (unsigned char)*lexer->at;
        return c > ' ' && c != 0x7f && strchr("\"'#{}()=,;", c) == NULL && !looking_at(lexer, "+=");
}

static struct token
bad(struct lexer *lexer, int line, const char *what)
{
        complain_here(lexer, line, what);
        return (struct token){ .kind = TOKEN_BAD, .line = line };
}

/* Checks and keeps what was gathered. */
static struct token
finish(struct lexer *lexer, enum token_kind kind, const char *bytes, size_t len)
{
        if (len > WORD_MAX)
                return bad(lexer, lexer->line, "a word is longer than 16384 bytes");
        if (!text_is_utf8(bytes, len))
                return bad(lexer, lexer->line, "a word is not valid UTF-8");
        return (struct token){ .kind = kind, .line = lexer->line, .text = arena_strndup(lexer->reading->arena, bytes, len) };
}

static int
hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After a backslash. Returns the byte meant, or -1. */
static int
take_escape(struct lexer *lexer)
{
        static const char names[] = "ntre\\\"'", bytes[] = "\n\t\r\033\\\"'";

        if (lexer->at == lexer->end)
                return -1;
        char c = *lexer->at++;
        const char *name = c != '\0' ? strchr(names, c) : NULL;
        if (name != NULL)
                return bytes[name - names];
        if (c != 'x' || lexer->end - lexer->at < 2)
                return -1;
        int high = hex_digit(lexer->at[0]), low = hex_digit(lexer->at[1]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -1;
        lexer->at += 2;
        return high * 16 + low;
}

static struct token
take_string(struct lexer *lexer)
{
        struct buf text = { 0 };
        struct token token;
        char quote = *lexer->at++;

        for (;;) {
                if (lexer->at == lexer->end || *lexer->at == '\n') {
                        token = bad(lexer, lexer->line, "the string that begins on this line is not closed: a quote is missing");
                        goto out;
                }
                char c = *lexer->at++;
                if (c == quote)
                        break;
                if (c == '\\' && quote == '"') {
                        int byte = take_escape(lexer);
                        if (byte < 0) {
                                token = bad(lexer, lexer->line,
                                        "unknown escape in a string: \\n \\t \\r \\e \\\" \\\\ and \\xHH exist; a backslash is written \\\\");
                                skip_line(lexer);
                                goto out;
                        }
                        c = (char)byte;
                } else if ((unsigned char)c < ' ' && c != '\t') {
                        token = bad(lexer, lexer->line, "control character in a string");
                        skip_line(lexer);
                        goto out;
                }
                buf_putc(&text, c);
        }
        token = finish(lexer, TOKEN_STRING, text.len > 0 ? buf_data(&text) : "", text.len);
out:
        buf_free(&text);
        return token;
}

static struct token
take_word(struct lexer *lexer)
{
        const char *start = lexer->at;

        while (lexer->at < lexer->end && is_word_byte(lexer))
                lexer->at++;
        if (lexer->at > start)
                return finish(lexer, TOKEN_WORD, start, (size_t)(lexer->at - start));
        lexer->at++;
        return bad(lexer, lexer->line, "control character");
}

struct token
lexer_next(struct lexer *lexer)
{
        static const char signs[] = "={}(),;";
        static const enum token_kind kinds[] = { TOKEN_EQUALS, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_PAREN_OPEN, TOKEN_PAREN_CLOSE,
                TOKEN_COMMA, TOKEN_SEMICOLON };

        skip_blanks(lexer);
        struct token token = { .kind = TOKEN_END, .line = lexer->line };
        if (lexer->at == lexer->end)
                return token;

        char c = *lexer->at;
        if (c == '"' || c == '\'')
                return take_string(lexer);
        if (looking_at(lexer, "+=")) {
                lexer->at += 2;
                token.kind = TOKEN_PLUS_EQUALS;
                return token;
        }
        const char *sign = c != '\0' ? strchr(signs, c) : NULL;
        if (sign == NULL)
                return take_word(lexer);
        lexer->at++;
        token.kind = kinds[sign - signs];
        return token;
}
