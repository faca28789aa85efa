/*
 * crowd.c - a watcher sees one state of a user: that of the resource with the highest priority, then the most available, then the latest;
 * negative priorities count as absent
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>

/* One resource, as one watcher may see it. */
struct present {
        struct link link;
        const char *resource, *show, *status; /* in this block */
        int priority;
        char texts[];
};

struct crowd {
        unsigned char key[PAIR_KEY];
        struct list present; /* the latest last */
};

static void
free_present(struct crowd *crowd, struct present *present)
{
        list_remove(&crowd->present, &present->link);
        mem_free(present);
}

static void
free_crowd(struct edge *edge, struct crowd *crowd)
{
        map_remove(edge->crowds, crowd->key, PAIR_KEY);
        for (LIST_EACH(present, &crowd->present, struct present, link))
                free_present(crowd, present);
        mem_free(crowd);
}

void
crowd_forget_all(struct edge *edge)
{
        struct crowd *crowd;
        for (size_t at = 0; (crowd = map_next(edge->crowds, &at)) != NULL;)
                free_crowd(edge, crowd);
}

static struct crowd *
crowd_of(struct edge *edge, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        struct crowd *crowd = map_get(edge->crowds, key, PAIR_KEY);
        if (crowd != NULL)
                return crowd;
        crowd = MEM_NEW(crowd);
        memcpy(crowd->key, key, PAIR_KEY);
        map_put(edge->crowds, key, PAIR_KEY, crowd);
        return crowd;
}

/* chat and available, away, xa, dnd. */
static int
rank_of(const char *show)
{
        static const char *const shows[] = { "chat", "", "away", "xa", "dnd" };
        for (int i = 0; i < (int)array_len(shows); i++)
                if (strcmp(shows[i], show) == 0)
                        return -i;
        return -1;
}

static bool
is_better(const struct present *a, const struct present *b)
{
        if (a->priority != b->priority)
                return a->priority > b->priority;
        return rank_of(a->show) >= rank_of(b->show); /* a is the later one */
}

static void
forget_resource(struct crowd *crowd, const char *resource)
{
        for (LIST_EACH(present, &crowd->present, struct present, link))
                if (resource == NULL || text_equal(present->resource, resource))
                        free_present(crowd, present);
}

static void
add_resource(struct crowd *crowd, const struct stanza *presence)
{
        const struct element *show = element_child(presence->element, "show", XML_CONTENT_NS);
        const struct element *status = element_child(presence->element, "status", XML_CONTENT_NS);
        const char *resource = presence->from.resource == NULL ? "" : presence->from.resource;
        const char *show_text = show == NULL ? "" : element_text(show, presence->arena);
        const char *status_text = status == NULL ? "" : element_text(status, presence->arena);
        struct present *present = mem_new(sizeof(*present) + strlen(resource) + strlen(show_text) + strlen(status_text) + 3);
        char *at = present->texts;
        present->resource = text_place(&at, resource);
        present->show = text_place(&at, show_text);
        present->status = text_place(&at, status_text);
        present->priority = stanza_priority(presence);
        list_append(&crowd->present, &present->link);
        if (crowd->present.count > RESOURCE_MAX)
                free_present(crowd, LIST_ITEM(crowd->present.first, struct present, link));
}

void
crowd_presence(struct edge *edge, const struct pair *pair, const struct stanza *presence, const struct dialect *dialect)
{
        struct crowd *crowd = crowd_of(edge, pair);
        const struct present *best = NULL;
        forget_resource(
                crowd, presence->type == PRESENCE_AVAILABLE && presence->from.resource == NULL ? "" : presence->from.resource);
        if (presence->type == PRESENCE_AVAILABLE)
                add_resource(crowd, presence);
        for (LIST_EACH(present, &crowd->present, struct present, link))
                if (present->priority >= 0 && (best == NULL || is_better(present, best)))
                        best = present;
        if (best != NULL)
                simple_state(edge->gateway->simple, pair, true, dialect_activity(dialect, best->show, best->status), best->status);
        else
                simple_state(edge->gateway->simple, pair, false, "", "");
        if (list_is_empty(&crowd->present))
                free_crowd(edge, crowd);
}
