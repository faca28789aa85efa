/*
 * fragments.c - sections of federation.conf that are added, removed and listed by command
 *
 * What xmppctl writes stands in federation.d/KIND.conf beside xmppd.conf, one section a line; any other section is written by hand and left
 * alone. A change is written to KIND.conf.new, both daemons check their whole configuration with that in place of KIND.conf, and only what they
 * find good is renamed: a reload or a start at any moment sees the old file or the new one. The directory is locked meanwhile.
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/config/federation.h"
#include "shared/xmpp/jid.h"
#include "xmppd/ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct kind {
        const char *name;
        const struct setting *settings; /* NULL: a route, whose hops have the settings */
        const char *list;               /* where words go that are no choice of any setting; NULL: there are none */
        bool is_overlay;                /* what it does not set is as for all */
};

static const struct kind kinds[] = {
        { "xmpp-policy", federation_policy_settings, NULL, false },
        { "xmpp-peer", federation_peer_settings, NULL, true },
        { "sip-domain", federation_sip_domain_settings, NULL, false },
        { "sip-route", NULL, NULL, false },
        { "sip-peer", federation_sip_peer_settings, "domains", false },
};

struct given {
        const struct setting *setting;
        const char *value;
};

struct edit {
        struct ctl *ctl;
        const struct kind *kind;
        const char *dir, *path, *new_path;
        int lock; /* the directory */
        bool is_there;
        struct buf text; /* of the file */
        size_t *lines;   /* where each begins */
        size_t line_count;
        const char *last_file; /* of which was asked last whether it is this one */
        bool is_last_ours;
        struct given given[2 * WORDS_MAX];
        size_t count;
};

static const struct kind *
kind_of(const struct line *line)
{
        const struct kind *kind = kinds;

        while (!text_starts(line->command, kind->name) || line->command[strlen(kind->name)] != ' ')
                kind++;
        return kind;
}

static bool
is_route(const struct kind *kind)
{
        return kind->settings == NULL;
}

static const struct setting *
settings_of(const struct kind *kind)
{
        return is_route(kind) ? federation_sip_route_inside[0].settings : kind->settings;
}

/* Writing sections */

static void
put_quoted(struct buf *out, const char *text)
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

static bool
is_list(const struct setting *setting)
{
        return setting->type == SETTING_LIST || setting->type == SETTING_DOMAINS || setting->type == SETTING_ADDRESSES;
}

static void
put_setting(struct buf *out, const struct setting *setting, const char *const *values, size_t count)
{
        buf_printf(out, " %s = %s", setting->name, is_list(setting) ? "{ " : "");
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buf_puts(out, ", ");
                if (is_bare(setting, values[i]))
                        buf_puts(out, values[i]);
                else
                        put_quoted(out, values[i]);
        }
        buf_puts(out, is_list(setting) ? " } " : " ");
}

static void
put_given(struct buf *out, const struct edit *edit)
{
        const char *values[2 * WORDS_MAX];

        for (const struct setting *setting = settings_of(edit->kind); setting->name != NULL; setting++) {
                size_t count = 0;
                for (size_t i = 0; i < edit->count; i++)
                        if (edit->given[i].setting == setting)
                                values[count++] = edit->given[i].value;
                if (count > 0)
                        put_setting(out, setting, values, count);
        }
}

/* The value of any setting that is not a list, as text. */
static const char *
value_of(struct ctl *ctl, const struct section *section, const struct setting *setting)
{
        if (setting->type == SETTING_BOOL)
                return config_bool(section, setting->name) ? "true" : "false";
        if (setting->type == SETTING_NUMBER || setting->type == SETTING_SECONDS)
                return arena_printf(ctl->arena, "%lld", (long long)config_number(section, setting->name));
        return config_text(section, setting->name);
}

static void
put_hop(struct ctl *ctl, struct buf *out, const struct section *hop)
{
        buf_puts(out, " hop ");
        put_quoted(out, section_title(hop));
        buf_puts(out, " {");
        for (const struct setting *setting = federation_sip_route_inside[0].settings; setting->name != NULL; setting++) {
                const char *value = value_of(ctl, hop, setting);
                if (section_is_set(hop, setting->name))
                        put_setting(out, setting, &value, 1);
        }
        buf_puts(out, " }");
}

/* Reading the command line */

static const struct setting *
find_setting(const struct kind *kind, const char *name, size_t len)
{
        for (const struct setting *at = settings_of(kind); at->name != NULL; at++)
                if (strlen(at->name) == len && memcmp(at->name, name, len) == 0)
                        return at;
        return NULL;
}

/* The setting that has this word among its choices: "deny" needs no "action =". */
static const struct setting *
find_choice(const struct kind *kind, const char *word)
{
        size_t len = strlen(word);

        for (const struct setting *at = settings_of(kind); at->name != NULL; at++)
                for (const char *hit = at->type == SETTING_CHOICE && len > 0 ? at->choices : NULL;
                        hit != NULL && (hit = strstr(hit, word)) != NULL; hit += len)
                        if ((hit == at->choices || hit[-1] == '|') && (hit[len] == '|' || hit[len] == '\0'))
                                return at;
        return NULL;
}

static int
give(struct edit *edit, const struct setting *setting, const char *value)
{
        for (size_t i = 0; i < edit->count && !is_list(setting); i++)
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
        if (!is_list(setting))
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
static const char *
give_host(struct edit *edit, const char *text, int *status)
{
        const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');

        if (colon == NULL || colon < bracket || (bracket == NULL && strchr(text, ':') != colon))
                return text;
        *status = give_named(edit, "port", 4, colon + 1);
        return arena_strndup(edit->ctl->arena, text, (size_t)(colon - text));
}

static int
read_given(struct edit *edit, const struct line *line, int first_word)
{
        int status = DONE;

        for (int i = first_word; status == DONE && i < line->count; i++)
                status = give_word(edit, line->words[i]);
        for (int i = 0; status == DONE && i < line->setting_count; i++)
                status = give_named(edit, line->settings[i].name, strlen(line->settings[i].name), line->settings[i].value);
        return status;
}

/* The files */

static int
read_file(const char *path, struct buf *out)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : 1;

        while (n > 0) {
                n = read(fd, buf_reserve(out, 65536), 65536);
                buf_added(out, n > 0 ? (size_t)n : 0);
        }
        if (fd >= 0)
                close(fd);
        return n == 0 ? 0 : -1;
}

/* A new file: whoever may write into the directory cannot lead root elsewhere with a link. */
static int
write_file(const char *path, const struct buf *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        size_t done = 0;

        if (fd < 0)
                return -1;
        while (done < text->len) {
                ssize_t n = write(fd, buf_data(text) + done, text->len - done);
                if (n < 0 && errno != EINTR)
                        break;
                done += n > 0 ? (size_t)n : 0;
        }
        /* The daemons read it as another user, whatever our umask. */
        bool is_good = done == text->len && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
        return close(fd) == 0 && is_good ? 0 : -1;
}

static void
close_edit(struct edit *edit)
{
        if (edit->lock >= 0)
                close(edit->lock);
        buf_free(&edit->text);
        mem_free(edit->lines);
}

static void
find_lines(struct edit *edit)
{
        const char *text = edit->text.len > 0 ? buf_data(&edit->text) : "";
        size_t room = 0;

        for (size_t at = 0; at < edit->text.len; at++) {
                if (at > 0 && text[at - 1] != '\n')
                        continue;
                if (edit->line_count == room) {
                        room = room == 0 ? 64 : room * 2;
                        edit->lines = mem_resize(edit->lines, room, sizeof(*edit->lines));
                }
                edit->lines[edit->line_count++] = at;
        }
}

static void
name_files(struct edit *edit, struct ctl *ctl, const struct kind *kind)
{
        const char *slash = strrchr(ctl->file, '/');

        *edit = (struct edit){ .ctl = ctl, .kind = kind, .lock = -1 };
        edit->dir =
                slash == NULL ? "federation.d" : arena_printf(ctl->arena, "%.*s/federation.d", (int)(slash - ctl->file), ctl->file);
        edit->path = arena_printf(ctl->arena, "%s/%s.conf", edit->dir, kind->name);
        edit->new_path = arena_printf(ctl->arena, "%s.new", edit->path);
}

/* Locks the directory and reads what is there. */
static int
open_edit(struct edit *edit, struct ctl *ctl, const struct kind *kind)
{
        name_files(edit, ctl, kind);
        if (mkdir(edit->dir, 0755) != 0 && errno != EEXIST)
                return refuse("cannot make %s: %s", edit->dir, strerror(errno));
        edit->lock = open(edit->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (edit->lock < 0 || flock(edit->lock, LOCK_EX) != 0)
                return refuse("cannot lock %s: %s", edit->dir, strerror(errno));
        for (size_t i = 0; i < array_len(kinds); i++) /* who was killed half-way may have left one */
                unlink(arena_printf(ctl->arena, "%s/%s.conf.new", edit->dir, kinds[i].name));
        edit->is_there = read_file(edit->path, &edit->text) == 0;
        find_lines(edit);
        if (!edit->is_there && errno != ENOENT)
                return refuse("cannot read %s: %s", edit->path, strerror(errno));
        return ctl_read_federation(ctl) ? DONE : REFUSED;
}

static bool
is_same_name(const char *a, const char *b)
{
        char one[JID_PART_MAX + 1], other[JID_PART_MAX + 1];
        bool is_wildcard = text_starts(a, "*.");

        if (text_equal_nocase(a, b))
                return true;
        if (is_wildcard != text_starts(b, "*."))
                return false;
        return jid_prepare_domain(one, is_wildcard ? a + 2 : a) && jid_prepare_domain(other, is_wildcard ? b + 2 : b) &&
                strcmp(one, other) == 0;
}

static const struct section *
find_section(const struct edit *edit, const char *name)
{
        const struct section *section = NULL;

        while ((section = section_next(edit->ctl->top, edit->kind->name, section)) != NULL)
                if (is_same_name(section_title(section), name))
                        return section;
        return NULL;
}

static const struct section *
find_hop(const struct section *route, const char *host)
{
        const struct section *hop = NULL;

        while ((hop = section_next(route, "hop", hop)) != NULL)
                if (text_equal_nocase(section_title(hop), host))
                        return hop;
        return NULL;
}

/* Is it the same file as the one that xmppctl writes? There may be thousands of places in it. */
static bool
is_our_file(struct edit *edit, const char *file, size_t len)
{
        struct stat ours, there;

        if (edit->last_file != NULL && strlen(edit->last_file) == len && memcmp(edit->last_file, file, len) == 0)
                return edit->is_last_ours;
        edit->last_file = arena_strndup(edit->ctl->arena, file, len);
        edit->is_last_ours = stat(edit->path, &ours) == 0 && stat(edit->last_file, &there) == 0 && ours.st_ino == there.st_ino &&
                ours.st_dev == there.st_dev;
        return edit->is_last_ours;
}

/* Where the line of a section that xmppctl has written begins in the text of its file; len is without the line's end. Negative: it is written by
 * hand, in another file or in a form that is not ours. */
static ssize_t
line_of(struct edit *edit, const struct section *section, size_t *len)
{
        const char *place = section_place(section, NULL), *colon = strrchr(place, ':'), *name = edit->kind->name;
        int64_t number = text_number(colon + 1, INT32_MAX);

        if (!is_our_file(edit, place, (size_t)(colon - place)) || number < 1 || (size_t)number > edit->line_count)
                return -1;
        size_t at = edit->lines[number - 1], next = (size_t)number < edit->line_count ? edit->lines[number] : edit->text.len;
        const char *begin = buf_data(&edit->text) + at;
        *len = next - at - (begin[next - at - 1] == '\n');
        bool is_ours = *len > strlen(name) + 3 && memcmp(begin, name, strlen(name)) == 0 &&
                memcmp(begin + strlen(name), " \"", 2) == 0 && begin[*len - 1] == '}';
        return is_ours ? (ssize_t)at : -1;
}

static void
replace(struct edit *edit, size_t at, size_t len, const char *with)
{
        struct buf text = { 0 };

        buf_put(&text, buf_data(&edit->text), at);
        buf_puts(&text, with);
        buf_put(&text, buf_data(&edit->text) + at + len, edit->text.len - at - len);
        buf_free(&edit->text);
        edit->text = text;
}

static bool
has_sections(const struct edit *edit)
{
        const char *text = edit->text.len > 0 ? buf_data(&edit->text) : NULL;

        for (size_t at = 0; at < edit->text.len; at++)
                if ((at == 0 || text[at - 1] == '\n') && strchr("#\n", text[at]) == NULL)
                        return true;
        return false;
}

/* Only what stands in a file that is there already can be checked in the place of it, and an empty file says nothing. */
static int
check_new(struct edit *edit, const char *name, bool is_wanted)
{
        struct buf complaints = { 0 }, nothing = { 0 };
        int status = DONE;

        if (write_file(edit->new_path, &edit->text) != 0 || (!edit->is_there && write_file(edit->path, &nothing) != 0))
                return refuse("cannot write into %s: %s", edit->dir, strerror(errno));
        config_prefer_new_files();
        if (!ctl_read_federation(edit->ctl))
                status = REFUSED;
        else if (is_wanted && find_section(edit, name) == NULL)
                status = refuse("nothing reads %s: add include(\"federation.d/*.conf\") to federation.conf", edit->path);
        else if (ctl_check(edit->ctl, true, &complaints, NULL) != DONE)
                status = REFUSED;
        /* Warnings about the rest of the configuration have been heard before. */
        for (char *line = buf_text(&complaints), *rest = line; (line = strtok_r(rest, "\n", &rest)) != NULL;)
                if (!text_starts(line, "warning: ") || strstr(line, edit->path) != NULL)
                        fprintf(stderr, "%s\n", line);
        if (status != DONE && !edit->is_there)
                unlink(edit->path);
        buf_free(&complaints);
        return status;
}

/* Checks the text, puts it in the place of the file, and tells the daemons. */
static int
commit(struct edit *edit, const char *name, const char *done, bool is_wanted)
{
        struct buf report = { 0 }, out = { 0 };
        struct json_writer json = { .out = &out };
        int status = check_new(edit, name, is_wanted);

        if (status != DONE) {
                unlink(edit->new_path);
                return refuse("nothing was changed");
        }
        bool is_kept = has_sections(edit);
        if ((is_kept ? rename(edit->new_path, edit->path) : unlink(edit->path)) != 0)
                return refuse("cannot replace %s: %s", edit->path, strerror(errno));
        unlink(edit->new_path);
        fsync(edit->lock);
        status = ctl_reload(edit->ctl, &report);
        if (edit->ctl->json) {
                json_open_object(&json, NULL);
                json_put_text(&json, "section", edit->kind->name);
                json_put_text(&json, "name", name);
                json_put_text(&json, "done", done);
                json_put_text(&json, "file", edit->path);
                json_put_text(&json, "report", buf_text(&report));
                json_close_object(&json);
                puts(buf_text(&out));
        } else {
                printf("%s \"%s\": %s %s %s, %s\n", edit->kind->name, name, done, strcmp(done, "removed") == 0 ? "from" : "in",
                        edit->path, buf_text(&report));
        }
        buf_free(&report);
        buf_free(&out);
        return status;
}

static int
refuse_by_hand(const struct edit *edit, const struct section *section)
{
        return refuse("%s \"%s\" is written by hand: change it at %s", edit->kind->name, section_title(section),
                section_place(section, NULL));
}

static void
append_line(struct edit *edit, const char *line)
{
        if (edit->text.len == 0)
                buf_printf(&edit->text,
                        "# Written by `xmppctl %s`, one section a line. What stands here in another form is left alone.\n",
                        edit->kind->name);
        else if (buf_data(&edit->text)[edit->text.len - 1] != '\n')
                buf_putc(&edit->text, '\n');
        buf_printf(&edit->text, "%s\n", line);
}

/* A route with all its hops but one, and with what is given as another hop; either may be NULL. */
static void
put_route(struct buf *out, const struct edit *edit, const char *pattern, const struct section *route, const struct section *without,
        const char *added)
{
        const struct section *hop = NULL;

        buf_printf(out, "%s ", edit->kind->name);
        put_quoted(out, pattern);
        buf_puts(out, " {");
        while (route != NULL && (hop = section_next(route, "hop", hop)) != NULL)
                if (hop != without)
                        put_hop(edit->ctl, out, hop);
        if (added != NULL) {
                buf_puts(out, " hop ");
                put_quoted(out, added);
                buf_puts(out, " {");
                put_given(out, edit);
                buf_puts(out, " }");
        }
        buf_puts(out, " }");
}

static int
add_hop(struct edit *edit, const char *pattern, const char *host)
{
        const struct section *route = find_section(edit, pattern);
        const struct section *hop = route != NULL ? find_hop(route, host) : NULL;
        struct buf out = { 0 };
        size_t len;
        ssize_t at = route != NULL ? line_of(edit, route, &len) : 0;

        if (hop != NULL)
                return refuse("sip-route \"%s\" has hop \"%s\" already, at %s", pattern, host, section_place(hop, NULL));
        if (at < 0)
                return refuse_by_hand(edit, route);
        put_route(&out, edit, route != NULL ? section_title(route) : pattern, route, NULL, host);
        if (route != NULL)
                replace(edit, (size_t)at, len, buf_text(&out));
        else
                append_line(edit, buf_text(&out));
        buf_free(&out);
        return commit(edit, pattern, "added", true);
}

static int
add(struct edit *edit, const char *name)
{
        const struct section *first = find_section(edit, name);
        struct buf out = { 0 };

        if (first != NULL)
                return refuse("%s \"%s\" is there already, at %s", edit->kind->name, name, section_place(first, NULL));
        buf_printf(&out, "%s ", edit->kind->name);
        put_quoted(&out, name);
        buf_puts(&out, " {");
        put_given(&out, edit);
        buf_puts(&out, edit->count > 0 ? "}" : " }");
        append_line(edit, buf_text(&out));
        buf_free(&out);
        return commit(edit, name, "added", true);
}

int
section_add(struct ctl *ctl, const struct line *line)
{
        struct edit edit;
        const struct kind *kind = kind_of(line);
        const char *host = NULL;
        int status = open_edit(&edit, ctl, kind);

        if (status == DONE && is_route(kind))
                host = give_host(&edit, line->words[1], &status);
        if (status == DONE)
                status = read_given(&edit, line, is_route(kind) ? 2 : 1);
        if (status == DONE)
                status = is_route(kind) ? add_hop(&edit, line->words[0], host) : add(&edit, line->words[0]);
        close_edit(&edit);
        return status;
}

static int
del(struct edit *edit, const char *name, const char *host)
{
        const struct section *section = find_section(edit, name);
        const struct section *hop = section != NULL && host != NULL ? find_hop(section, host) : NULL;
        struct buf out = { 0 };
        size_t len;

        if (section == NULL)
                return refuse("there is no %s \"%s\"", edit->kind->name, name);
        if (host != NULL && hop == NULL)
                return refuse("%s \"%s\" has no hop \"%s\"", edit->kind->name, name, host);
        ssize_t at = line_of(edit, section, &len);
        if (at < 0)
                return refuse_by_hand(edit, section);
        bool is_last = hop == NULL || (section_next(section, "hop", NULL) == hop && section_next(section, "hop", hop) == NULL);
        if (is_last)
                len++; /* with the line's end */
        else
                put_route(&out, edit, section_title(section), section, hop, NULL);
        replace(edit, (size_t)at, len, buf_text(&out));
        buf_free(&out);
        return commit(edit, name, "removed", false);
}

int
section_del(struct ctl *ctl, const struct line *line)
{
        struct edit edit;
        int status = open_edit(&edit, ctl, kind_of(line));

        if (status == DONE)
                status = del(&edit, line->words[0], line->count > 1 ? line->words[1] : NULL);
        close_edit(&edit);
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
        } else if (!is_list(setting)) {
                json_put_text(json, setting->name, value_of(edit->ctl, section, setting));
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
        for (const struct setting *setting = settings_of(edit->kind); setting->name != NULL; setting++)
                list_value(edit, json, hop != NULL ? hop : section, setting);
        json_put_text(json, "written", line_of(edit, section, &len) < 0 ? "by hand" : "by xmppctl");
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

        name_files(&edit, ctl, kind_of(line));
        edit.is_there = read_file(edit.path, &edit.text) == 0;
        find_lines(&edit);
        if (!ctl_read_federation(ctl))
                return close_edit(&edit), REFUSED;
        json_open_array(&json, NULL);
        while ((section = section_next(ctl->top, edit.kind->name, section)) != NULL) {
                if (!is_route(edit.kind))
                        list_section(&edit, &json, section, NULL);
                while (is_route(edit.kind) && (hop = section_next(section, "hop", hop)) != NULL)
                        list_section(&edit, &json, section, hop);
        }
        json_close_array(&json);
        ctl_print(ctl, buf_text(&out), out.len);
        close_edit(&edit);
        buf_free(&out);
        return DONE;
}
