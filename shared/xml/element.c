/*
 * element.c - trees of elements
 *
 * A tree never frees anything by itself: what is taken out of it stays in the arena until the arena goes.
 */
#include "shared/xml/element.h"

#include "shared/base/panic.h"

#include <string.h>

/* The namespace that holds for an element, its own or that of the nearest parent that names one; NULL if none does. */
static const char *
find_namespace(const struct element *element)
{
        while (element != NULL && element->ns == NULL)
                element = element->parent;
        return element == NULL ? NULL : element->ns;
}

static bool
is_same_namespace(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const char *
element_attribute(const struct element *element, const char *name)
{
        return element_attribute_ns(element, name, NULL);
}

const char *
element_attribute_ns(const struct element *element, const char *name, const char *ns)
{
        for (const struct attribute *a = element->attributes; a != NULL; a = a->next)
                if (strcmp(a->name, name) == 0 && is_same_namespace(a->ns, ns))
                        return a->value;
        return NULL;
}

bool
element_is(const struct element *element, const char *name, const char *ns)
{
        if (element == NULL || element->name == NULL)
                return false;
        if (name != NULL && strcmp(element->name, name) != 0)
                return false;
        return ns == NULL || is_same_namespace(find_namespace(element), ns);
}

struct element *
element_child(const struct element *element, const char *name, const char *ns)
{
        for (struct element *child = element->first; child != NULL; child = child->next)
                if (element_is(child, name, ns))
                        return child;
        return NULL;
}

static struct element *
skip_text(struct element *element)
{
        while (element != NULL && element->name == NULL)
                element = element->next;
        return element;
}

struct element *
element_first(const struct element *element)
{
        return skip_text(element->first);
}

struct element *
element_next(const struct element *element)
{
        return skip_text(element->next);
}

const char *
element_text(const struct element *element, struct arena *arena)
{
        const struct element *only = NULL;
        size_t runs = 0, len = 0;

        for (const struct element *child = element->first; child != NULL; child = child->next)
                if (child->name == NULL) {
                        only = child;
                        len += child->text_len;
                        runs++;
                }
        if (runs == 0)
                return "";
        if (runs == 1)
                return only->text;

        char *joined = arena_alloc(arena, len + 1), *at = joined;
        for (const struct element *child = element->first; child != NULL; child = child->next)
                if (child->name == NULL) {
                        memcpy(at, child->text, child->text_len);
                        at += child->text_len;
                }
        return joined;
}

struct element *
element_new(struct arena *arena, const char *name, const char *ns)
{
        struct element *element = ARENA_NEW(arena, element);
        element->name = arena_strdup(arena, name);
        element->ns = arena_strdup(arena, ns);
        return element;
}

struct element *
element_add(struct arena *arena, struct element *parent, const char *name, const char *ns)
{
        struct element *child = ARENA_NEW(arena, child);
        child->name = arena_strdup(arena, name);
        child->ns = ns != NULL ? arena_strdup(arena, ns) : parent->ns;
        element_append(parent, child);
        return child;
}

struct element *
element_add_text(struct arena *arena, struct element *parent, const char *name, const char *ns, const char *text)
{
        struct element *child = element_add(arena, parent, name, ns);
        element_put_text(arena, child, text, strlen(text));
        return child;
}

void
element_put_text(struct arena *arena, struct element *element, const char *text, size_t len)
{
        if (len == 0)
                return;
        struct element *run = ARENA_NEW(arena, run);
        run->text = arena_strndup(arena, text, len);
        run->text_len = len;
        element_append(element, run);
}

void
element_set(struct arena *arena, struct element *element, const char *name, const char *value)
{
        element_set_ns(arena, element, name, NULL, value);
}

void
element_set_ns(struct arena *arena, struct element *element, const char *name, const char *ns, const char *value)
{
        struct attribute **at = &element->attributes;
        while (*at != NULL && !(strcmp((*at)->name, name) == 0 && is_same_namespace((*at)->ns, ns)))
                at = &(*at)->next;

        if (value == NULL) {
                if (*at != NULL)
                        *at = (*at)->next;
                return;
        }
        if (*at == NULL) {
                *at = ARENA_NEW(arena, *at);
                (*at)->name = arena_strdup(arena, name);
                (*at)->ns = arena_strdup(arena, ns);
        }
        (*at)->value = arena_strdup(arena, value);
}

void
element_append(struct element *parent, struct element *child)
{
        must(child->parent == NULL && child->next == NULL);
        child->parent = parent;
        if (parent->last != NULL)
                parent->last->next = child;
        else
                parent->first = child;
        parent->last = child;
}

void
element_remove(struct element *parent, struct element *child)
{
        struct element *before = NULL;
        for (struct element *at = parent->first; at != child; at = at->next) {
                must(at != NULL);
                before = at;
        }
        if (before != NULL)
                before->next = child->next;
        else
                parent->first = child->next;
        if (parent->last == child)
                parent->last = before;
        if (child->ns == NULL && child->name != NULL)
                child->ns = find_namespace(parent);
        child->next = child->parent = NULL;
}

static struct element *
copy_one(struct arena *arena, const struct element *from)
{
        struct element *to = ARENA_NEW(arena, to);
        to->name = arena_strdup(arena, from->name);
        to->ns = from->name == NULL ? NULL : arena_strdup(arena, from->ns);
        if (from->name == NULL) {
                to->text = arena_strndup(arena, from->text, from->text_len);
                to->text_len = from->text_len;
        }
        struct attribute **last = &to->attributes;
        for (const struct attribute *a = from->attributes; a != NULL; a = a->next) {
                *last = ARENA_NEW(arena, *last);
                (*last)->name = arena_strdup(arena, a->name);
                (*last)->ns = arena_strdup(arena, a->ns);
                (*last)->value = arena_strdup(arena, a->value);
                last = &(*last)->next;
        }
        return to;
}

struct element *
element_copy(struct arena *arena, const struct element *element)
{
        struct element *copy = copy_one(arena, element);
        if (copy->name != NULL && copy->ns == NULL)
                copy->ns = arena_strdup(arena, find_namespace(element));

        /* Down and up again without recursion: built trees have no depth limit. */
        const struct element *from = element;
        struct element *to = copy;
        for (;;) {
                if (from->first != NULL) {
                        from = from->first;
                        struct element *child = copy_one(arena, from);
                        element_append(to, child);
                        to = child;
                        continue;
                }
                while (from != element && from->next == NULL) {
                        from = from->parent;
                        to = to->parent;
                }
                if (from == element)
                        break;
                from = from->next;
                struct element *sibling = copy_one(arena, from);
                element_append(to->parent, sibling);
                to = sibling;
        }
        return copy;
}
