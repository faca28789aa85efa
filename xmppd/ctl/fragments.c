/*
 * fragments.c - sections of federation.conf that are added, removed and listed by command
 *
 * What xmppctl writes stands in federation.d/KIND.conf beside xmppd.conf, one section a line; any other section is written by hand and left
 * alone. A change is written to KIND.conf.new, both daemons check their whole configuration with that in place of KIND.conf, and only what they
 * find good is renamed: a reload or a start at any moment sees the old file or the new one. The directory is locked meanwhile.
 */
#include "shared/base/text.h"
#include "xmppd/ctl/edit.h"

static const struct section *
find_hop(const struct section *route, const char *host)
{
        const struct section *hop = NULL;

        while ((hop = section_next(route, "hop", hop)) != NULL)
                if (text_equal_nocase(section_title(hop), host))
                        return hop;
        return NULL;
}

static int
refuse_by_hand(const struct edit *edit, const struct section *section)
{
        return refuse("%s \"%s\" is written by hand: change it at %s", edit->kind->name, section_title(section),
                section_place(section, NULL));
}

/* A route with all its hops but one, and with what is given as another hop; either may be NULL. */
static void
put_route(struct buf *out, const struct edit *edit, const char *pattern, const struct section *route, const struct section *without,
        const char *added)
{
        const struct section *hop = NULL;

        buf_printf(out, "%s ", edit->kind->name);
        given_put_quoted(out, pattern);
        buf_puts(out, " {");
        while (route != NULL && (hop = section_next(route, "hop", hop)) != NULL)
                if (hop != without)
                        given_put_hop(edit->ctl, out, hop);
        if (added != NULL) {
                buf_puts(out, " hop ");
                given_put_quoted(out, added);
                buf_puts(out, " {");
                given_put(out, edit);
                buf_puts(out, " }");
        }
        buf_puts(out, " }");
}

static int
add_hop(struct edit *edit, const char *pattern, const char *host)
{
        const struct section *route = edit_find(edit, pattern);
        const struct section *hop = route != NULL ? find_hop(route, host) : NULL;
        struct buf out = { 0 };
        size_t len;
        ssize_t at = route != NULL ? edit_line_of(edit, route, &len) : 0;

        if (hop != NULL)
                return refuse("sip-route \"%s\" has hop \"%s\" already, at %s", pattern, host, section_place(hop, NULL));
        if (at < 0)
                return refuse_by_hand(edit, route);
        put_route(&out, edit, route != NULL ? section_title(route) : pattern, route, NULL, host);
        if (route != NULL)
                edit_replace(edit, (size_t)at, len, buf_text(&out));
        else
                edit_append(edit, buf_text(&out));
        buf_free(&out);
        return edit_commit(edit, pattern, "added", true);
}

static int
add(struct edit *edit, const char *name)
{
        const struct section *first = edit_find(edit, name);
        struct buf out = { 0 };

        if (first != NULL)
                return refuse("%s \"%s\" is there already, at %s", edit->kind->name, name, section_place(first, NULL));
        buf_printf(&out, "%s ", edit->kind->name);
        given_put_quoted(&out, name);
        buf_puts(&out, " {");
        given_put(&out, edit);
        buf_puts(&out, edit->count > 0 ? "}" : " }");
        edit_append(edit, buf_text(&out));
        buf_free(&out);
        return edit_commit(edit, name, "added", true);
}

int
section_add(struct ctl *ctl, const struct line *line)
{
        struct edit edit;
        const struct kind *kind = kind_of(line);
        const char *host = NULL;
        int status = edit_open(&edit, ctl, kind);

        if (status == DONE && kind_is_route(kind))
                host = given_read_host(&edit, line->words[1], &status);
        if (status == DONE)
                status = given_read(&edit, line, kind_is_route(kind) ? 2 : 1);
        if (status == DONE)
                status = kind_is_route(kind) ? add_hop(&edit, line->words[0], host) : add(&edit, line->words[0]);
        edit_close(&edit);
        return status;
}

static int
del(struct edit *edit, const char *name, const char *host)
{
        const struct section *section = edit_find(edit, name);
        const struct section *hop = section != NULL && host != NULL ? find_hop(section, host) : NULL;
        struct buf out = { 0 };
        size_t len;

        if (section == NULL)
                return refuse("there is no %s \"%s\"", edit->kind->name, name);
        if (host != NULL && hop == NULL)
                return refuse("%s \"%s\" has no hop \"%s\"", edit->kind->name, name, host);
        ssize_t at = edit_line_of(edit, section, &len);
        if (at < 0)
                return refuse_by_hand(edit, section);
        bool is_last = hop == NULL || (section_next(section, "hop", NULL) == hop && section_next(section, "hop", hop) == NULL);
        if (is_last)
                len++; /* with the line's end */
        else
                put_route(&out, edit, section_title(section), section, hop, NULL);
        edit_replace(edit, (size_t)at, len, buf_text(&out));
        buf_free(&out);
        return edit_commit(edit, name, "removed", false);
}

int
section_del(struct ctl *ctl, const struct line *line)
{
        struct edit edit;
        int status = edit_open(&edit, ctl, kind_of(line));

        if (status == DONE)
                status = del(&edit, line->words[0], line->count > 1 ? line->words[1] : NULL);
        edit_close(&edit);
        return status;
}

/* Lists */

static void
list_value(const struct edit *edit, struct json_writer *json, const struct section *section, const struct setting *setting)
{
        struct buf words = { 0 };
        bool is_number = setting->type == SETTING_NUMBER || setting->type == SETTING_SECONDS;

        if (edit->kind->is_overlay && !section_is_set(section, setting->name)) {
                json_put_text(json, setting->name, NULL);
        } else if (setting->type == SETTING_BOOL) {
                json_put_bool(json, setting->name, config_bool(section, setting->name));
        } else if (is_number) {
                json_put_number(json, setting->name, config_number(section, setting->name));
        } else if (!given_is_list(setting)) {
                json_put_text(json, setting->name, given_value_of(edit->ctl, section, setting));
        } else if (edit->ctl->json) {
                json_open_array(json, setting->name);
                for (size_t i = 0; i < config_list_count(section, setting->name); i++)
                        json_put_text(json, NULL, config_list_item(section, setting->name, i));
                json_close_array(json);
        } else {
                for (size_t i = 0; i < config_list_count(section, setting->name); i++)
                        buf_printf(&words, "%s%s", i > 0 ? " " : "", config_list_item(section, setting->name, i));
                json_put_text(json, setting->name, buf_text(&words));
        }
        buf_free(&words);
}

/* One row; hop is NULL for what is no route. */
static void
list_section(struct edit *edit, struct json_writer *json, const struct section *section, const struct section *hop)
{
        size_t len;

        json_open_object(json, NULL);
        json_put_text(json, "name", section_title(section));
        if (hop != NULL)
                json_put_text(json, "hop", section_title(hop));
        for (const struct setting *setting = kind_settings(edit->kind); setting->name != NULL; setting++)
                list_value(edit, json, hop != NULL ? hop : section, setting);
        json_put_text(json, "written", edit_line_of(edit, section, &len) < 0 ? "by hand" : "by xmppctl");
        json_put_text(json, "place", section_place(section, NULL));
        json_close_object(json);
}

int
section_list(struct ctl *ctl, const struct line *line)
{
        struct edit edit;
        const struct section *section = NULL, *hop = NULL;
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        edit_look(&edit, ctl, kind_of(line));
        if (!ctl_read_federation(ctl))
                return edit_close(&edit), REFUSED;
        json_open_array(&json, NULL);
        while ((section = section_next(ctl->top, edit.kind->name, section)) != NULL) {
                if (!kind_is_route(edit.kind))
                        list_section(&edit, &json, section, NULL);
                while (kind_is_route(edit.kind) && (hop = section_next(section, "hop", hop)) != NULL)
                        list_section(&edit, &json, section, hop);
        }
        json_close_array(&json);
        ctl_print(ctl, buf_text(&out), out.len);
        edit_close(&edit);
        buf_free(&out);
        return DONE;
}
