/*
 * rsm.c - pages
 */
#include "shared/xmpp/rsm.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <stdio.h>
#include <string.h>

enum { NUMBER_MAX = INT32_MAX };

/* *text: of the only child of this name, NULL if there is none. False: there are two. */
static bool
read_child(const struct element *set, struct arena *arena, const char *name, const char **text)
{
        *text = NULL;
        for (const struct element *child = element_first(set); child != NULL; child = element_next(child)) {
                if (!element_is(child, name, NS_RSM))
                        continue;
                if (*text != NULL)
                        return false;
                *text = element_text(child, arena);
        }
        return true;
}

bool
rsm_read(struct rsm *rsm, struct arena *arena, const struct element *query)
{
        const struct element *set = element_child(query, "set", NS_RSM);
        const char *max, *index;

        *rsm = (struct rsm){ .is_asked = set != NULL, .max = SIZE_MAX, .index = -1 };
        if (set == NULL)
                return true;
        if (!read_child(set, arena, "max", &max) || !read_child(set, arena, "index", &index) ||
                !read_child(set, arena, "after", &rsm->after) || !read_child(set, arena, "before", &rsm->before))
                return false;
        if ((index != NULL) + (rsm->after != NULL) + (rsm->before != NULL) > 1)
                return false;
        int64_t most = max != NULL ? text_number(max, NUMBER_MAX) : 0;
        rsm->index = index != NULL ? text_number(index, NUMBER_MAX) : -1;
        if (most < 0 || (index != NULL && rsm->index < 0))
                return false;
        if (max != NULL)
                rsm->max = (size_t)most;
        return true;
}

static bool
find(const char *const *uids, size_t total, const char *uid, size_t *at)
{
        for (*at = 0; *at < total; ++*at)
                if (strcmp(uids[*at], uid) == 0)
                        return true;
        return false;
}

static size_t
smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

bool
rsm_cut(const struct rsm *rsm, const char *const *uids, size_t total, struct rsm_page *page)
{
        size_t from = 0, end = total;

        *page = (struct rsm_page){ 0 };
        if (rsm->before != NULL) {
                if (rsm->before[0] != '\0' && !find(uids, total, rsm->before, &end))
                        return false;
                page->count = smaller(end, rsm->max);
                page->first = end - page->count;
                return true;
        }
        if (rsm->after != NULL) {
                if (!find(uids, total, rsm->after, &from))
                        return false;
                from++;
        } else if (rsm->index > 0) {
                from = smaller((size_t)rsm->index, total);
        }
        page->first = from;
        page->count = smaller(total - from, rsm->max);
        return true;
}

void
rsm_describe(const struct rsm *rsm, struct arena *arena, struct element *query, const char *const *uids, size_t total,
        const struct rsm_page *page)
{
        char number[24];

        if (!rsm->is_asked || total == 0)
                return;
        struct element *set = element_add(arena, query, "set", NS_RSM);
        if (page->count > 0) {
                struct element *first = element_add_text(arena, set, "first", NULL, uids[page->first]);
                snprintf(number, sizeof(number), "%zu", page->first);
                element_set(arena, first, "index", number);
                element_add_text(arena, set, "last", NULL, uids[page->first + page->count - 1]);
        }
        snprintf(number, sizeof(number), "%zu", total);
        element_add_text(arena, set, "count", NULL, number);
}
