/*
 * value.c - one value against its row in a setting table
 *
 * Says what was expected and what was found, except of secrets. A value with an error is left alone: the caller gives it its default.
 */
#include "shared/config/config_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/address.h"
#include "shared/xmpp/jid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECONDS_MAX = 315360000 }; /* ten years */

/* "none|optional|required" as "none, optional or required". */
static const char *
list_choices(struct reading *reading, const char *choices)
{
        struct buf text = { 0 };

        for (const char *at = choices; *at != '\0';) {
                size_t len = strcspn(at, "|");
                const char *next = at[len] == '|' ? at + len + 1 : at + len;
                if (len == 0)
                        buf_puts(&text, "\"\"");
                else
                        buf_put(&text, at, len);
                if (*next != '\0')
                        buf_puts(&text, strchr(next, '|') != NULL ? ", " : " or ");
                at = next;
        }
        const char *kept = arena_strdup(reading->arena, buf_text(&text));
        buf_free(&text);
        return kept;
}

static bool
is_choice(const char *choices, const char *text)
{
        size_t wanted = strlen(text);

        for (const char *at = choices;; at++) {
                size_t len = strcspn(at, "|");
                if (len == wanted && memcmp(at, text, len) == 0)
                        return true;
                at += len;
                if (*at == '\0')
                        return false;
        }
}

static bool
parse_number(const char *text, int64_t *number)
{
        bool negative = text[0] == '-';
        int64_t digits = text_number(text + negative, INT64_MAX);

        if (digits < 0)
                return false;
        *number = negative ? -digits : digits;
        return true;
}

static void
check_number(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value)
{
        int64_t min = 0, max = rule->type == SETTING_SECONDS ? SECONDS_MAX : INT64_MAX, number;
        const char *text = node->items[0], *what = rule->type == SETTING_SECONDS ? "a number of seconds" : "a number";

        if (rule->choices != NULL) {
                const char *dots = strstr(rule->choices, "..");
                min = strtoll(rule->choices, NULL, 10);
                if (dots != NULL && dots[2] != '\0')
                        max = strtoll(dots + 2, NULL, 10);
        }
        if (parse_number(text, &number) && number >= min && number <= max) {
                value->number = number;
                return;
        }
        if (max == INT64_MAX)
                complain_error(reading, node->place, "%s: expected %s, at least %lld, without a unit, found \"%.60s\"", rule->name,
                        what, (long long)min, text);
        else
                complain_error(reading, node->place, "%s: expected %s from %lld to %lld, without a unit, found \"%.60s\"",
                        rule->name, what, (long long)min, (long long)max, text);
}

static void
check_bool(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value)
{
        static const char *const yes[] = { "true", "yes", "on" }, *const no[] = { "false", "no", "off" };

        for (int i = 0; i < 3; i++) {
                bool is_yes = text_equal_nocase(node->items[0], yes[i]);
                if (is_yes || text_equal_nocase(node->items[0], no[i])) {
                        value->number = is_yes;
                        return;
                }
        }
        complain_error(reading, node->place, "%s: expected true or false (or yes, no, on, off), found \"%.60s\"", rule->name,
                node->items[0]);
}

static const char *
whole_path(struct reading *reading, const struct node *node, const char *path)
{
        if (path[0] == '\0' || path[0] == '/')
                return path;
        return arena_printf(reading->arena, "%s/%s", node->place.source->dir, path);
}

/* The first line of the file. */
static void
check_secret(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value)
{
        char line[SECRET_MAX + 1];

        if (!text_starts(node->items[0], "file:"))
                return;
        value->text = "";
        const char *path = whole_path(reading, node, node->items[0] + strlen("file:"));
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) != 0) {
                complain_error(
                        reading, node->place, "%s: cannot read the secret from \"%s\": %s", rule->name, path, strerror(errno));
                goto out;
        }
        ssize_t len = S_ISREG(st.st_mode) ? read(fd, line, sizeof(line)) : 0;
        size_t end = 0;
        while (len > 0 && end < (size_t)len && line[end] != '\n' && line[end] != '\r')
                end++;
        if (len <= 0 || end == 0)
                complain_error(
                        reading, node->place, "%s: the first line of \"%s\" is empty: expected the secret there", rule->name, path);
        else if (end > SECRET_MAX || !text_is_utf8(line, end) || memchr(line, '\0', end) != NULL)
                complain_error(reading, node->place, "%s: the first line of \"%s\" is no text of at most %d bytes", rule->name,
                        path, SECRET_MAX);
        else
                value->text = arena_strndup(reading->arena, line, end);
        if ((st.st_mode & (S_IRWXO)) != 0)
                complain(reading, &reading->warnings, node->place,
                        "%s: everyone on this machine may read \"%s\": chmod o= is safer", rule->name, path);
        mem_wipe(line, sizeof(line));
out:
        if (fd >= 0)
                close(fd);
}

static const char *
check_domain(struct reading *reading, const struct node *node, const char *name, const char *text)
{
        char prepared[JID_PART_MAX + 1];

        if (jid_prepare_domain(prepared, text))
                return arena_strdup(reading->arena, prepared);
        complain_error(reading, node->place,
                "%s: \"%.60s\" is not a domain name: expected letters, digits, hyphens and dots, at most 255 characters", name,
                text);
        return NULL;
}

static void
check_list(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value)
{
        const char **items = arena_alloc(reading->arena, (node->count + 1) * sizeof(*items));
        size_t count = 0;

        for (size_t i = 0; i < node->count; i++) {
                const char *item = node->items[i];
                struct address address;
                struct err why;
                if (rule->type == SETTING_ADDRESSES && address_parse(&address, item, &why) != 0) {
                        complain_error(reading, node->place,
                                "%s: expected addresses like \"127.0.0.1:5222\" or \"[::]:5222\", found \"%.60s\"", rule->name,
                                item);
                        continue;
                }
                if (rule->type == SETTING_DOMAINS)
                        item = check_domain(reading, node, rule->name, item);
                if (item != NULL)
                        items[count++] = item;
        }
        value->items = items;
        value->count = count;
}

bool
is_list_type(enum setting_type type)
{
        return type == SETTING_LIST || type == SETTING_ADDRESSES || type == SETTING_DOMAINS;
}

void
check_value(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value)
{
        if (is_list_type(rule->type)) {
                check_list(reading, node, rule, value);
                return;
        }
        if (node->is_list) {
                complain_error(reading, node->place, "%s: expected one value, found a list", rule->name);
                return;
        }
        value->text = node->items[0];
        switch (rule->type) {
        case SETTING_BOOL:
                check_bool(reading, node, rule, value);
                break;
        case SETTING_NUMBER:
        case SETTING_SECONDS:
                check_number(reading, node, rule, value);
                break;
        case SETTING_PATH:
                value->text = whole_path(reading, node, node->items[0]);
                break;
        case SETTING_SECRET:
                check_secret(reading, node, rule, value);
                break;
        case SETTING_CHOICE:
                if (!is_choice(rule->choices, node->items[0]))
                        complain_error(reading, node->place, "%s: expected %s, found \"%.60s\"", rule->name,
                                list_choices(reading, rule->choices), node->items[0]);
                break;
        case SETTING_DOMAIN:
                if (node->items[0][0] != '\0') {
                        const char *domain = check_domain(reading, node, rule->name, node->items[0]);
                        value->text = domain != NULL ? domain : "";
                }
                break;
        case SETTING_TEXT:
        case SETTING_LIST:
        case SETTING_ADDRESSES:
        case SETTING_DOMAINS:
                break;
        }
}
