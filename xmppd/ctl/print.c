/*
 * print.c - JSON for people: objects as lines "name value", lists of objects as tables
 */
#include "shared/base/clock.h"
#include "xmppd/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 16, CELL = 32 };

/* Columns of a terminal that a UTF-8 text takes, one for each character. */
static int
width_of(const char *text)
{
        int width = 0;
        for (; *text != '\0'; text++)
                width += ((unsigned char)*text & 0xc0) != 0x80;
        return width;
}

static bool
is_time(const char *key)
{
        return key != NULL && (strcmp(key, "opened") == 0 || strcmp(key, "created") == 0);
}

static const char *
text_of(const struct json *value, char *room)
{
        switch (value->kind) {
        case JSON_TEXT:
                return value->text;
        case JSON_NUMBER:
                return is_time(value->key) ? clock_format(room, value->number) : value->text;
        case JSON_TRUE:
                return "yes";
        case JSON_FALSE:
                return "no";
        default:
                return "-";
        }
}

static void
print_cell(const char *text, int width)
{
        for (const char *c = text; *c != '\0'; c++)
                putchar((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
        for (int pad = width - width_of(text); pad > 0; pad--)
                putchar(' ');
}

static void
print_table(const struct json *list)
{
        int width[COLUMNS] = { 0 };
        char room[CLOCK_TEXT];

        for (const struct json *row = list->first; row != NULL; row = row->next) {
                int column = 0;
                for (const struct json *cell = row->first; cell != NULL && column < COLUMNS; cell = cell->next, column++) {
                        int w = width_of(text_of(cell, room)), head = width_of(cell->key);
                        width[column] = w > width[column] ? w : width[column];
                        width[column] = head > width[column] ? head : width[column];
                }
        }
        for (const struct json *row = list->first; row != NULL; row = row->next) {
                int column = 0;
                if (row == list->first) {
                        for (const struct json *cell = row->first; cell != NULL && column < COLUMNS; cell = cell->next, column++)
                                print_cell(cell->key, cell->next != NULL ? width[column] + 2 : 0);
                        putchar('\n');
                        column = 0;
                }
                for (const struct json *cell = row->first; cell != NULL && column < COLUMNS; cell = cell->next, column++)
                        print_cell(text_of(cell, room), cell->next != NULL ? width[column] + 2 : 0);
                putchar('\n');
        }
}

static void
print_list(const struct json *list)
{
        char room[CLOCK_TEXT];

        if (list->first != NULL && list->first->kind == JSON_OBJECT) {
                print_table(list);
                return;
        }
        for (const struct json *item = list->first; item != NULL; item = item->next) {
                print_cell(text_of(item, room), 0);
                putchar('\n');
        }
}

static void
print_object(const struct json *object, const char *before)
{
        char room[CLOCK_TEXT];
        int width = 0;

        for (const struct json *member = object->first; member != NULL; member = member->next)
                if (member->kind != JSON_OBJECT && member->kind != JSON_ARRAY && width_of(member->key) > width)
                        width = width_of(member->key);
        for (const struct json *member = object->first; member != NULL; member = member->next) {
                if (member->kind == JSON_OBJECT) {
                        printf("%s%s\n", before, member->key);
                        print_object(member, "  ");
                } else if (member->kind == JSON_ARRAY) {
                        if (member->first == NULL)
                                printf("%sno %s\n", before, member->key);
                        else if (object->first->next != NULL)
                                printf("%s%s\n", before, member->key);
                        print_list(member);
                } else if (member->kind != JSON_NULL) {
                        fputs(before, stdout);
                        print_cell(member->key, width + 2);
                        print_cell(text_of(member, room), 0);
                        putchar('\n');
                }
        }
}

void
ctl_print(const struct ctl *ctl, const char *json, size_t len)
{
        struct err err;
        struct json *document = ctl->json ? NULL : json_parse(ctl->arena, json, len, &err);

        if (document == NULL)
                printf("%.*s\n", (int)len, json);
        else if (document->kind == JSON_OBJECT)
                print_object(document, "");
        else if (document->kind == JSON_ARRAY)
                print_list(document);
}
