/* Configuration files: what is read, and every error with its line. */
#include "shared/config/config.h"

#include "shared/base/err.h"
#include "shared/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct setting c2s_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5222\" }", LIVE, "Addresses.", NULL },
        { "tls", SETTING_CHOICE, "required", LIVE, "TLS.", "none|optional|required" },
        { "max-stanza", SETTING_NUMBER, "262144", LIVE, "Bytes.", "10000..10000000" },
        { 0 },
};
static const struct setting domain_settings[] = {
        { "certificate", SETTING_PATH, NULL, LIVE, "Its certificate.", NULL },
        { "name", SETTING_TEXT, "", LIVE, "A name.", NULL },
        { 0 },
};
static const struct setting top_settings[] = {
        { "state-dir", SETTING_PATH, "state", AT_START, "Directory.", NULL },
        { "workers", SETTING_NUMBER, "0", AT_START, "Threads.", "0..64" },
        { "idle", SETTING_SECONDS, "600", LIVE, "Seconds.", NULL },
        { "secret", SETTING_SECRET, "", LIVE, "Secret.", NULL },
        { "verbose", SETTING_BOOL, "no", LIVE, "Verbose.", NULL },
        { "home", SETTING_DOMAIN, "", LIVE, "Domain.", NULL },
        { "aliases", SETTING_DOMAINS, "{ }", LIVE, "Domains.", NULL },
        { "words", SETTING_LIST, "{ a, b }", LIVE, "Words.", NULL },
        { 0 },
};
static const struct setting hop_settings[] = {
        { "port", SETTING_NUMBER, "5061", LIVE, "Port.", "1..65535" },
        { 0 },
};
static const struct section_rule route_inside[] = {
        { .name = "hop", .titled = true, .settings = hop_settings },
        { 0 },
};
static const struct setting http_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ }", LIVE, "Addresses.", NULL },
        { 0 },
};
static const struct setting door_settings[] = {
        { "number", SETTING_NUMBER, NULL, AT_START, "Number.", NULL },
        { "note", SETTING_TEXT, "", LIVE, "Note.", NULL },
        { 0 },
};
static const struct section_rule inside[] = {
        { .name = "door", .titled = true, .settings = door_settings },
        { .name = "c2s", .settings = c2s_settings },
        { .name = "domain", .titled = true, .settings = domain_settings, .title_is_domain = true },
        { .name = "route", .titled = true, .inside = route_inside },
        { .name = "http", .settings = http_settings, .unbuilt = "not built" },
        { 0 },
};
static const struct section_rule rules = { .name = "", .settings = top_settings, .inside = inside };

static char directory[] = "/tmp/test-config-XXXXXX";

static void
put_file(const char *name, const char *text)
{
        FILE *out = fopen(name, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
        chmod(name, 0600);
}

/* Reads the text as "a.conf" and expects exactly these errors. */
static void
expect_errors(const char *text, const char *expected)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("a.conf", text);
        struct config *config = config_read("a.conf", &rules, NULL, &errors, &warnings);
        if (expected[0] != '\0')
                assert_null(config);
        assert_string_equal(buf_text(&errors), expected);
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
}

static struct config *
read_good(const char *text, struct buf *warnings)
{
        struct buf errors = { 0 };

        put_file("a.conf", text);
        struct config *config = config_read("a.conf", &rules, NULL, &errors, warnings);
        assert_string_equal(buf_text(&errors), "");
        assert_non_null(config);
        buf_free(&errors);
        return config;
}

static void
gives_defaults_for_what_an_empty_file_leaves_out(void **state)
{
        struct buf warnings = { 0 };
        struct config *config = read_good("", &warnings);
        const struct section *top = config_top(config), *c2s = section_of(top, "c2s");
        char path[200];

        assert_int_equal(config_number(top, "workers"), 0);
        assert_int_equal(config_number(top, "idle"), 600);
        assert_false(config_bool(top, "verbose"));
        assert_string_equal(config_text(top, "secret"), "");
        assert_string_equal(config_text(top, "home"), "");
        assert_int_equal(config_list_count(top, "aliases"), 0);
        assert_int_equal(config_list_count(top, "words"), 2);
        assert_string_equal(config_list_item(top, "words", 1), "b");
        snprintf(path, sizeof(path), "%s/state", directory);
        assert_string_equal(config_text(top, "state-dir"), path);
        assert_int_equal(config_list_count(c2s, "listen"), 1);
        assert_string_equal(config_list_item(c2s, "listen", 0), "[::]:5222");
        assert_string_equal(config_text(c2s, "tls"), "required");
        assert_false(section_is_set(c2s, "tls"));
        assert_null(section_next(top, "domain", NULL));
        assert_string_equal(buf_text(&warnings), "");
        config_unref(&config);
        buf_free(&warnings);
}

static void
reads_the_whole_syntax(void **state)
{
        struct buf warnings = { 0 };
        struct config *config = read_good("# comment\n"
                                          "workers = 4 idle=\"60\" // another\n"
                                          "/* and\n one more */ verbose = Yes\n"
                                          "words = { one, \"two words\", 'it\\n', }\n"
                                          "secret = \"a\\\"b\\\\c\\x41\\t\"\n"
                                          "aliases = Chat.Capulet.EXAMPLE\n"
                                          "domain \"Capulet.Example\" { certificate = certs/c.pem }\n"
                                          "domain verona.example { certificate = \"/v.pem\" name = \"\\xc3\\xa9\" }\n"
                                          "route x { hop \"h1\" { port = 1 } hop \"h2\" { } }\n"
                                          "c2s { tls = none\n listen = { } }",
                &warnings);
        const struct section *top = config_top(config);
        char path[200];

        assert_int_equal(config_number(top, "workers"), 4);
        assert_int_equal(config_number(top, "idle"), 60);
        assert_true(config_bool(top, "verbose"));
        assert_int_equal(config_list_count(top, "words"), 3);
        assert_string_equal(config_list_item(top, "words", 1), "two words");
        assert_string_equal(config_list_item(top, "words", 2), "it\\n");
        assert_string_equal(config_text(top, "secret"), "a\"b\\cA\t");
        assert_int_equal(config_list_count(top, "aliases"), 1);
        assert_string_equal(config_list_item(top, "aliases", 0), "chat.capulet.example");
        const struct section *domain = section_next(top, "domain", NULL);
        assert_string_equal(section_title(domain), "capulet.example");
        assert_string_equal(section_place(domain, NULL), "a.conf:8");
        snprintf(path, sizeof(path), "%s/certs/c.pem", directory);
        assert_string_equal(config_text(domain, "certificate"), path);
        domain = section_next(top, "domain", domain);
        assert_string_equal(config_text(domain, "certificate"), "/v.pem");
        assert_string_equal(config_text(domain, "name"), "\xc3\xa9");
        assert_null(section_next(top, "domain", domain));
        assert_ptr_equal(section_titled(top, "domain", "verona.example"), domain);
        assert_null(section_titled(top, "domain", "rome.example"));
        const struct section *route = section_titled(top, "route", "x");
        assert_int_equal(config_number(section_titled(route, "hop", "h1"), "port"), 1);
        assert_int_equal(config_number(section_titled(route, "hop", "h2"), "port"), 5061);
        assert_string_equal(config_text(section_of(top, "c2s"), "tls"), "none");
        assert_int_equal(config_list_count(section_of(top, "c2s"), "listen"), 0);
        assert_string_equal(section_place(section_of(top, "c2s"), "listen"), "a.conf:12");
        assert_string_equal(section_place(section_of(top, "c2s"), "max-stanza"), "a.conf:11");
        config_unref(&config);
        buf_free(&warnings);
}

static void
finds_a_section_among_many(void **state)
{
        enum { COUNT = 1000 };
        struct buf text = { 0 }, warnings = { 0 };
        char title[32];

        for (int i = 0; i < COUNT; i++)
                buf_printf(&text, "door d%d { number = %d }\nroute r%d { }\n", i, i, i);
        struct config *config = read_good(buf_text(&text), &warnings);
        const struct section *top = config_top(config), *door = NULL, *route = NULL;
        for (int i = 0; i < COUNT; i++) {
                snprintf(title, sizeof(title), "d%d", i);
                door = section_next(top, "door", door);
                route = section_next(top, "route", route);
                assert_string_equal(section_title(door), title);
                assert_ptr_equal(section_titled(top, "door", title), door);
                assert_null(section_titled(top, "route", title));
                assert_int_equal(config_number(door, "number"), i);
        }
        assert_null(section_next(top, "door", door));
        assert_null(section_next(top, "route", route));
        assert_string_equal(config_text(section_of(top, "c2s"), "tls"), "required");
        config_unref(&config);

        buf_printf(&text, "door d7 { number = 1 }\nroute d7 { }\n");
        expect_errors(buf_text(&text), "a.conf:2001: section door \"d7\" is given twice: first at a.conf:15\n");
        buf_free(&text);
        buf_free(&warnings);
}

static void
tells_each_error_with_its_line_and_what_was_expected(void **state)
{
        static const struct {
                const char *text, *errors;
        } cases[] = {
                /* values */
                { "workers = many", "a.conf:1: workers: expected a number from 0 to 64, without a unit, found \"many\"\n" },
                { "\nworkers = 65", "a.conf:2: workers: expected a number from 0 to 64, without a unit, found \"65\"\n" },
                { "idle = 10m",
                        "a.conf:1: idle: expected a number of seconds from 0 to 315360000, without a unit, found \"10m\"\n" },
                { "idle = -1", "a.conf:1: idle: expected a number of seconds from 0 to 315360000, without a unit, found \"-1\"\n" },
                { "verbose = maybe", "a.conf:1: verbose: expected true or false (or yes, no, on, off), found \"maybe\"\n" },
                { "c2s { tls = always }", "a.conf:1: tls: expected none, optional or required, found \"always\"\n" },
                { "c2s { listen = { \"localhost:5222\" } }",
                        "a.conf:1: listen: expected addresses like \"127.0.0.1:5222\" or \"[::]:5222\", found \"localhost:5222\"\n" },
                { "workers = { 1, 2 }", "a.conf:1: workers: expected one value, found a list\n" },
                { "home = \"a b\"",
                        "a.conf:1: home: \"a b\" is not a domain name: expected letters, digits, hyphens and dots, at most 255 characters\n" },
                { "aliases = { a.example, \"-b.example\" }",
                        "a.conf:1: aliases: \"-b.example\" is not a domain name: expected letters, digits, hyphens and dots, at most 255 characters\n" },
                { "secret = file:absent",
                        "a.conf:1: secret: cannot read the secret from \"%s/absent\": No such file or directory\n" },
                { "domain \"a.example\" { }", "a.conf:1: section domain: certificate is missing: Its certificate.\n" },
                /* names */
                { "wrokers = 1", "a.conf:1: unknown setting wrokers: did you mean workers?\n" },
                { "c2s { max-stanzas = 1 }", "a.conf:1: unknown setting max-stanzas in section c2s: did you mean max-stanza?\n" },
                { "c2s { port = 1 }", "a.conf:1: unknown setting port in section c2s: it stands in section hop { }\n" },
                { "c2s { workers = 1 }", "a.conf:1: unknown setting workers in section c2s: it stands outside of sections\n" },
                { "tls = none", "a.conf:1: unknown setting tls: it stands in section c2s { }\n" },
                { "zebra { a = 1 }", "a.conf:1: unknown section zebra\n" },
                { "c2 { }", "a.conf:1: unknown section c2\n" },
                { "c2ss { }", "a.conf:1: unknown section c2ss: did you mean c2s?\n" },
                { "workers { }", "a.conf:1: workers is a setting: expected workers = ...\n" },
                { "c2s = 1", "a.conf:1: c2s is a section: expected c2s { ... }\n" },
                { "domain = a.example", "a.conf:1: domain is a section: expected domain \"...\" { ... }\n" },
                { "domain { certificate = x }", "a.conf:1: section domain needs a title: expected domain \"...\" { ... }\n" },
                { "c2s \"x\" { }", "a.conf:1: section c2s takes no title: expected c2s { ... }\n" },
                { "domain \"a..b\" { certificate = x }",
                        "a.conf:1: section domain: \"a..b\" is not a domain name: expected letters, digits, hyphens and dots, at most 255 characters\n" },
                /* given twice */
                { "workers = 1\nworkers = 1", "a.conf:2: workers is given twice: first at a.conf:1\n" },
                { "c2s { }\n\nc2s { }", "a.conf:3: section c2s is given twice: first at a.conf:1\n" },
                { "domain a.example { certificate = x }\ndomain \"A.example\" { certificate = x }",
                        "a.conf:2: section domain \"a.example\" is given twice: first at a.conf:1\n" },
                { "route r { hop h { }\nhop h { } }", "a.conf:2: section hop \"h\" is given twice: first at a.conf:1\n" },
                /* syntax */
                { "workers 4", "a.conf:1: expected \"=\" between workers and \"4\", or a section workers \"4\" { ... }\n" },
                { "workers\nidle = 1", "a.conf:1: expected \"=\" or \"{\" after workers, found \"idle\"\n" },
                { "workers =\nidle = 1", "a.conf:1: workers has no value: expected one behind \"=\"\n" },
                { "workers += 1", "a.conf:1: there is no \"+=\": write all values of workers in one list\n" },
                { "= 4", "a.conf:1: expected the name of a setting or section, found \"=\"\n" },
                { "\"workers\" = 4", "a.conf:1: expected the name of a setting or section, found \"workers\"\n" },
                { "workers = 1;", "a.conf:1: expected the name of a setting or section, found \";\"\n" },
                { "}", "a.conf:1: a \"}\" that closes nothing\n" },
                { "c2s {\n tls = none\n", "a.conf:1: section c2s that begins here is not closed: \"}\" is missing\n" },
                { "words = { a, b\n", "a.conf:1: the list that begins here is not closed: \"}\" is missing\n" },
                { "c2s {\n listen = { \"[::]:1\"\n tls = none\n}\nworkers = 1\n",
                        "a.conf:2: the list that begins here is not closed: \"}\" is missing\n" },
                { "words = { a b }", "a.conf:1: expected \",\" or \"}\" after \"a\" in a list, found \"b\"\n" },
                { "words = { , }", "a.conf:1: expected a value or \"}\", found \",\"\n" },
                { "secret = \"abc\nworkers = 1",
                        "a.conf:1: the string that begins on this line is not closed: a quote is missing\n" },
                { "secret = \"a\\qb\"",
                        "a.conf:1: unknown escape in a string: \\n \\t \\r \\e \\\" \\\\ and \\xHH exist; a backslash is written \\\\\n" },
                { "secret = \"a\\x00b\"",
                        "a.conf:1: unknown escape in a string: \\n \\t \\r \\e \\\" \\\\ and \\xHH exist; a backslash is written \\\\\n" },
                { "secret = \"\xff\"", "a.conf:1: a word is not valid UTF-8\n" },
                { "workers = \x01", "a.conf:1: control character\n" },
                { "/* open\n", "a.conf:1: the comment that begins here is not closed: \"*/\" is missing\n" },
                { "print(\"x\")", "a.conf:1: expected \"=\" or \"{\" after print, found \"(\"\n" },
                { "include \"x\"", "a.conf:1: expected \"=\" between include and \"x\", or a section include \"x\" { ... }\n" },
                { "c2s { include(\"x\") }", "a.conf:1: include stands outside of sections only\n" },
                { "include(\"absent.conf\")", "a.conf:1: cannot read \"absent.conf\": No such file or directory\n" },
                { "include(\".\")", "a.conf:1: cannot read \".\": not a file\n" },
                { "include(\"a.conf\")", "a.conf:1: \"a.conf\" includes itself\n" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char expected[600];
                const char *hole = strstr(cases[i].errors, "%s");
                if (hole != NULL)
                        snprintf(expected, sizeof(expected), "%.*s%s%s", (int)(hole - cases[i].errors), cases[i].errors, directory,
                                hole + 2);
                else
                        snprintf(expected, sizeof(expected), "%s", cases[i].errors);
                expect_errors(cases[i].text, expected);
        }
}

static void
tells_all_errors_of_a_file_in_one_go(void **state)
{
        expect_errors("workers = x\n"
                      "c2s {\n"
                      "  tls required\n"
                      "  max-stanza = 1\n"
                      "}\n"
                      "idle == 3\n"
                      "verbose = on\n"
                      "verbse = on\n",
                "a.conf:1: workers: expected a number from 0 to 64, without a unit, found \"x\"\n"
                "a.conf:3: expected \"=\" between tls and \"required\", or a section tls \"required\" { ... }\n"
                "a.conf:4: max-stanza: expected a number from 10000 to 10000000, without a unit, found \"1\"\n"
                "a.conf:6: idle has no value: expected one behind \"=\"\n"
                "a.conf:8: unknown setting verbse: did you mean verbose?\n");
}

static void
never_shows_a_secret(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("a.conf", "secret = { \"swordfish\" }\nsecret = \"swordfish\"\n");
        assert_null(config_read("a.conf", &rules, NULL, &errors, &warnings));
        assert_null(strstr(buf_text(&errors), "swordfish"));
        buf_free(&errors);
        buf_free(&warnings);
}

static void
takes_a_secret_from_the_first_line_of_a_file(void **state)
{
        struct buf warnings = { 0 };

        put_file("secret", "sesame open\r\nmore\n");
        struct config *config = read_good("secret = \"file:secret\"", &warnings);
        assert_string_equal(config_text(config_top(config), "secret"), "sesame open");
        assert_string_equal(buf_text(&warnings), "");
        config_unref(&config);

        chmod("secret", 0644);
        config = read_good("secret = \"file:secret\"", &warnings);
        assert_non_null(strstr(buf_text(&warnings), "a.conf:1: secret: everyone on this machine may read"));
        config_unref(&config);
        put_file("secret", "\n");
        char expected[200];
        snprintf(expected, sizeof(expected),
                "a.conf:1: secret: the first line of \"%s/secret\" is empty: expected the secret there\n", directory);
        expect_errors("secret = \"file:secret\"", expected);
        buf_free(&warnings);
}

static void
reads_included_files_relative_to_the_one_that_names_them(void **state)
{
        struct buf warnings = { 0 };
        char path[200];

        mkdir("sub", 0700);
        mkdir("sub/d", 0700);
        put_file("sub/b.conf", "include(\"d/*.conf\")\nstate-dir = here\ninclude(\"none/*.conf\")\n");
        put_file("sub/d/2.conf", "domain \"two.example\" { certificate = c.pem }");
        put_file("sub/d/1.conf", "domain \"one.example\" { certificate = c.pem }");
        struct config *config = read_good("include(\"sub/b.conf\")\nworkers = 3\n", &warnings);
        const struct section *top = config_top(config);
        const struct section *one = section_next(top, "domain", NULL), *two = section_next(top, "domain", one);
        assert_string_equal(section_title(one), "one.example");
        assert_string_equal(section_place(one, NULL), "sub/d/1.conf:1");
        assert_string_equal(section_title(two), "two.example");
        snprintf(path, sizeof(path), "%s/sub/d/c.pem", directory);
        assert_string_equal(config_text(two, "certificate"), path);
        snprintf(path, sizeof(path), "%s/sub/here", directory);
        assert_string_equal(config_text(top, "state-dir"), path);
        assert_int_equal(config_number(top, "workers"), 3);
        config_unref(&config);

        put_file("sub/d/2.conf", "\ndomain \"one.example\" { certificate = c.pem }\nzebra = 1");
        expect_errors("workers = x\ninclude(\"sub/b.conf\")\n",
                "a.conf:1: workers: expected a number from 0 to 64, without a unit, found \"x\"\n"
                "sub/d/2.conf:2: section domain \"one.example\" is given twice: first at sub/d/1.conf:1\n"
                "sub/d/2.conf:3: unknown setting zebra\n");
        put_file("sub/d/2.conf", "include(\"../b.conf\")");
        expect_errors("include(\"sub/b.conf\")\n", "sub/d/2.conf:1: \"sub/d/../b.conf\" includes itself\n");
        put_file("sub/d/2.conf", "");
        buf_free(&warnings);
}

static void
limits_size_and_depth(void **state)
{
        char text[20000];

        expect_errors("a { a { a { a { a { a { a { a { a { x } } } } } } } } }\n",
                "a.conf:1: sections are nested more than 8 deep\na.conf:1: unknown section a\n");
        snprintf(text, sizeof(text), "secret = \"%017000d\"", 0);
        expect_errors(text, "a.conf:1: a word is longer than 16384 bytes\n");
        for (int i = 0; i <= 12; i++) {
                char name[20];
                snprintf(name, sizeof(name), "n%d", i);
                snprintf(text, sizeof(text), "include(\"n%d\")", i + 1);
                put_file(name, text);
        }
        expect_errors("include(\"n0\")", "n9:1: includes are nested more than 10 deep\n");
}

static void
stops_counting_errors_at_a_hundred(void **state)
{
        struct buf text = { 0 }, errors = { 0 }, warnings = { 0 };
        int lines = 0;

        for (int i = 0; i < 1000; i++)
                buf_puts(&text, "zebra = 1\n");
        put_file("a.conf", buf_text(&text));
        assert_null(config_read("a.conf", &rules, NULL, &errors, &warnings));
        for (const char *at = buf_text(&errors); (at = strchr(at, '\n')) != NULL; at++)
                lines++;
        assert_int_equal(lines, 101);
        buf_free(&text);
        buf_free(&errors);
        buf_free(&warnings);
}

static void
warns_once_of_a_section_that_is_not_built(void **state)
{
        struct buf warnings = { 0 };
        struct config *config = read_good("http { listen = { \"127.0.0.1:1\" } }", &warnings);

        assert_string_equal(buf_text(&warnings), "a.conf:1: section http: not built\n");
        config_unref(&config);
        buf_free(&warnings);
}

static void
complain_of_home(const struct config *config, struct buf *errors, struct buf *warnings)
{
        const struct section *top = config_top(config);

        if (config_text(top, "home")[0] == '\0')
                buf_printf(errors, "%s: no home\n", section_place(top, "home"));
}

static void
runs_cross_checks_along_with_the_errors_of_rows(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        put_file("a.conf", "workers = x\n");
        assert_null(config_read("a.conf", &rules, complain_of_home, &errors, &warnings));
        assert_string_equal(buf_text(&errors),
                "a.conf:1: workers: expected a number from 0 to 64, without a unit, found \"x\"\na.conf:1: no home\n");
        buf_clear(&errors);
        put_file("a.conf", "home = x.example\n");
        struct config *config = config_read("a.conf", &rules, complain_of_home, &errors, &warnings);
        assert_non_null(config);
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
}

static void
says_why_a_file_cannot_be_read(void **state)
{
        struct buf errors = { 0 }, warnings = { 0 };

        assert_null(config_read("absent.conf", &rules, NULL, &errors, &warnings));
        assert_string_equal(buf_text(&errors), "absent.conf:1: cannot read \"absent.conf\": No such file or directory\n");
        buf_free(&errors);
        buf_free(&warnings);
}

static void
lives_until_the_last_reference_goes(void **state)
{
        struct buf warnings = { 0 };
        struct config *config = read_good("workers = 2", &warnings), *second = config_ref(config);

        config_unref(&config);
        assert_null(config);
        assert_int_equal(config_number(config_top(second), "workers"), 2);
        config_unref(&second);
        buf_free(&warnings);
}

static int
make_directory(void **state)
{
        return mkdtemp(directory) == NULL || chdir(directory) != 0;
}

static int
remove_directory(void **state)
{
        char command[100];
        snprintf(command, sizeof(command), "rm -rf '%s'", directory);
        return chdir("/") != 0 || system(command) != 0;
}

static void
names_what_only_a_restart_changes(void **state)
{
        static const char before[] = "workers = 1\ndoor \"a\" { number = 1 }\ndoor \"b\" { number = 2 }\n";
        static const struct {
                const char *after, *names;
        } rows[] = {
                { before, "" },
                { "workers = 1\nidle = 5\ndoor \"b\" { number = 2 note = x }\ndoor \"a\" { number = 1 }\n", "" },
                { "workers = 2\nstate-dir = other\ndoor \"a\" { number = 1 }\ndoor \"b\" { number = 2 }\n", "state-dir, workers" },
                { "workers = 1\ndoor \"a\" { number = 1 }\ndoor \"b\" { number = 3 }\n", "door \"b\".number" },
                { "workers = 1\ndoor \"a\" { number = 1 }\ndoor \"c\" { number = 2 }\n", "door \"c\", door \"b\"" },
        };

        for (size_t i = 0; i < array_len(rows); i++) {
                struct buf warnings = { 0 }, names = { 0 };
                struct config *old = read_good(before, &warnings), *new = read_good(rows[i].after, &warnings);
                assert_int_equal(config_needs_restart(&rules, old, new, &names), rows[i].names[0] != '\0');
                assert_string_equal(buf_text(&names), rows[i].names);
                config_unref(&old);
                config_unref(&new);
                buf_free(&warnings);
                buf_free(&names);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gives_defaults_for_what_an_empty_file_leaves_out),
                cmocka_unit_test(reads_the_whole_syntax),
                cmocka_unit_test(finds_a_section_among_many),
                cmocka_unit_test(tells_each_error_with_its_line_and_what_was_expected),
                cmocka_unit_test(tells_all_errors_of_a_file_in_one_go),
                cmocka_unit_test(never_shows_a_secret),
                cmocka_unit_test(takes_a_secret_from_the_first_line_of_a_file),
                cmocka_unit_test(reads_included_files_relative_to_the_one_that_names_them),
                cmocka_unit_test(limits_size_and_depth),
                cmocka_unit_test(stops_counting_errors_at_a_hundred),
                cmocka_unit_test(names_what_only_a_restart_changes),
                cmocka_unit_test(warns_once_of_a_section_that_is_not_built),
                cmocka_unit_test(runs_cross_checks_along_with_the_errors_of_rows),
                cmocka_unit_test(says_why_a_file_cannot_be_read),
                cmocka_unit_test(lives_until_the_last_reference_goes),
        };
        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
