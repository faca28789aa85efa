/*
 * edit.c - a file in federation.d while it is changed: read, checked in the place of the one that is there, and renamed
 */
#include "xmppd/ctl/edit.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

void
edit_close(struct edit *edit)
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

void
edit_look(struct edit *edit, struct ctl *ctl, const struct kind *kind)
{
        name_files(edit, ctl, kind);
        edit->is_there = read_file(edit->path, &edit->text) == 0;
        find_lines(edit);
}

int
edit_open(struct edit *edit, struct ctl *ctl, const struct kind *kind)
{
        name_files(edit, ctl, kind);
        if (mkdir(edit->dir, 0755) != 0 && errno != EEXIST)
                return refuse("cannot make %s: %s", edit->dir, strerror(errno));
        edit->lock = open(edit->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (edit->lock < 0 || flock(edit->lock, LOCK_EX) != 0)
                return refuse("cannot lock %s: %s", edit->dir, strerror(errno));
        for (const struct kind *each = kinds; each->name != NULL; each++) /* who was killed half-way may have left one */
                unlink(arena_printf(ctl->arena, "%s/%s.conf.new", edit->dir, each->name));
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

const struct section *
edit_find(const struct edit *edit, const char *name)
{
        const struct section *section = NULL;

        while ((section = section_next(edit->ctl->top, edit->kind->name, section)) != NULL)
                if (is_same_name(section_title(section), name))
                        return section;
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

ssize_t
edit_line_of(struct edit *edit, const struct section *section, size_t *len)
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

void
edit_replace(struct edit *edit, size_t at, size_t len, const char *with)
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
        else if (is_wanted && edit_find(edit, name) == NULL)
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

int
edit_commit(struct edit *edit, const char *name, const char *done, bool is_wanted)
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

void
edit_append(struct edit *edit, const char *line)
{
        if (edit->text.len == 0)
                buf_printf(&edit->text,
                        "# Written by `xmppctl %s`, one section a line. What stands here in another form is left alone.\n",
                        edit->kind->name);
        else if (buf_data(&edit->text)[edit->text.len - 1] != '\n')
                buf_putc(&edit->text, '\n');
        buf_printf(&edit->text, "%s\n", line);
}
