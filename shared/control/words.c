/*
 * words.c - a line of words as a shell would split it, and back
 */
#include "shared/control/words.h"

#include <string.h>

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

/* Takes one word from *at, which is at its first byte, and writes it to *out, which never overtakes *at. False: a quote is not closed. */
static bool
take_word(const char **at, const char *end, char **out)
{
        char quote = '\0';

        for (; *at < end && (quote != '\0' || !is_blank(**at)); (*at)++) {
                char c = **at;
                if (quote == '\0' && (c == '\'' || c == '"')) {
                        quote = c;
                } else if (c == quote && quote != '\0') {
                        quote = '\0';
                } else if (c == '\\' && quote != '\'') {
                        if (++*at == end)
                                return false;
                        *(*out)++ = **at;
                } else {
                        *(*out)++ = c;
                }
        }
        return quote == '\0';
}

char **
words_split(struct arena *arena, const char *line, size_t len, size_t max, int *count, struct err *err)
{
        const char *at = line, *end = line + len;
        size_t room = 16, used = 0;
        char **words = arena_alloc(arena, room * sizeof(*words));
        /* Each word is shorter than what it is made of and needs one byte for its end. */
        char *out = arena_alloc(arena, len + 2);

        if (memchr(line, '\0', len) != NULL) {
                err_set(err, "a command holds no NUL");
                return NULL;
        }
        for (;;) {
                while (at < end && is_blank(*at))
                        at++;
                if (at == end)
                        break;
                if (used == max) {
                        err_set(err, "a command has at most %zu words", max);
                        return NULL;
                }
                if (used + 2 > room) {
                        char **more = arena_alloc(arena, room * 2 * sizeof(*words));
                        memcpy(more, words, used * sizeof(*words));
                        words = more;
                        room *= 2;
                }
                words[used++] = out;
                if (!take_word(&at, end, &out)) {
                        err_set(err, "a quote is not closed");
                        return NULL;
                }
                *out++ = '\0';
        }
        *count = (int)used;
        return words;
}

bool
words_quote(struct buf *out, const char *word)
{
        if (strchr(word, '\n') != NULL)
                return false;
        buf_putc(out, '\'');
        for (const char *quote; (quote = strchr(word, '\'')) != NULL; word = quote + 1) {
                buf_put(out, word, (size_t)(quote - word));
                buf_puts(out, "'\\''");
        }
        buf_puts(out, word);
        buf_putc(out, '\'');
        return true;
}
