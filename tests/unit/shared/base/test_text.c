/* test_text.c - small questions about bytes that should be text */
#include "shared/base/text.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
tells_utf8_from_what_only_looks_like_it(void **state)
{
        static const struct {
                const char *bytes;
                bool utf8, xml;
        } cases[] = {
                { "", true, true },
                { "plain", true, true },
                { "tab\tline\nreturn\r", true, true },
                { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", true, true },
                { "\x7f", true, true },
                { "\x01", true, false }, /* not a character of XML */
                { "\x1f", true, false },
                { "\xef\xbf\xbd", true, true },     /* U+FFFD */
                { "\xef\xbf\xbe", true, false },    /* U+FFFE */
                { "\xef\xbf\xbf", true, false },    /* U+FFFF */
                { "\xed\x9f\xbf", true, true },     /* U+D7FF */
                { "\xee\x80\x80", true, true },     /* U+E000 */
                { "\xf4\x8f\xbf\xbf", true, true }, /* U+10FFFF */
                { "\x80", false, false },           /* a continuation alone */
                { "\xc3", false, false },           /* cut short */
                { "\xc3(", false, false },
                { "\xe2\x82", false, false },
                { "\xf0\x9f\x98", false, false },
                { "\xc0\xaf", false, false }, /* longer than needed */
                { "\xc1\xbf", false, false },
                { "\xe0\x80\xaf", false, false },
                { "\xe0\x9f\xbf", false, false },
                { "\xf0\x8f\xbf\xbf", false, false },
                { "\xed\xa0\x80", false, false }, /* a surrogate */
                { "\xed\xbf\xbf", false, false },
                { "\xf4\x90\x80\x80", false, false }, /* beyond U+10FFFF */
                { "\xf8\x88\x80\x80\x80", false, false },
                { "\xfe", false, false },
                { "\xff", false, false },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                /* On the heap and without terminator, so that a look beyond the end is seen. */
                size_t len = strlen(cases[i].bytes);
                char *bytes = malloc(len > 0 ? len : 1);
                memcpy(bytes, cases[i].bytes, len);
                if (text_is_utf8(bytes, len) != cases[i].utf8 || text_is_xml(bytes, len) != cases[i].xml)
                        fail_msg("case %zu", i);
                free(bytes);
        }
        assert_true(text_is_utf8("a\0b", 3));
        assert_false(text_is_xml("a\0b", 3));
}

static void
compares(void **state)
{
        assert_true(text_equal_nocase("Capulet.EXAMPLE", "capulet.example"));
        assert_false(text_equal_nocase("capulet", "capulet.example"));
        assert_false(text_equal_nocase("capulet.example", "capulet"));
        assert_false(text_equal_nocase("\xc3\x89", "\xc3\xa9"));
        assert_false(text_equal_nocase("@", "`"));
        assert_false(text_equal_nocase("[", "{"));
        assert_true(text_equal_nocase("", ""));
        assert_true(text_equal(NULL, NULL));
        assert_false(text_equal(NULL, ""));
        assert_false(text_equal("", NULL));
        assert_true(text_equal("a", "a"));
        assert_true(text_starts("conference.example", "conf"));
        assert_true(text_starts("a", ""));
        assert_false(text_starts("con", "conf"));
}

static void
reads_numbers_and_nothing_else(void **state)
{
        static const struct {
                const char *text;
                int64_t max, number;
        } cases[] = {
                { "0", 10, 0 },
                { "10", 10, 10 },
                { "11", 10, -1 },
                { "7", 5, -1 },
                { "0000000000000000000000010", 10, 10 },
                { "9223372036854775807", INT64_MAX, INT64_MAX },
                { "9223372036854775808", INT64_MAX, -1 },
                { "99999999999999999999999", INT64_MAX, -1 },
                { "", 10, -1 },
                { "-1", 10, -1 },
                { "+1", 10, -1 },
                { " 1", 10, -1 },
                { "1 ", 10, -1 },
                { "1x", 10, -1 },
                { "0x1", 10, -1 },
                { "1", 0, -1 },
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (text_number(cases[i].text, cases[i].max) != cases[i].number)
                        fail_msg("%s", cases[i].text);
}

static void
writes_and_reads_the_base64_of_rfc_4648(void **state)
{
        static const char *const pairs[][2] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foob", "Zm9vYg==" },
                { "fooba", "Zm9vYmE=" },
                { "foobar", "Zm9vYmFy" },
                { "\xff\xef\xbe", "/+++" },
        };
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
                char out[16];
                size_t len = strlen(pairs[i][0]);
                assert_string_equal(text_base64(out, pairs[i][0], len), pairs[i][1]);
                assert_int_equal(text_base64_size(len), strlen(pairs[i][1]) + 1);
                assert_int_equal(text_unbase64(out, pairs[i][1], strlen(pairs[i][1])), len);
                assert_memory_equal(out, pairs[i][0], len);
        }
}

static void
refuses_base64_that_is_not_exact(void **state)
{
        static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9",
                "Zm9v\n", "Zm9_", "Zm9-", "Z=9v", "Zg=v", "\xc3\xa9==" };
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                char out[16];
                if (text_unbase64(out, bad[i], strlen(bad[i])) != -1)
                        fail_msg("%s", bad[i]);
        }
}

static void
base64_brings_back_any_bytes(void **state)
{
        unsigned char bytes[256], back[258];
        char text[400];
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (unsigned char)(i * 167 + 13);
        for (size_t len = 0; len <= sizeof bytes; len++) {
                text_base64(text, bytes, len);
                assert_int_equal(text_unbase64(back, text, strlen(text)), len);
                assert_memory_equal(back, bytes, len);
        }
}

static void
writes_hex(void **state)
{
        char out[9];
        assert_string_equal(text_hex(out, "\x00\xff\x1a\xa1", 4), "00ff1aa1");
        assert_string_equal(text_hex(out, "", 0), "");
}

static void
places_texts_in_one_block(void **state)
{
        char block[8], *at = block;
        const char *one = text_place(&at, "abc"), *none = text_place(&at, NULL), *two = text_place(&at, "");
        assert_string_equal(one, "abc");
        assert_null(none);
        assert_string_equal(two, "");
        assert_ptr_equal(two, block + 4);
        assert_ptr_equal(at, block + 5);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tells_utf8_from_what_only_looks_like_it),
                cmocka_unit_test(compares),
                cmocka_unit_test(reads_numbers_and_nothing_else),
                cmocka_unit_test(writes_and_reads_the_base64_of_rfc_4648),
                cmocka_unit_test(refuses_base64_that_is_not_exact),
                cmocka_unit_test(base64_brings_back_any_bytes),
                cmocka_unit_test(writes_hex),
                cmocka_unit_test(places_texts_in_one_block),
        };
        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
