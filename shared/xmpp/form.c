/*
 * form.c - fields and values
 */
#include "shared/xmpp/form.h"

#include "shared/base/text.h"

#define NS_DATA "jabber:x:data"

static struct element *
add_field(struct arena *arena, struct element *form, const char *name)
{
        struct element *field = element_add(arena, form, "field", NULL);

        element_set(arena, field, "var", name);
        return field;
}

struct element *
form_begin(struct arena *arena, struct element *parent, const char *form_type)
{
        struct element *form = element_add(arena, parent, "x", NS_DATA);
        struct element *field = add_field(arena, form, "FORM_TYPE");

        element_set(arena, form, "type", "result");
        element_set(arena, field, "type", "hidden");
        element_add_text(arena, field, "value", NULL, form_type);
        return form;
}

void
form_add(struct arena *arena, struct element *form, const char *name, const char *value)
{
        struct element *field = form->last;

        if (field == NULL || !text_equal(element_attribute(field, "var"), name))
                field = add_field(arena, form, name);
        element_add_text(arena, field, "value", NULL, value);
}
