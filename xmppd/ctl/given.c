/*
 * given.c - kinds of sections, the settings of one that are given on a command line, and how they stand in a file
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/config/federation.h"
#include "xmppd/ctl/edit.h"

#include <stdio.h>
#include <string.h>

const struct kind kinds[] = {
        { "xmpp-policy", federation_policy_settings, NULL, false },
        { "xmpp-peer", federation_peer_settings, NULL, true },
        { "sip-domain", federation_sip_domain_settings, NULL, false },
        { "sip-route", NULL, NULL, false },
        { "sip-peer", federation_sip_peer_settings, "domains", false },
        { 0 },
};

const struct kind *
kind_of(const struct line *line)
{
        const struct kind *kind = kinds;

        while (!text_starts(line->command, kind->name) || line->command[strlen(kind->name)] != ' ')
                kind++;
        return kind;
}

bool
kind_is_route(const struct kind *kind)
{
        return kind->settings == NULL;
}

const struct setting *
kind_settings(const struct kind *kind)
{
        return kind_is_route(kind) ? federation_sip_route_inside[0].settings : kind->settings;
}

/* ---- to the file ---- */

void
given_put_quoted(struct buf *out, const char *text)
{
        buf_putc(out, '"');
        for (const char *c = text; *c != '\0'; c++) {
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        buf_printf(out, "\\x%02x", (unsigned char)*c);
                else
                        buf_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        }
        buf_putc(out, '"');
}

static bool
is_bare(const struct setting *setting, const char *value)
{
        bool is_text = setting->type != SETTING_BOOL && setting->type != SETTING_NUMBER && setting->type != SETTING_SECONDS &&
                setting->type != SETTING_CHOICE;

        return !is_text && value[0] != '\0' && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(value);
}

bool
given_is_list(const struct setting *setting)
{
        return setting->type == SETTING_LIST || setting->type == SETTING_DOMAINS || setting->type == SETTING_ADDRESSES;
}

static void
put_setting(struct buf *out, const struct setting *setting, const char *const *values, size_t count)
{
        buf_printf(out, " %s = %s", setting->name, given_is_list(setting) ? "{ " : "");
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buf_puts(out, ", ");
                if (is_bare(setting, values[i]))
                        buf_puts(out, values[i]);
                else
                        given_put_quoted(out, values[i]);
        }
        buf_puts(out, given_is_list(setting) ? " } " : " ");
}

void
given_put(struct buf *out, const struct edit *edit)
{
        const char *values[2 * WORDS_MAX];

        for (const struct setting *setting = kind_settings(edit->kind); setting->name != NULL; setting++) {
                size_t count = 0;
                for (size_t i = 0; i < edit->count; i++)
                        if (edit->given[i].setting == setting)
                                values[count++] = edit->given[i].value;
                if (count > 0)
                        put_setting(out, setting, values, count);
        }
}

const char *
given_value_of(struct ctl *ctl, const struct section *section, const struct setting *setting)
{
        if (setting->type == SETTING_BOOL)
                return config_bool(section, setting->name) ? "true" : "false";
        if (setting->type == SETTING_NUMBER || setting->type == SETTING_SECONDS)
                return arena_printf(ctl->arena, "%lld", (long long)config_number(section, setting->name));
        return config_text(section, setting->name);
}

void
given_put_hop(struct ctl *ctl, struct buf *out, const struct section *hop)
{
        buf_puts(out, " hop ");
        given_put_quoted(out, section_title(hop));
        buf_puts(out, " {");
        for (const struct setting *setting = federation_sip_route_inside[0].settings; setting->name != NULL; setting++) {
                const char *value = given_value_of(ctl, hop, setting);
                if (section_is_set(hop, setting->name))
                        put_setting(out, setting, &value, 1);
        }
        buf_puts(out, " }");
}

/* ---- from the command line ---- */

static const struct setting *
find_setting(const struct kind *kind, const char *name, size_t len)
{
        for (const struct setting *at = kind_settings(kind); at->name != NULL; at++)
                if (strlen(at->name) == len && memcmp(at->name, name, len) == 0)
                        return at;
        return NULL;
}

/* The setting that has this word among its choices: "deny" needs no "action =". */
static const struct setting *
find_choice(const struct kind *kind, const char *word)
{
        size_t len = strlen(word);

        for (const struct setting *at = kind_settings(kind); at->name != NULL; at++)
                for (const char *hit = at->type == SETTING_CHOICE && len > 0 ? at->choices : NULL;
                        hit != NULL && (hit = strstr(hit, word)) != NULL; hit += len)
                        if ((hit == at->choices || hit[-1] == '|') && (hit[len] == '|' || hit[len] == '\0'))
                                return at;
        return NULL;
}

static int
give(struct edit *edit, const struct setting *setting, const char *value)
{
        for (size_t i = 0; i < edit->count && !given_is_list(setting); i++)
                if (edit->given[i].setting == setting)
                        return refuse("%s is given twice: \"%s\" and \"%s\"", setting->name, edit->given[i].value, value);
        if (edit->count == array_len(edit->given))
                return refuse("too many values");
        edit->given[edit->count++] = (struct given){ setting, value };
        return DONE;
}

static int
give_named(struct edit *edit, const char *name, size_t len, const char *value)
{
        const struct setting *setting = find_setting(edit->kind, name, len);
        int status = DONE;

        if (setting == NULL)
                return refuse("%s has no setting %.*s: see man federation.conf", edit->kind->name, (int)len, name);
        if (!given_is_list(setting))
                return give(edit, setting, value);
        char *values = arena_strdup(edit->ctl->arena, value), *rest = values;
        for (char *item; status == DONE && (item = strtok_r(rest, ", ", &rest)) != NULL;)
                status = give(edit, setting, item);
        return status;
}

static int
give_word(struct edit *edit, const char *word)
{
        const char *equals = strchr(word, '=');
        const struct setting *choice = find_choice(edit->kind, word);

        if (equals != NULL && find_setting(edit->kind, word, (size_t)(equals - word)) != NULL)
                return give_named(edit, word, (size_t)(equals - word), equals + 1);
        if (choice != NULL)
                return give(edit, choice, word);
        if (edit->kind->list != NULL)
                return give_named(edit, edit->kind->list, strlen(edit->kind->list), word);
        return refuse("%s: do not know what \"%.60s\" is to set: write SETTING=VALUE", edit->kind->name, word);
}

/* "host:5061", "[::1]:5061": the port goes to the setting of that name. */
const char *
given_read_host(struct edit *edit, const char *text, int *status)
{
        const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');

        if (colon == NULL || colon < bracket || (bracket == NULL && strchr(text, ':') != colon))
                return text;
        *status = give_named(edit, "port", 4, colon + 1);
        return arena_strndup(edit->ctl->arena, text, (size_t)(colon - text));
}

int
given_read(struct edit *edit, const struct line *line, int first_word)
{
        int status = DONE;

        for (int i = first_word; status == DONE && i < line->count; i++)
                status = give_word(edit, line->words[i]);
        for (int i = 0; status == DONE && i < line->setting_count; i++)
                status = give_named(edit, line->settings[i].name, strlen(line->settings[i].name), line->settings[i].value);
        return status;
}
