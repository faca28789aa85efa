/* Lines of words: split as a shell does, and put together again. */
#include "shared/control/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
splits_as_a_shell_does(void **state)
{
        static const struct {
                const char *line, *words[4];
        } cases[] = {
                { "", { NULL } },
                { "  \t ", { NULL } },
                { "status", { "status" } },
                { " user  add\tx\r", { "user", "add", "x" } },
                { "'a b' \"c d\" e\\ f", { "a b", "c d", "e f" } },
                { "'' \"\"", { "", "" } },
                { "a'b'\"c\"", { "abc" } },
                { "'\\' \"\\\"\\\\\"", { "\\", "\"\\" } },
                { "'it'\\''s'", { "it's" } },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct arena *arena = arena_new(256);
                struct err err;
                int count = -1;
                char **words = words_split(arena, cases[i].line, strlen(cases[i].line), 10, &count, &err);
                assert_non_null(words);
                for (int w = 0; w < 4 && (w == 0 || cases[i].words[w - 1] != NULL); w++) {
                        if (cases[i].words[w] == NULL)
                                assert_null(words[w]);
                        else
                                assert_string_equal(words[w], cases[i].words[w]);
                }
                arena_free(&arena);
        }
}

static void
refuses_open_quotes_and_too_many_words(void **state)
{
        static const char *const bad[] = { "'a", "\"a", "a\\", "\"a\\\"", "1 2 3 4 5 6 7 8 9 10 11" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct arena *arena = arena_new(256);
                struct err err;
                int count;
                assert_null(words_split(arena, bad[i], strlen(bad[i]), 10, &count, &err));
                arena_free(&arena);
        }
        struct arena *arena = arena_new(256);
        struct err err;
        int count;
        assert_null(words_split(arena, "a\0b", 3, 10, &count, &err));
        arena_free(&arena);
}

static void
takes_as_many_words_as_are_allowed(void **state)
{
        struct buf line = { 0 };
        struct arena *arena = arena_new(256);
        struct err err;
        int count;

        for (int i = 0; i < 1000; i++)
                buf_puts(&line, "w ");
        char **words = words_split(arena, buf_data(&line), line.len, 1000, &count, &err);
        assert_int_equal(count, 1000);
        assert_string_equal(words[999], "w");
        assert_null(words[1000]);
        arena_free(&arena);
        buf_free(&line);
}

static void
quotes_so_that_splitting_gives_the_word_back(void **state)
{
        static const char *const words[] = { "", "a", "a b", "it's", "'", "\"\\", "{\"jid\":\"a@b\"}", "\xc3\xa9" };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                struct buf line = { 0 };
                struct arena *arena = arena_new(256);
                struct err err;
                int count;
                assert_true(words_quote(&line, words[i]));
                char **back = words_split(arena, buf_data(&line), line.len, 10, &count, &err);
                assert_int_equal(count, 1);
                assert_string_equal(back[0], words[i]);
                arena_free(&arena);
                buf_free(&line);
        }
        struct buf line = { 0 };
        assert_false(words_quote(&line, "a\nb"));
        buf_free(&line);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(splits_as_a_shell_does),
                cmocka_unit_test(refuses_open_quotes_and_too_many_words),
                cmocka_unit_test(takes_as_many_words_as_are_allowed),
                cmocka_unit_test(quotes_so_that_splitting_gives_the_word_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
