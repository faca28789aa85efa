/* form.h - data forms (XEP-0004) as extended information (XEP-0128) */
#ifndef SHARED_XMPP_FORM_H
#define SHARED_XMPP_FORM_H

#include "shared/xml/element.h"

/* Adds a form of type "result" whose FORM_TYPE (XEP-0068) is this; returns it for form_add. */
struct element *form_begin(struct arena *arena, struct element *parent, const char *form_type);
/* Adds a field with one value more each time it is called with the same name in a row. */
void form_add(struct arena *arena, struct element *form, const char *name, const char *value);

#endif
