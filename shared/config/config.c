/*
 * config.c - snapshots: made in one go, asked without failing
 *
 * A snapshot is one arena. What is asked for and stands in no table is a mistake of ours and stops the process.
 */
#include "shared/config/config.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/config/config_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
complain(struct reading *reading, struct complaints *to, struct place place, const char *format, ...)
{
        char text[2048];
        va_list args;

        if (to->count == COMPLAINTS_MAX)
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        for (char *c = text; *c != '\0'; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        *c = '?';
        if (to->count == to->room) {
                to->room = to->room == 0 ? 8 : to->room * 2;
                to->all = mem_resize(to->all, to->room, sizeof(*to->all));
        }
        to->all[to->count] = (struct complaint){ place, to->count, arena_strdup(reading->arena, text) };
        to->count++;
}

static int
compare_complaints(const void *one, const void *two)
{
        const struct complaint *a = one, *b = two;

        if (a->place.source->order != b->place.source->order)
                return a->place.source->order < b->place.source->order ? -1 : 1;
        if (a->place.line != b->place.line)
                return a->place.line < b->place.line ? -1 : 1;
        return a->number < b->number ? -1 : 1;
}

static void
write_complaints(struct complaints *complaints, struct buf *out)
{
        if (complaints->count > 1)
                qsort(complaints->all, complaints->count, sizeof(*complaints->all), compare_complaints);
        for (size_t i = 0; i < complaints->count; i++) {
                const struct complaint *c = &complaints->all[i];
                buf_printf(out, "%s:%d: %s\n", c->place.source->path, c->place.line, c->text);
        }
        if (complaints->count == COMPLAINTS_MAX) {
                const struct complaint *last = &complaints->all[complaints->count - 1];
                buf_printf(out, "%s:%d: and perhaps more: only %d are shown\n", last->place.source->path, last->place.line,
                        COMPLAINTS_MAX);
        }
        mem_free(complaints->all);
}

struct config *
config_read(const char *path, const struct section_rule *rules, config_check *check, struct buf *errors, struct buf *warnings)
{
        struct arena *arena = arena_new(16384);
        struct reading reading = { .arena = arena, .scratch = arena_new(16384) };
        struct node top = { .is_section = true };
        struct config *config = ARENA_NEW(arena, config);

        must(rules->name[0] == '\0');
        top.name = "";
        atomic_init(&config->refs, 1);
        config->arena = arena;

        if (read_tree(&reading, path, &top))
                config->top = check_tree(&reading, &top, rules);
        bool bad_syntax = reading.bad_syntax, bad = reading.errors.count > 0;
        write_complaints(&reading.errors, errors);
        write_complaints(&reading.warnings, warnings);
        arena_free(&reading.scratch);
        if (!bad_syntax && check != NULL) {
                size_t len = errors->len;
                check(config, errors, warnings);
                bad = bad || errors->len != len;
        }
        if (bad || bad_syntax)
                config_unref(&config);
        return config;
}

struct config *
config_ref(struct config *config)
{
        atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
        return config;
}

void
config_unref(struct config **config)
{
        struct config *old = *config;

        *config = NULL;
        if (old == NULL || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel) != 1)
                return;
        struct arena *arena = old->arena;
        arena_free(&arena);
}

const struct section *
config_top(const struct config *config)
{
        return config->top;
}

static const struct value *
find_value(const struct section *section, const char *setting)
{
        const struct value *value = section->values;

        while (value->rule != NULL && value->rule->name != setting)
                value++;
        if (value->rule != NULL)
                return value;
        value = section->values;
        while (value->rule != NULL && strcmp(value->rule->name, setting) != 0)
                value++;
        must(value->rule != NULL);
        return value;
}

const char *
section_place(const struct section *section, const char *setting)
{
        return setting != NULL ? find_value(section, setting)->place : section->place;
}

bool
section_is_set(const struct section *section, const char *setting)
{
        return find_value(section, setting)->set;
}

bool
section_same(const struct section *a, const struct section *b, const char *setting)
{
        const struct value *one = find_value(a, setting), *two = find_value(b, setting);

        if (one->number != two->number || one->count != two->count)
                return false;
        for (size_t i = 0; i < one->count; i++)
                if (strcmp(one->items[i], two->items[i]) != 0)
                        return false;
        bool is_text = one->rule->type != SETTING_BOOL && one->rule->type != SETTING_NUMBER && one->rule->type != SETTING_SECONDS;
        return !is_text || is_list_type(one->rule->type) || strcmp(one->text, two->text) == 0;
}

bool
config_bool(const struct section *section, const char *setting)
{
        const struct value *value = find_value(section, setting);

        must(value->rule->type == SETTING_BOOL);
        return value->number != 0;
}

int64_t
config_number(const struct section *section, const char *setting)
{
        const struct value *value = find_value(section, setting);

        must(value->rule->type == SETTING_NUMBER || value->rule->type == SETTING_SECONDS);
        return value->number;
}

const char *
config_text(const struct section *section, const char *setting)
{
        const struct value *value = find_value(section, setting);

        must(!is_list_type(value->rule->type) && value->rule->type != SETTING_BOOL);
        must(value->rule->type != SETTING_NUMBER && value->rule->type != SETTING_SECONDS);
        return value->text;
}

size_t
config_list_count(const struct section *section, const char *setting)
{
        const struct value *value = find_value(section, setting);

        must(is_list_type(value->rule->type));
        return value->count;
}

const char *
config_list_item(const struct section *section, const char *setting, size_t i)
{
        const struct value *value = find_value(section, setting);

        must(i < value->count);
        return value->items[i];
}
