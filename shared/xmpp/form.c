/*
 * form.c - fields and values
 */
#include "shared/xmpp/form.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#define FORM_TYPE "FORM_TYPE"

static const char *const kinds[] = {
        [FORM_FORM] = "form", [FORM_SUBMIT] = "submit", [FORM_CANCEL] = "cancel", [FORM_RESULT] = "result"
};

/* ---- writing ---- */

static struct element *
add_field(struct arena *arena, struct element *form, const char *name)
{
        struct element *field = element_add(arena, form, "field", NULL);

        element_set(arena, field, "var", name);
        return field;
}

static struct element *
begin(struct arena *arena, struct element *parent, enum form_kind kind)
{
        struct element *form = element_add(arena, parent, "x", NS_DATA);

        element_set(arena, form, "type", kinds[kind]);
        return form;
}

static void
add_form_type(struct arena *arena, struct element *form, const char *form_type)
{
        struct element *field = add_field(arena, form, FORM_TYPE);

        element_set(arena, field, "type", "hidden");
        element_add_text(arena, field, "value", NULL, form_type);
}

struct element *
form_begin(struct arena *arena, struct element *parent, const char *form_type)
{
        struct element *form = begin(arena, parent, FORM_RESULT);

        add_form_type(arena, form, form_type);
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

struct element *
form_begin_question(struct arena *arena, struct element *parent, const char *form_type, const char *instructions)
{
        struct element *form = begin(arena, parent, FORM_FORM);

        element_add_text(arena, form, "instructions", NULL, instructions);
        add_form_type(arena, form, form_type);
        return form;
}

void
form_ask(struct arena *arena, struct element *form, const char *type, const char *name, const char *label)
{
        struct element *field = add_field(arena, form, name);

        element_set(arena, field, "type", type);
        element_set(arena, field, "label", label);
        element_add(arena, field, "required", NULL);
}

/* ---- reading ---- */

static bool
read_kind(enum form_kind *kind, const char *type)
{
        for (size_t i = 0; i < array_len(kinds); i++)
                if (text_equal(kinds[i], type)) {
                        *kind = (enum form_kind)i;
                        return true;
                }
        return false;
}

static size_t
count_values(const struct element *field)
{
        size_t count = 0;

        for (const struct element *child = element_first(field); child != NULL; child = element_next(child))
                count += element_is(child, "value", NS_DATA);
        return count;
}

static void
read_values(struct form_field *field, struct arena *arena, const struct element *element)
{
        const char **values = arena_alloc(arena, field->count * sizeof(*values));
        size_t at = 0;

        for (const struct element *child = element_first(element); child != NULL; child = element_next(child))
                if (element_is(child, "value", NS_DATA))
                        values[at++] = element_text(child, arena);
        field->values = values;
}

/* 3.2 of XEP-0068: hidden; in a submitted form the type of a field may be left out. */
static const char *
find_form_type(const struct form *form)
{
        const struct form_field *field = form_find(form, FORM_TYPE);

        if (field == NULL || field->count != 1)
                return NULL;
        bool is_hidden = field->type == NULL ? form->kind == FORM_SUBMIT : text_equal(field->type, "hidden");
        return is_hidden ? field->values[0] : NULL;
}

bool
form_read(struct form *form, struct arena *arena, const struct element *x)
{
        struct form_field *fields;
        size_t values = 0;

        *form = (struct form){ 0 };
        if (x == NULL || !element_is(x, "x", NS_DATA) || !read_kind(&form->kind, element_attribute(x, "type")))
                return false;
        form->fields = fields = arena_alloc(arena, FORM_FIELDS_MAX * sizeof(*fields));
        for (const struct element *child = element_first(x); child != NULL; child = element_next(child)) {
                const char *name = element_attribute(child, "var"), *type = element_attribute(child, "type");
                if (!element_is(child, "field", NS_DATA) || text_equal(type, "fixed"))
                        continue;
                struct form_field *field = &fields[form->count];
                size_t count = count_values(child);
                values += count;
                if (name == NULL || form->count == FORM_FIELDS_MAX || values > FORM_VALUES_MAX || form_find(form, name) != NULL)
                        return false;
                *field = (struct form_field){ .name = name, .type = type, .count = count };
                read_values(field, arena, child);
                form->count++;
        }
        form->form_type = find_form_type(form);
        return true;
}

const struct form_field *
form_find(const struct form *form, const char *name)
{
        for (size_t i = 0; i < form->count; i++)
                if (text_equal(form->fields[i].name, name))
                        return &form->fields[i];
        return NULL;
}

const char *
form_text(const struct form *form, const char *name)
{
        const struct form_field *field = form_find(form, name);

        return field != NULL && field->count == 1 ? field->values[0] : NULL;
}

bool
form_bool(const struct form *form, const char *name, bool *value)
{
        const char *text = form_text(form, name);

        if (text_equal(text, "1") || text_equal(text, "true"))
                *value = true;
        else if (text_equal(text, "0") || text_equal(text, "false"))
                *value = false;
        else
                return false;
        return true;
}

int64_t
form_number(const struct form *form, const char *name, int64_t max)
{
        const char *text = form_text(form, name);

        return text != NULL && text[0] != '\0' ? text_number(text, max) : -1;
}
