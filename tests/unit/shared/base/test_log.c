/* test_log.c - the lines administrators read */
#include "shared/base/log.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static char path[64];

static int
write_to_a_file(void **state)
{
        strcpy(path, "/tmp/test_log.XXXXXX");
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        assert_true(log_set_target(path));
        return 0;
}

static int
write_to_stderr(void **state)
{
        log_set_target(NULL);
        log_set_level(LOG_INFO);
        log_set_json(false);
        unlink(path);
        return 0;
}

/* All that has been written. */
static const char *
lines(void)
{
        static char text[65536];
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        ssize_t n = read(fd, text, sizeof text - 1);
        assert_true(n >= 0);
        text[n] = '\0';
        close(fd);
        return text;
}

static bool
looks_like(const char *text, const char *pattern)
{
        regex_t regex;
        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
        bool yes = regexec(&regex, text, 0, NULL, 0) == 0;
        regfree(&regex);
        if (!yes)
                print_error("%s\n", text);
        return yes;
}

static void
a_line_about_somebody_without_a_scope_names_him(void **state)
{
        char name[200];

        memset(name, 'j', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        log_set_exception("", "romeo@capulet.example", LOG_DEBUG);
        log_info(LOG_ABOUT("user", "juliet@capulet.example/balcony"), "bound");
        log_debug(LOG_ABOUT("user", "juliet@capulet.example/balcony"), "unheard");
        log_debug(LOG_ABOUT("user", "romeo@capulet.example/orchard"), "heard");
        log_info(LOG_ABOUT("user", name), "cut");
        log_set_exception("", "romeo@capulet.example", -1);
        assert_true(looks_like(lines(),
                "^[^ ]+ info user juliet@capulet\\.example/balcony bound\n"
                "[^ ]+ debug user romeo@capulet\\.example/orchard heard\n[^ ]+ info user j{79} cut\n$"));
}

static void
a_line_says_when_what_and_whom(void **state)
{
        struct log_scope scope;
        log_scope_set(&scope, "s2s.out", "%s#%d", "verona.example", 41);
        log_info(&scope, "open via=%s", "dialback");
        assert_true(looks_like(lines(),
                "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z info s2s\\.out verona\\.example#41 open via=dialback\n$"));
}

static void
levels_below_the_wanted_one_are_silent(void **state)
{
        struct log_scope scope = { .room = "c2s" };
        log_debug(&scope, "unseen");
        log_trace(&scope, "unseen");
        assert_string_equal(lines(), "");
        log_set_level(LOG_DEBUG);
        log_debug(&scope, "seen");
        assert_true(looks_like(lines(), "debug c2s seen\n$"));
        log_set_level(LOG_ERROR);
        assert_false(log_wants(&scope, LOG_WARN));
        assert_true(log_wants(&scope, LOG_ERROR));
}

static void
one_room_and_the_rooms_below_it_can_be_traced(void **state)
{
        struct log_scope in = { .room = "s2s.in" }, room = { .room = "s2s" }, other = { .room = "s2sx" };
        assert_true(log_set_exception("s2s", "", LOG_TRACE));
        assert_true(log_wants(&in, LOG_TRACE));
        assert_true(log_wants(&room, LOG_TRACE));
        assert_false(log_wants(&other, LOG_TRACE));
        assert_true(log_set_exception("s2s", "", -1));
        assert_false(log_wants(&in, LOG_DEBUG));
}

static void
one_peer_can_be_traced(void **state)
{
        struct log_scope rome, verona;
        log_scope_set(&rome, "s2s.out", "rome.example#1");
        log_scope_set(&verona, "s2s.out", "verona.example#2");
        assert_true(log_set_exception("", "rome.example", LOG_DEBUG));
        assert_true(log_wants(&rome, LOG_DEBUG));
        assert_false(log_wants(&verona, LOG_DEBUG));

        struct log_scope pair, near;
        log_scope_set(&pair, "simple.watch", "alice@verona.example>bob@rome.example");
        log_scope_set(&near, "simple.watch", "alice@verona.example>bob@not-rome.example");
        assert_true(log_wants(&pair, LOG_DEBUG));
        assert_false(log_wants(&near, LOG_DEBUG));
        assert_true(log_set_exception("", "rome.example", -1));
}

static void
the_number_of_exceptions_is_bounded(void **state)
{
        char room[16];
        int n = 0;
        for (; n < 100; n++) {
                snprintf(room, sizeof room, "room%d", n);
                if (!log_set_exception(room, "", LOG_DEBUG))
                        break;
        }
        assert_int_equal(n, 16);
        for (int i = 0; i < n; i++) {
                snprintf(room, sizeof room, "room%d", i);
                log_set_exception(room, "", -1);
        }
        assert_true(log_set_exception("again", "", LOG_DEBUG));
        log_set_exception("again", "", -1);
}

static void
a_peer_cannot_forge_a_line_or_steer_a_terminal(void **state)
{
        struct log_scope scope;
        log_scope_set(&scope, "c2s", "%s", "a\nb");
        log_info(&scope, "%s", "one\r\n2026 error two \033[2J");
        const char *text = lines();
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_non_null(strstr(text, "a\\x0ab one\\x0d\\x0a2026 error two \\x1b[2J"));
}

static void
json_lines_stay_json_whatever_is_in_them(void **state)
{
        struct log_scope scope = { .room = "c2s" };
        log_set_json(true);
        log_info(&scope, "%s", "say \"yes\"\n\\");
        assert_true(looks_like(lines(),
                "^\\{\"time\":\"[^\"]*\",\"level\":\"info\",\"room\":\"c2s\",\"whom\":\"\","
                "\"text\":\"say \\\\u0022yes\\\\u0022\\\\u000a\\\\u005c\"\\}\n$"));
}

static void
lines_of_any_length_stay_one_line(void **state)
{
        struct log_scope scope = { .room = "c2s" };
        static char bytes[5000];
        for (int json = 0; json < 2; json++) {
                log_set_json(json);
                for (size_t len = 2000; len < 2100; len++) {
                        memset(bytes, len % 2 ? '"' : '\n', len);
                        bytes[len] = '\0';
                        memset(bytes, 'x', len % 7);
                        write_to_a_file(NULL);
                        log_info(&scope, "%s", bytes);
                        const char *text = lines();
                        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
                        unlink(path);
                }
        }
        write_to_a_file(NULL);
}

static void
names_of_levels_are_known(void **state)
{
        assert_int_equal(log_level_of("error"), LOG_ERROR);
        assert_int_equal(log_level_of("trace"), LOG_TRACE);
        assert_int_equal(log_level_of("loud"), -1);
        assert_int_equal(log_level_of(""), -1);
}

static void
a_target_that_cannot_be_opened_changes_nothing(void **state)
{
        struct log_scope scope = { .room = "main" };
        assert_false(log_set_target("/nonexistent/directory/file.log"));
        log_warn(&scope, "still here");
        assert_non_null(strstr(lines(), "warn main still here\n"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, write_to_a_file, write_to_stderr)

int
main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_line_says_when_what_and_whom),
                CASE(a_line_about_somebody_without_a_scope_names_him),
                CASE(levels_below_the_wanted_one_are_silent),
                CASE(one_room_and_the_rooms_below_it_can_be_traced),
                CASE(one_peer_can_be_traced),
                CASE(the_number_of_exceptions_is_bounded),
                CASE(a_peer_cannot_forge_a_line_or_steer_a_terminal),
                CASE(json_lines_stay_json_whatever_is_in_them),
                CASE(lines_of_any_length_stay_one_line),
                CASE(names_of_levels_are_known),
                CASE(a_target_that_cannot_be_opened_changes_nothing),
        };
        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
