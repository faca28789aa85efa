/*
 * list.c - intrusive doubly linked lists
 */
#include "shared/base/list.h"

#include "shared/base/panic.h"

void
list_append(struct list *list, struct link *link)
{
        must(link->next == NULL && link->prev == NULL && list->first != link);
        link->prev = list->last;
        if (list->last != NULL)
                list->last->next = link;
        else
                list->first = link;
        list->last = link;
        list->count++;
}

void
list_prepend(struct list *list, struct link *link)
{
        must(link->next == NULL && link->prev == NULL && list->first != link);
        link->next = list->first;
        if (list->first != NULL)
                list->first->prev = link;
        else
                list->last = link;
        list->first = link;
        list->count++;
}

void
list_remove(struct list *list, struct link *link)
{
        must(list->count > 0);
        if (link->prev != NULL)
                link->prev->next = link->next;
        else
                list->first = link->next;
        if (link->next != NULL)
                link->next->prev = link->prev;
        else
                list->last = link->prev;
        link->next = link->prev = NULL;
        list->count--;
}
