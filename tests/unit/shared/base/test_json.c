/* test_json.c - JSON, written and read */
#include "shared/base/json.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
writes_objects_arrays_and_escapes(void **state)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        json_open_object(&json, NULL);
        json_put_text(&json, "name", "a \"quoted\"\n\\ text \x01");
        json_put_text(&json, "none", NULL);
        json_put_text(&json, "broken", "\xff");
        json_open_array(&json, "list");
        json_put_number(&json, NULL, -5);
        json_put_bool(&json, NULL, true);
        json_open_object(&json, NULL);
        json_close_object(&json);
        json_close_array(&json);
        json_close_object(&json);
        assert_string_equal(buf_text(&out), "{\"name\":\"a \\\"quoted\\\"\\u000a\\\\ text \\u0001\",\"none\":null,"
                                            "\"broken\":\"\xef\xbf\xbd\",\"list\":[-5,true,{}]}");
        buf_free(&out);
}

/* On the heap and without terminator, so that a look beyond the end is seen. */
static struct json *
parse(struct arena *arena, const char *text, struct err *err)
{
        size_t len = strlen(text);
        char *bytes = malloc(len > 0 ? len : 1);
        memcpy(bytes, text, len);
        struct json *json = json_parse(arena, bytes, len, err);
        free(bytes);
        return json;
}

static void
reads_what_it_wrote_and_what_others_write(void **state)
{
        struct arena *arena = arena_new(256);
        const struct json *json = parse(arena, " { \"jid\" : \"j\\u00fcr\\u0067en\\ud83d\\ude00\\/\" , \"n\": 42, \"m\":-7, \"e\":1e3, \"a\":[ ] } \n", NULL);

        assert_non_null(json);
        assert_string_equal(json_member_text(json, "jid"), "j\xc3\xbcrgen\xf0\x9f\x98\x80/");
        assert_int_equal(json_member_number(json, "n", -1), 42);
        assert_int_equal(json_member_number(json, "m", -1), -7);
        assert_int_equal(json_member_number(json, "e", -1), -1);
        assert_int_equal(json_member_number(json, "jid", -1), -1);
        assert_int_equal(json_member(json, "a")->kind, JSON_ARRAY);
        assert_null(json_member(json, "b"));
        assert_null(json_member_text(json, "n"));
        arena_free(&arena);
}

static void
refuses_what_is_not_json_and_says_where(void **state)
{
        static const char *const bad[] = { "", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "\"", "\"\\", "\"\\u12\"", "\"\\ud800\"",
                "\"\\u0000\"", "\"\\x\"", "\"\n\"", "\"\xff\"", "01", "-", "1.", "1e", "tru", "nullx", "1 1", "]", "+1" };
        struct err err;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct arena *arena = arena_new(64);
                if (parse(arena, bad[i], &err) != NULL)
                        fail_msg("taken: %s", bad[i]);
                assert_int_equal(strncmp(err.text, "at byte ", 8), 0);
                arena_free(&arena);
        }
}

static void
refuses_too_many_levels(void **state)
{
        struct arena *arena = arena_new(64);
        char deep[20001];

        memset(deep, '[', 20000);
        deep[20000] = '\0';
        assert_null(parse(arena, deep, NULL));
        arena_free(&arena);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_objects_arrays_and_escapes),
                cmocka_unit_test(reads_what_it_wrote_and_what_others_write),
                cmocka_unit_test(refuses_what_is_not_json_and_says_where),
                cmocka_unit_test(refuses_too_many_levels),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
