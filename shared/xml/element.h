/* element.h - a tree of XML elements in an arena
 *
 * Names are compared as text; a namespace is NULL only in trees under construction where it means "as the parent". The content namespaces
 * jabber:client, jabber:server and jabber:component:accept all appear as XML_CONTENT_NS ("jabber:client"): inside the house a message is a
 * message, whatever stream it came by (RFC 6120 4.8.2).
 */
#ifndef SHARED_XML_ELEMENT_H
#define SHARED_XML_ELEMENT_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define XML_CONTENT_NS "jabber:client"
#define XML_NS_XML     "http://www.w3.org/XML/1998/namespace"

struct attribute {
        struct attribute *next;
        const char *name;  /* local name */
        const char *ns;    /* NULL for the usual unprefixed attribute; XML_NS_XML for xml:lang */
        const char *value; /* unescaped */
};

/* An element, or (name == NULL) a run of text between elements. */
struct element {
        struct element *next, *parent;
        struct element *first, *last; /* children; NULL for text */
        struct attribute *attributes;
        const char *name, *ns;
        const char *text; /* of a text node; unescaped, terminated, no NUL inside */
        size_t text_len;
};

/* Reading. All results live as long as the tree's arena. */
const char *element_attribute(const struct element *element, const char *name); /* without namespace; NULL: absent */
const char *element_attribute_ns(const struct element *element, const char *name, const char *ns);
bool element_is(const struct element *element, const char *name, const char *ns);
/* The first child with this name (NULL: any) and namespace (NULL: any), or NULL. */
struct element *element_child(const struct element *element, const char *name, const char *ns);
/* The first child element, text skipped, and the one behind it. */
struct element *element_first(const struct element *element);
struct element *element_next(const struct element *element);
/* All text directly inside, joined; "" when there is none. Copies into the arena only where there are several runs. */
const char *element_text(const struct element *element, struct arena *arena);

/* Building. Texts are copied into the arena. ns == NULL: the parent's. */
struct element *element_new(struct arena *arena, const char *name, const char *ns);
struct element *element_add(struct arena *arena, struct element *parent, const char *name, const char *ns);
/* Adds name with this text inside; returns the new child. */
struct element *element_add_text(struct arena *arena, struct element *parent, const char *name, const char *ns, const char *text);
void element_put_text(struct arena *arena, struct element *element, const char *text, size_t len);
/* Sets or replaces; value NULL removes. */
void element_set(struct arena *arena, struct element *element, const char *name, const char *value);
void element_set_ns(struct arena *arena, struct element *element, const char *name, const char *ns, const char *value);
/* Hangs a child (made in the same arena, or one that lives longer) below. */
void element_append(struct element *parent, struct element *child);
void element_remove(struct element *parent, struct element *child);
/* A deep copy into another arena. */
struct element *element_copy(struct arena *arena, const struct element *element);

#endif
