/*
 * disco.c - identities, features and forms, and their hash
 *
 * The hash is made of parts that are each ended by '<', so a '<' inside of a part must not count: it is written as "&lt;" (5.1). Forms whose
 * FORM_TYPE is missing or not hidden are no part of it (5.4).
 */
#include "shared/xmpp/disco.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"

#include <stdlib.h>
#include <string.h>

#define FORM_TYPE "FORM_TYPE"

/* ---- order ---- */

static int
compare_texts(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
compare_identities(const void *a, const void *b)
{
        const struct disco_identity *one = a, *other = b;
        int order = strcmp(one->category, other->category);

        if (order == 0)
                order = strcmp(one->type, other->type);
        if (order == 0)
                order = strcmp(one->lang, other->lang);
        return order != 0 ? order : strcmp(one->name, other->name);
}

static int
compare_forms(const void *a, const void *b)
{
        return strcmp(((const struct form *)a)->form_type, ((const struct form *)b)->form_type);
}

static int
compare_fields(const void *a, const void *b)
{
        return strcmp(((const struct form_field *)a)->name, ((const struct form_field *)b)->name);
}

/* Sorts; false: two are alike. */
static bool
sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
        const char *at = items;

        if (count > 1)
                qsort(items, count, size, compare);
        for (size_t i = 1; i < count; i++)
                if (compare(at + (i - 1) * size, at + i * size) == 0)
                        return false;
        return true;
}

/* ---- reading ---- */

static const char *
or_empty(const char *text)
{
        return text != NULL ? text : "";
}

static bool
add_identity(struct disco *disco, const struct element *element)
{
        const char *category = element_attribute(element, "category"), *type = element_attribute(element, "type");

        if (category == NULL || type == NULL || disco->identity_count == DISCO_IDENTITIES_MAX)
                return false;
        disco->identities[disco->identity_count++] = (struct disco_identity){
                .category = category,
                .type = type,
                .lang = or_empty(element_attribute_ns(element, "lang", XML_NS_XML)),
                .name = or_empty(element_attribute(element, "name")),
        };
        return true;
}

static bool
add_feature(struct disco *disco, const struct element *element)
{
        const char *feature = element_attribute(element, "var");

        if (feature == NULL || disco->feature_count == DISCO_FEATURES_MAX)
                return false;
        disco->features[disco->feature_count++] = feature;
        return true;
}

/* A FORM_TYPE said twice is one if both say the same. */
static bool
has_one_type(const struct form_field *field)
{
        for (size_t i = 1; i < field->count; i++)
                if (strcmp(field->values[0], field->values[i]) != 0)
                        return false;
        return true;
}

static bool
add_form(struct disco *disco, struct arena *arena, const struct element *x)
{
        struct form form;

        if (!form_read(&form, arena, x))
                return false;
        const struct form_field *field = form_find(&form, FORM_TYPE);
        if (field == NULL || field->count == 0 || !text_equal(field->type, "hidden"))
                return true;
        if (!has_one_type(field) || disco->form_count == DISCO_FORMS_MAX)
                return false;
        form.form_type = field->values[0];
        disco->forms[disco->form_count++] = form;
        return true;
}

bool
disco_read(struct disco *disco, struct arena *arena, const struct element *query)
{
        *disco = (struct disco){ 0 };
        disco->identities = arena_alloc(arena, DISCO_IDENTITIES_MAX * sizeof(*disco->identities));
        disco->features = arena_alloc(arena, DISCO_FEATURES_MAX * sizeof(*disco->features));
        disco->forms = arena_alloc(arena, DISCO_FORMS_MAX * sizeof(*disco->forms));
        for (const struct element *child = element_first(query); child != NULL; child = element_next(child)) {
                if (element_is(child, "identity", NS_DISCO_INFO) && !add_identity(disco, child))
                        return false;
                if (element_is(child, "feature", NS_DISCO_INFO) && !add_feature(disco, child))
                        return false;
                if (element_is(child, "x", NS_DATA) && !add_form(disco, arena, child))
                        return false;
        }
        return disco->identity_count > 0 &&
                sort(disco->identities, disco->identity_count, sizeof(*disco->identities), compare_identities) &&
                sort(disco->features, disco->feature_count, sizeof(*disco->features), compare_texts) &&
                sort(disco->forms, disco->form_count, sizeof(*disco->forms), compare_forms);
}

bool
disco_has(const struct disco *disco, const char *feature)
{
        return bsearch(&feature, disco->features, disco->feature_count, sizeof(*disco->features), compare_texts) != NULL;
}

const struct disco_identity *
disco_identity(const struct disco *disco)
{
        for (size_t i = 0; i < disco->identity_count; i++)
                if (strcmp(disco->identities[i].category, "client") == 0)
                        return &disco->identities[i];
        return disco->identity_count > 0 ? &disco->identities[0] : NULL;
}

/* ---- the verification string ---- */

static void
put(struct buf *out, const char *text)
{
        for (const char *c = text; *c != '\0'; c++) {
                if (*c == '<')
                        buf_puts(out, "&lt;");
                else
                        buf_putc(out, *c);
        }
}

static void
put_part(struct buf *out, const char *text)
{
        put(out, text);
        buf_putc(out, '<');
}

static void
put_identity(struct buf *out, const struct disco_identity *identity)
{
        put(out, identity->category);
        buf_putc(out, '/');
        put(out, identity->type);
        buf_putc(out, '/');
        put(out, identity->lang);
        buf_putc(out, '/');
        put_part(out, identity->name);
}

static void
put_values(struct buf *out, const struct form_field *field)
{
        const char **values = mem_new((field->count + 1) * sizeof(*values));

        for (size_t i = 0; i < field->count; i++)
                values[i] = field->values[i];
        sort(values, field->count, sizeof(*values), compare_texts);
        for (size_t i = 0; i < field->count; i++)
                put_part(out, values[i]);
        mem_free(values);
}

static void
put_form(struct buf *out, const struct form *form)
{
        struct form_field fields[FORM_FIELDS_MAX];

        memcpy(fields, form->fields, form->count * sizeof(*fields));
        sort(fields, form->count, sizeof(*fields), compare_fields);
        put_part(out, form->form_type);
        for (size_t i = 0; i < form->count; i++) {
                if (strcmp(fields[i].name, FORM_TYPE) == 0)
                        continue;
                put_part(out, fields[i].name);
                put_values(out, &fields[i]);
        }
}

char *
disco_hash(const struct disco *disco, enum digest digest, char *out)
{
        unsigned char hash[DIGEST_MAX];
        struct buf all = { 0 };

        for (size_t i = 0; i < disco->identity_count; i++)
                put_identity(&all, &disco->identities[i]);
        for (size_t i = 0; i < disco->feature_count; i++)
                put_part(&all, disco->features[i]);
        for (size_t i = 0; i < disco->form_count; i++)
                put_form(&all, &disco->forms[i]);
        digest_of(digest, buf_text(&all), all.len, hash);
        buf_free(&all);
        return text_base64(out, hash, digest_size(digest));
}

bool
disco_digest_of(enum digest *digest, const char *name)
{
        if (text_equal(name, "sha-1"))
                *digest = DIGEST_SHA1;
        else if (text_equal(name, "sha-256"))
                *digest = DIGEST_SHA256;
        else
                return false;
        return true;
}
