/* config.h - configuration files: our own reader of the syntax in the manual, setting tables, immutable snapshots
 *
 * Reading collects every error of a file, each "FILE:LINE: message". A snapshot that loads without errors has a value for every setting of its
 * tables, checked against type and range: getters never fail (asking for what no table names is a fault of ours).
 */
#ifndef SHARED_CONFIG_CONFIG_H
#define SHARED_CONFIG_CONFIG_H

#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
        SETTING_BOOL,
        SETTING_NUMBER,  /* choices "min..max" or NULL */
        SETTING_SECONDS, /* a number of seconds */
        SETTING_TEXT,
        SETTING_PATH,      /* relative ones count from the file that names them; the getter gives the absolute path */
        SETTING_SECRET,    /* text, or file:PATH whose first line it is; never printed */
        SETTING_CHOICE,    /* choices "none|optional|required"; "|a" allows an empty one */
        SETTING_LIST,      /* of texts; a single value is a list of one */
        SETTING_ADDRESSES, /* list of IP:PORT */
        SETTING_DOMAIN,    /* prepared as a JID domain */
        SETTING_DOMAINS,   /* list of these */
};

enum setting_when { LIVE, AT_START }; /* does a reload change it? */

/* One row: name "max-stanza", type, default as it would be written in the file (NULL: required), when, help for the manual, choices. */
struct setting {
        const char *name;
        enum setting_type type;
        const char *value;
        enum setting_when when;
        const char *help;
        const char *choices;
};

/* One kind of section; the file's top level is the section with name "". Ends with a NULL name. */
struct section_rule {
        const char *name;
        bool titled;                       /* section "TITLE" { } ; may occur several times, each title once */
        const struct setting *settings;    /* ends with a NULL name; NULL: none */
        const struct section_rule *inside; /* NULL: none */
        bool title_is_domain;              /* prepared; an invalid one is an error */
        const char *unbuilt;               /* not NULL: parses, logs this warning once, opens nothing */
        bool loose;                        /* what the table does not name is passed over: for who needs only a part of a file */
};

struct config; /* a snapshot: immutable, counted, any thread */
struct section;

/* What no single row can tell: values that do not fit together. Appends lines "PLACE: message\n" (places from section_place). Runs also when rows
 * have complained: values with an error hold their defaults then, required ones "". */
typedef void config_check(const struct config *config, struct buf *errors, struct buf *warnings);

/* Reads file with its includes. On any error: NULL and the errors, a line each, in errors. Warnings go to `warnings` likewise. rules is the
 * top level (its name is ""); check may be NULL. */
struct config *
config_read(const char *path, const struct section_rule *rules, config_check *check, struct buf *errors, struct buf *warnings);
/* From now on FILE.new is read in place of each FILE beside which it stands, and errors name FILE: to check what is about to be written. Before
 * threads run. */
void config_prefer_new_files(void);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);
const struct section *config_top(const struct config *config);

/* The untitled section of this name: always there, with defaults if the file has none. */
const struct section *section_of(const struct section *in, const char *name);
/* Titled sections in file order: start with NULL. */
const struct section *section_next(const struct section *in, const char *name, const struct section *before);
const struct section *section_titled(const struct section *in, const char *name, const char *title);
const char *section_title(const struct section *section);
/* "FILE:LINE" of the section (setting NULL), or of one setting in it (of the section where it has its default). For errors found by cross-checks. */
const char *section_place(const struct section *section, const char *setting);
bool section_is_set(const struct section *section, const char *setting); /* written in the file, not defaulted */
/* Do both sections (of the same rule) have the same value for it? */
bool section_same(const struct section *a, const struct section *b, const char *setting);
/* Appends what differs and is read at the start only, as `workers, store.map-size, listen "main".port`; false if nothing is. */
bool
config_needs_restart(const struct section_rule *rules, const struct config *before, const struct config *after, struct buf *names);

bool config_bool(const struct section *section, const char *setting);
int64_t config_number(const struct section *section, const char *setting);   /* NUMBER and SECONDS */
const char *config_text(const struct section *section, const char *setting); /* TEXT, PATH, SECRET, CHOICE, DOMAIN; "" if empty */
size_t config_list_count(const struct section *section, const char *setting);
const char *config_list_item(const struct section *section, const char *setting, size_t i);

#endif
