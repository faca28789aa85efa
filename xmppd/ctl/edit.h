/* edit.h - what the files behind add, del and list of federation.d share: kinds of sections, what was given, the file that changes
 *
 * Functions that return int return an exit status: DONE, or REFUSED after printing why.
 */
#ifndef XMPPD_CTL_EDIT_H
#define XMPPD_CTL_EDIT_H

#include "xmppd/ctl/ctl.h"

#include <sys/types.h>

struct kind {
        const char *name;
        const struct setting *settings; /* NULL: a route, whose hops have the settings */
        const char *list;               /* where words go that are no choice of any setting; NULL: there are none */
        bool is_overlay;                /* what it does not set is as for all */
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

/* ---- given.c ---- */

extern const struct kind kinds[];                    /* ends with one without name */
const struct kind *kind_of(const struct line *line); /* of a command that is for one of them */
bool kind_is_route(const struct kind *kind);
const struct setting *kind_settings(const struct kind *kind);
/* The words of the line from first_word on and its options, as settings of edit->kind. */
int given_read(struct edit *edit, const struct line *line, int first_word);
/* HOST or HOST:PORT; gives the host, and the port is given as the setting of that name. status is set where that is refused. */
const char *given_read_host(struct edit *edit, const char *text, int *status);
/* As they stand in a file. */
void given_put_quoted(struct buf *out, const char *text);
void given_put(struct buf *out, const struct edit *edit);
void given_put_hop(struct ctl *ctl, struct buf *out, const struct section *hop);
/* The value of any setting that is not a list, as text. */
const char *given_value_of(struct ctl *ctl, const struct section *section, const struct setting *setting);
bool given_is_list(const struct setting *setting);

/* ---- edit.c ---- */

/* Locks the directory and reads what is there. Close it in any case. */
int edit_open(struct edit *edit, struct ctl *ctl, const struct kind *kind);
/* Reads only, and locks nothing. */
void edit_look(struct edit *edit, struct ctl *ctl, const struct kind *kind);
void edit_close(struct edit *edit);
/* A section of this kind, in whichever file; NULL: there is none. */
const struct section *edit_find(const struct edit *edit, const char *name);
/* Where the line of a section that xmppctl has written begins in the text of its file; len is without the line's end. Negative: it is written by
 * hand, in another file or in a form that is not ours. */
ssize_t edit_line_of(struct edit *edit, const struct section *section, size_t *len);
void edit_replace(struct edit *edit, size_t at, size_t len, const char *with);
void edit_append(struct edit *edit, const char *line);
/* Checks the text, puts it in the place of the file, and tells the daemons. done: "added", "removed". is_wanted: the section called name has to be
 * there afterwards. */
int edit_commit(struct edit *edit, const char *name, const char *done, bool is_wanted);

#endif
