/*
 * restart.c - which changes a reload cannot bring about, as the setting tables say
 *
 * Of titled sections that hold such settings, a new and a removed one is such a change as a whole.
 */
#include "shared/config/config.h"

#include "shared/base/buf.h"

static void
note(struct buf *names, const char *section, const char *title, const char *setting)
{
        if (names->len > 0)
                buf_puts(names, ", ");
        buf_puts(names, section);
        if (title != NULL)
                buf_printf(names, " \"%s\"", title);
        if (setting != NULL)
                buf_printf(names, "%s%s", section[0] != '\0' ? "." : "", setting);
}

static void
compare(const struct section *before, const struct section *after, const struct section_rule *rule, struct buf *names)
{
        const char *title = rule->titled ? section_title(after) : NULL;

        for (const struct setting *setting = rule->settings; setting != NULL && setting->name != NULL; setting++)
                if (setting->when == AT_START && !section_same(before, after, setting->name))
                        note(names, rule->name, title, setting->name);
}

static bool
is_read_at_start(const struct section_rule *rule)
{
        for (const struct setting *setting = rule->settings; setting != NULL && setting->name != NULL; setting++)
                if (setting->when == AT_START)
                        return true;
        return false;
}

static void
compare_titled(const struct section *before, const struct section *after, const struct section_rule *rule, struct buf *names)
{
        for (const struct section *at = NULL; (at = section_next(after, rule->name, at)) != NULL;) {
                const struct section *old = section_titled(before, rule->name, section_title(at));
                if (old == NULL)
                        note(names, rule->name, section_title(at), NULL);
                else
                        compare(old, at, rule, names);
        }
        for (const struct section *at = NULL; (at = section_next(before, rule->name, at)) != NULL;)
                if (section_titled(after, rule->name, section_title(at)) == NULL)
                        note(names, rule->name, section_title(at), NULL);
}

bool
config_needs_restart(const struct section_rule *rules, const struct config *before, const struct config *after, struct buf *names)
{
        const struct section *old = config_top(before), *new = config_top(after);

        compare(old, new, rules, names);
        for (const struct section_rule *rule = rules->inside; rule != NULL && rule->name != NULL; rule++) {
                if (!is_read_at_start(rule))
                        continue;
                if (rule->titled)
                        compare_titled(old, new, rule, names);
                else
                        compare(section_of(old, rule->name), section_of(new, rule->name), rule, names);
        }
        return names->len > 0;
}
