/* config_private.h - what the files of this room share: tokens, the tree as it was written, complaints
 *
 * lexer.c makes tokens of bytes, reader.c a tree of tokens (and of included files), check.c sections with values of the tree and the
 * tables, sections.c finds sections, config.c answers questions about these.
 */
#ifndef SHARED_CONFIG_CONFIG_PRIVATE_H
#define SHARED_CONFIG_CONFIG_PRIVATE_H

#include "shared/base/arena.h"
#include "shared/config/config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
        FILE_MAX = 16 << 20,  /* bytes of one file: 100,000 exceptions take 7 */
        TOTAL_MAX = 32 << 20, /* of a configuration with its includes */
        FILES_MAX = 4096,
        WORD_MAX = 16384, /* bytes of one word or string */
        ITEMS_MAX = 10000,
        SECTION_DEPTH_MAX = 8,
        INCLUDE_DEPTH_MAX = 10,
        COMPLAINTS_MAX = 100,
        SECRET_MAX = 4096,
};

/* A file that was read. */
struct source {
        const char *path; /* as an error names it */
        const char *dir;  /* absolute; what relative paths in the file count from */
        int order;
        dev_t device;
        ino_t inode;
        const struct source *includer; /* NULL: the file given on the command line */
};

struct place {
        const struct source *source;
        int line;
};

enum token_kind {
        TOKEN_END,
        TOKEN_WORD,   /* bare */
        TOKEN_STRING, /* in quotes */
        TOKEN_EQUALS,
        TOKEN_PLUS_EQUALS,
        TOKEN_OPEN,
        TOKEN_CLOSE,
        TOKEN_PAREN_OPEN,
        TOKEN_PAREN_CLOSE,
        TOKEN_COMMA,
        TOKEN_SEMICOLON,
        TOKEN_BAD, /* already complained about */
};

struct token {
        enum token_kind kind;
        int line;
        const char *text; /* of words and strings, escapes resolved; in the arena */
};

struct complaint {
        struct place place;
        size_t number;
        const char *text;
};

struct complaints {
        struct complaint *all;
        size_t count, room;
};

/* One attempt to read a configuration. */
struct reading {
        struct arena *arena;   /* of the snapshot */
        struct arena *scratch; /* of the tree: gone when the sections are made */
        struct complaints errors, warnings;
        bool bad_syntax; /* the tree has holes: do not complain of what is missing */
        int files;
        size_t bytes;
};

struct lexer {
        struct reading *reading;
        const struct source *source;
        const char *at, *end;
        int line;
        bool skipping; /* after an error: no further complaints */
};

/* The tree as written. */
struct node {
        struct node *next;
        const char *name;
        struct place place;
        bool is_section;
        /* a setting */
        bool is_list;
        size_t count;
        const char **items;
        /* a section; title is NULL if there is none */
        const char *title;
        struct node *first, *last;
};

struct value {
        const struct setting *rule;
        bool set;
        const char *place; /* "FILE:LINE" */
        int64_t number;    /* also truth */
        const char *text;
        const char *const *items;
        size_t count;
};

/* The sections of one kind inside another. */
struct kin {
        struct section *first, *last;
        size_t count;
        struct section **table; /* by title; NULL while there are few */
        size_t size;            /* of the table: a power of two */
};

struct section {
        struct section *next; /* the next one of its kind inside the same section, in file order */
        const struct section_rule *rule;
        const char *title;
        const char *place;
        struct value *values; /* one for each row of rule->settings */
        struct kin *kin;      /* one for each row of rule->inside */
};

struct config {
        atomic_uint refs;
        struct arena *arena;
        struct section *top;
};

void complain(struct reading *reading, struct complaints *to, struct place place, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* The same as an error. */
#define complain_error(reading, place, ...) complain((reading), &(reading)->errors, (place), __VA_ARGS__)

/* Takes the next token; complains itself of bytes that are none. */
struct token lexer_next(struct lexer *lexer);

/* The file at path, with its includes, as children of top. False: it could not be read at all (complained at `named`). */
bool read_tree(struct reading *reading, const char *path, struct node *top);
/* Values of a default as it stands in a table. Our own text: must be right. */
void read_default(struct reading *reading, const char *text, struct node *setting);

/* The sections and values that the tree gives by these rules; complains of all that does not fit. */
struct section *check_tree(struct reading *reading, const struct node *top, const struct section_rule *rules);
bool is_list_type(enum setting_type type);
/* rule is a row of in->rule->inside. The title stands in the section already. */
void section_append(struct arena *arena, struct section *in, struct section *section);
/* The section of this kind and title ("" where the kind has none), or NULL. */
struct section *section_find(const struct section *in, const struct section_rule *rule, const char *title);
/* One setting's value from its node. */
void check_value(struct reading *reading, const struct node *node, const struct setting *rule, struct value *value);
/* The candidate that was probably meant, or NULL. best starts as the largest distance allowed plus one. */
void suggest(const char *written, const char *candidate, const char **meant, int *best);
int suggest_limit(const char *written);

#endif
