/* list.h - intrusive, doubly linked: embed a struct link in what you keep; the list owns nothing */
#ifndef SHARED_BASE_LIST_H
#define SHARED_BASE_LIST_H

#include "shared/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct link {
        struct link *next, *prev; /* both NULL while in no list */
};

struct list {
        struct link *first, *last;
        size_t count;
};

void list_append(struct list *list, struct link *link);
void list_prepend(struct list *list, struct link *link);
void list_remove(struct list *list, struct link *link);

static inline bool
list_is_empty(const struct list *list)
{
        return list->first == NULL;
}

/* for (LIST_EACH(item, list, struct session, in_account)); the item may be removed or freed in the body. */
#define LIST_ITEM(at, type, member) ((at) == NULL ? NULL : container_of((at), type, member))
#define LIST_EACH(item, list, type, member)                                               \
        type *item = LIST_ITEM((list)->first, type, member), *item##_next;                \
        item != NULL && (item##_next = LIST_ITEM(item->member.next, type, member), true); \
        item = item##_next

#endif
