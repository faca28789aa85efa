/*
 * reader.c - a configuration file and what it includes become a tree
 *
 *     file    = { entry }
 *     entry   = name "=" value | name [ title ] "{" { entry } "}" | "include" "(" pattern ")"
 *     value   = word | "{" [ word { "," word } [ "," ] ] "}"
 *
 * After an error the reader goes on with the next line, so that one run tells all errors. Each node knows file and line.
 */
#include "shared/config/config_private.h"

#include "shared/base/err.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct parser {
        struct reading *reading;
        struct lexer lexer;
        struct token token; /* the one in hand, not yet used */
        struct node *top;
};

static void
advance(struct parser *parser)
{
        parser->token = lexer_next(&parser->lexer);
}

static struct place
place_of(const struct parser *parser, int line)
{
        return (struct place){ parser->lexer.source, line };
}

static const char *
describe(const struct parser *parser)
{
        const struct token *token = &parser->token;

        switch (token->kind) {
        case TOKEN_END:
                return "the end of the file";
        case TOKEN_EQUALS:
                return "\"=\"";
        case TOKEN_PLUS_EQUALS:
                return "\"+=\"";
        case TOKEN_OPEN:
                return "\"{\"";
        case TOKEN_CLOSE:
                return "\"}\"";
        case TOKEN_PAREN_OPEN:
                return "\"(\"";
        case TOKEN_PAREN_CLOSE:
                return "\")\"";
        case TOKEN_COMMA:
                return "\",\"";
        case TOKEN_SEMICOLON:
                return "\";\"";
        case TOKEN_WORD:
        case TOKEN_STRING:
        case TOKEN_BAD:
                break;
        }
        return arena_printf(parser->reading->arena, "\"%.60s\"", token->text);
}

/* Goes to the next line that may begin an entry of this section, past sections opened on the way. */
static void
recover(struct parser *parser, int line)
{
        int depth = 0;

        parser->reading->bad_syntax = true;
        parser->lexer.skipping = true;
        for (;; advance(parser)) {
                enum token_kind kind = parser->token.kind;
                if (kind == TOKEN_END || (depth == 0 && (kind == TOKEN_CLOSE || parser->token.line > line)))
                        break;
                if (kind == TOKEN_OPEN)
                        depth++;
                else if (kind == TOKEN_CLOSE)
                        depth--;
        }
        parser->lexer.skipping = false;
}

/* Complains that something else was expected than the token in hand, and recovers. */
static void
expected(struct parser *parser, int line, const char *what)
{
        if (parser->token.kind != TOKEN_BAD)
                complain_error(parser->reading, place_of(parser, line), "expected %s, found %s", what, describe(parser));
        recover(parser, line);
}

static struct node *
add_node(struct parser *parser, struct node *in, const char *name, int line)
{
        struct node *node = ARENA_NEW(parser->reading->scratch, node);

        node->name = name;
        node->place = place_of(parser, line);
        if (in->last != NULL)
                in->last->next = node;
        else
                in->first = node;
        in->last = node;
        return node;
}

static void
add_item(struct parser *parser, struct node *setting, size_t *room)
{
        if (setting->count == *room) {
                size_t more = *room == 0 ? 4 : *room * 2;
                const char **items = arena_alloc(parser->reading->scratch, more * sizeof(*items));
                if (setting->count > 0)
                        memcpy(items, setting->items, setting->count * sizeof(*items));
                setting->items = items;
                *room = more;
        }
        setting->items[setting->count++] = parser->token.text;
}

/* A word inside braces that is followed by "=" or "{" belongs to what comes after a list that was never closed. */
static bool
list_was_left_open(struct parser *parser, const struct lexer *before)
{
        struct lexer ahead = *before;

        ahead.skipping = true;
        bool bad_before = parser->reading->bad_syntax;
        struct token next = lexer_next(&ahead);
        parser->reading->bad_syntax = bad_before;
        return parser->token.kind == TOKEN_WORD && (next.kind == TOKEN_EQUALS || next.kind == TOKEN_OPEN);
}

static void
parse_list(struct parser *parser, struct node *setting)
{
        size_t room = 0;
        int began = parser->token.line;

        setting->is_list = true;
        advance(parser);
        for (;;) {
                bool is_item = parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_STRING;
                if (parser->token.kind == TOKEN_CLOSE) {
                        advance(parser);
                        return;
                }
                if (parser->token.kind == TOKEN_END || (is_item && list_was_left_open(parser, &parser->lexer))) {
                        complain_error(parser->reading, place_of(parser, began),
                                "the list that begins here is not closed: \"}\" is missing");
                        parser->reading->bad_syntax = true;
                        return;
                }
                if (!is_item) {
                        expected(parser, parser->token.line, "a value or \"}\"");
                        if (parser->token.kind == TOKEN_CLOSE)
                                advance(parser);
                        return;
                }
                if (setting->count == ITEMS_MAX) {
                        complain_error(
                                parser->reading, place_of(parser, parser->token.line), "a list has more than %d values", ITEMS_MAX);
                        recover(parser, parser->token.line);
                        return;
                }
                add_item(parser, setting, &room);
                int line = parser->token.line;
                advance(parser);
                if (parser->token.kind == TOKEN_COMMA) {
                        advance(parser);
                } else if (parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_STRING) {
                        if (!list_was_left_open(parser, &parser->lexer)) {
                                complain_error(parser->reading, place_of(parser, line),
                                        "expected \",\" or \"}\" after \"%.60s\" in a list, found %s",
                                        setting->items[setting->count - 1], describe(parser));
                                parser->reading->bad_syntax = true;
                        }
                }
        }
}

static void
parse_setting(struct parser *parser, struct node *in, const char *name, int line)
{
        enum token_kind sign = parser->token.kind;
        int sign_line = parser->token.line;

        if (sign == TOKEN_PLUS_EQUALS) {
                complain_error(parser->reading, place_of(parser, sign_line),
                        "there is no \"+=\": write all values of %s in one list", name);
                parser->reading->bad_syntax = true;
        }
        advance(parser);
        /* A word on the next line is the name of the next setting. */
        bool is_value = parser->token.kind == TOKEN_STRING || (parser->token.kind == TOKEN_WORD && parser->token.line == sign_line);
        if (!is_value && parser->token.kind != TOKEN_OPEN) {
                if (parser->token.kind != TOKEN_BAD)
                        complain_error(parser->reading, place_of(parser, line), "%s has no value: expected one behind \"=\"", name);
                recover(parser, sign_line);
                return;
        }
        struct node *setting = add_node(parser, in, name, line);
        if (parser->token.kind == TOKEN_OPEN) {
                parse_list(parser, setting);
                return;
        }
        size_t room = 0;
        add_item(parser, setting, &room);
        advance(parser);
}

static void parse_entries(struct parser *parser, struct node *in, int depth);

static void
parse_section(struct parser *parser, struct node *in, const char *name, const char *title, int line, int depth)
{
        struct node *section = add_node(parser, in, name, line);

        section->is_section = true;
        section->title = title;
        advance(parser);
        if (depth == SECTION_DEPTH_MAX) {
                complain_error(parser->reading, section->place, "sections are nested more than %d deep", SECTION_DEPTH_MAX);
                recover(parser, INT_MAX);
        } else {
                parse_entries(parser, section, depth + 1);
        }
        if (parser->token.kind == TOKEN_CLOSE) {
                advance(parser);
                return;
        }
        parser->reading->bad_syntax = true;
        complain_error(parser->reading, section->place, "section %s that begins here is not closed: \"}\" is missing", name);
}

static void include_files(struct parser *parser, const char *pattern, int line);

static void
parse_include(struct parser *parser, int line, int depth)
{
        advance(parser);
        if (parser->token.kind != TOKEN_STRING && parser->token.kind != TOKEN_WORD) {
                expected(parser, line, "include(\"FILE\")");
                return;
        }
        const char *pattern = parser->token.text;
        advance(parser);
        if (parser->token.kind != TOKEN_PAREN_CLOSE) {
                expected(parser, line, "\")\" behind the name of the file to include");
                return;
        }
        advance(parser);
        if (depth > 0)
                complain_error(parser->reading, place_of(parser, line), "include stands outside of sections only");
        else
                include_files(parser, pattern, line);
}

static void
parse_entry(struct parser *parser, struct node *in, int depth)
{
        const char *name = parser->token.text, *title = NULL;
        int line = parser->token.line;

        advance(parser);
        if (parser->token.kind == TOKEN_EQUALS || parser->token.kind == TOKEN_PLUS_EQUALS) {
                parse_setting(parser, in, name, line);
                return;
        }
        if (parser->token.kind == TOKEN_PAREN_OPEN && strcmp(name, "include") == 0) {
                parse_include(parser, line, depth);
                return;
        }
        bool may_be_title = parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_STRING;
        if (may_be_title && parser->token.line == line) {
                title = parser->token.text;
                advance(parser);
                if (parser->token.kind != TOKEN_OPEN) {
                        if (parser->token.kind != TOKEN_BAD)
                                complain_error(parser->reading, place_of(parser, line),
                                        "expected \"=\" between %.60s and \"%.60s\", or a section %.60s \"%.60s\" { ... }", name,
                                        title, name, title);
                        recover(parser, line);
                        return;
                }
        }
        if (parser->token.kind == TOKEN_OPEN)
                parse_section(parser, in, name, title, line, depth);
        else
                expected(parser, line, arena_printf(parser->reading->arena, "\"=\" or \"{\" after %.60s", name));
}

static void
parse_entries(struct parser *parser, struct node *in, int depth)
{
        for (;;) {
                switch (parser->token.kind) {
                case TOKEN_END:
                        return;
                case TOKEN_CLOSE:
                        if (depth > 0)
                                return;
                        parser->reading->bad_syntax = true;
                        complain_error(parser->reading, place_of(parser, parser->token.line), "a \"}\" that closes nothing");
                        advance(parser);
                        break;
                case TOKEN_WORD:
                        parse_entry(parser, in, depth);
                        break;
                case TOKEN_BAD:
                        recover(parser, parser->token.line);
                        break;
                default:
                        expected(parser, parser->token.line, "the name of a setting or section");
                        break;
                }
        }
}

static bool prefers_new_files;

void
config_prefer_new_files(void)
{
        prefers_new_files = true;
}

static int
open_file(struct reading *reading, const char *path)
{
        enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
        int fd = prefers_new_files ? open(arena_printf(reading->arena, "%s.new", path), FLAGS) : -1;

        return fd >= 0 ? fd : open(path, FLAGS);
}

/* The whole file in out, or a sentence in why. */
static int
load(struct reading *reading, const char *path, struct source *source, struct buf *out, struct err *why)
{
        int rc = -1;
        int fd = open_file(reading, path);
        if (fd < 0)
                return err_set(why, "%s", strerror(errno));
        struct stat st;
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                err_set(why, "not a file");
                goto out;
        }
        source->device = st.st_dev;
        source->inode = st.st_ino;
        for (;;) {
                ssize_t n = read(fd, buf_reserve(out, 65536), 65536);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        err_set(why, "%s", strerror(errno));
                        goto out;
                }
                if (n == 0)
                        break;
                buf_added(out, (size_t)n);
                reading->bytes += (size_t)n;
                if (out->len > FILE_MAX || reading->bytes > TOTAL_MAX) {
                        err_set(why, "larger than %d MiB", (out->len > FILE_MAX ? FILE_MAX : TOTAL_MAX) >> 20);
                        goto out;
                }
        }
        rc = 0;
out:
        close(fd);
        return rc;
}

static const char *
dir_of(struct reading *reading, const char *path)
{
        const char *slash = strrchr(path, '/');
        char here[PATH_MAX];

        if (slash == path)
                return "/";
        const char *dir = slash != NULL ? arena_strndup(reading->arena, path, (size_t)(slash - path)) : NULL;
        if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
                return dir != NULL ? dir : ".";
        return dir != NULL ? arena_printf(reading->arena, "%s/%s", here, dir) : arena_strdup(reading->arena, here);
}

/* Reads one file into top. named is where its name stands, with a NULL source for the first file, which gives top its place. */
static bool
read_file(struct reading *reading, const char *path, struct place named, struct node *top)
{
        struct buf text = { 0 };
        struct source *source = ARENA_NEW(reading->arena, source);
        struct err why;
        bool ok = false;
        int depth = 0;

        source->path = arena_strdup(reading->arena, path);
        source->order = reading->files++;
        source->includer = named.source;
        if (named.source == NULL)
                named = top->place = (struct place){ source, 1 };
        if (load(reading, path, source, &text, &why) != 0) {
                complain_error(reading, named, "cannot read \"%s\": %s", path, why.text);
                goto out;
        }
        source->dir = dir_of(reading, path);
        for (const struct source *up = source->includer; up != NULL; up = up->includer, depth++) {
                if (up->device == source->device && up->inode == source->inode) {
                        complain_error(reading, named, "\"%s\" includes itself", path);
                        goto out;
                }
        }
        if (depth > INCLUDE_DEPTH_MAX) {
                complain_error(reading, named, "includes are nested more than %d deep", INCLUDE_DEPTH_MAX);
                goto out;
        }
        if (reading->files > FILES_MAX) {
                if (reading->files == FILES_MAX + 1)
                        complain_error(reading, named, "more than %d files are included", FILES_MAX);
                goto out;
        }

        const char *bytes = text.len > 0 ? buf_data(&text) : "";
        struct parser parser = { .reading = reading, .top = top };
        parser.lexer = (struct lexer){ .reading = reading, .source = source, .at = bytes, .end = bytes + text.len, .line = 1 };
        if (text.len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
                parser.lexer.at += 3;
        advance(&parser);
        parse_entries(&parser, top, 0);
        ok = true;
out:
        if (!ok)
                reading->bad_syntax = true;
        buf_free(&text);
        return ok;
}

static void
include_files(struct parser *parser, const char *pattern, int line)
{
        struct reading *reading = parser->reading;
        const char *path = parser->lexer.source->path, *slash = strrchr(path, '/');
        struct place place = place_of(parser, line);
        bool is_pattern = strpbrk(pattern, "*?[") != NULL;
        glob_t found;

        if (pattern[0] != '/' && slash != NULL)
                pattern = arena_printf(reading->arena, "%.*s/%s", (int)(slash - path), path, pattern);
        if (!is_pattern) {
                read_file(reading, pattern, place, parser->top);
                return;
        }
        int rc = glob(pattern, 0, NULL, &found);
        if (rc == GLOB_NOMATCH)
                return;
        if (rc != 0) {
                complain_error(reading, place, "cannot look for \"%s\"", pattern);
                return;
        }
        for (size_t i = 0; i < found.gl_pathc && reading->files <= FILES_MAX; i++)
                read_file(reading, found.gl_pathv[i], place, parser->top);
        globfree(&found);
}

bool
read_tree(struct reading *reading, const char *path, struct node *top)
{
        return read_file(reading, path, (struct place){ NULL, 0 }, top);
}

void
read_default(struct reading *reading, const char *text, struct node *setting)
{
        struct reading own = { .arena = reading->arena, .scratch = reading->scratch };
        struct parser parser = { .reading = &own };
        size_t room = 0;

        setting->is_list = text[0] == '{';
        if (!setting->is_list) {
                parser.token.text = text;
                add_item(&parser, setting, &room);
                return;
        }
        parser.lexer = (struct lexer){
                .reading = &own, .source = setting->place.source, .at = text, .end = text + strlen(text), .line = 1
        };
        advance(&parser);
        parse_list(&parser, setting);
        must(parser.token.kind == TOKEN_END && own.errors.count == 0);
}
