/* form.h - data forms (XEP-0004), as extended information (XEP-0128), as questions, and as the answers that come back */
#ifndef SHARED_XMPP_FORM_H
#define SHARED_XMPP_FORM_H

#include "shared/xml/element.h"

#include <stdint.h>

#define NS_DATA "jabber:x:data"

/* ---- writing ---- */

/* Adds a form of type "result" whose FORM_TYPE (XEP-0068) is this; returns it for form_add. */
struct element *form_begin(struct arena *arena, struct element *parent, const char *form_type);
/* Adds a field with one value more each time it is called with the same name in a row. */
void form_add(struct arena *arena, struct element *form, const char *name, const char *value);
/* The same for a form of type "form": a field that must be filled in; type: "text-single" and the like (3.3). */
struct element *form_begin_question(struct arena *arena, struct element *parent, const char *form_type, const char *instructions);
void form_ask(struct arena *arena, struct element *form, const char *type, const char *name, const char *label);

/* ---- reading ---- */

enum { FORM_FIELDS_MAX = 100, FORM_VALUES_MAX = 1000 };

enum form_kind { FORM_FORM, FORM_SUBMIT, FORM_CANCEL, FORM_RESULT };

struct form_field {
        const char *name; /* "var" */
        const char *type; /* as written; NULL: left out */
        const char *const *values;
        size_t count;
};

/* A plain value; what it points to lives in the arena and the tree it was read from. */
struct form {
        enum form_kind kind;
        const char *form_type; /* FORM_TYPE of a hidden field, or of one without type in a submitted form; NULL: none */
        const struct form_field *fields;
        size_t count;
};

/* False: not a form, a field other than a fixed one without name, two fields of one name, or more fields or values than above (all forms have
 * fewer). Fixed fields are left out; so are the tables of a "result" (<reported/> and <item/>). */
bool form_read(struct form *form, struct arena *arena, const struct element *x);
/* NULL: there is no such field. */
const struct form_field *form_find(const struct form *form, const char *name);
/* The only value of the field; NULL: there is none, or there are several. */
const char *form_text(const struct form *form, const char *name);
/* 3.3: "1", "true", "0", "false". False: the field holds no such thing, *value is as it was. */
bool form_bool(const struct form *form, const char *name, bool *value);
/* A number from 0 to max; -1: the field holds no such thing. */
int64_t form_number(const struct form *form, const char *name, int64_t max);

#endif
