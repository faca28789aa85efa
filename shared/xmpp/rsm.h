/* rsm.h - one page of a list (XEP-0059, Result Set Management) */
#ifndef SHARED_XMPP_RSM_H
#define SHARED_XMPP_RSM_H

#include "shared/xml/element.h"

#include <stdint.h>

#define NS_RSM "http://jabber.org/protocol/rsm"

/* What a request wants; texts live in the arena and the tree it was read from. */
struct rsm {
        bool is_asked;              /* there is a <set/>; otherwise the whole list is wanted and nothing is said about it */
        size_t max;                 /* SIZE_MAX: as many as there are */
        const char *after, *before; /* UIDs; before "": the last page; NULL: left out */
        int64_t index;              /* -1: left out */
};

/* Items first .. first + count - 1 of the whole list. */
struct rsm_page {
        size_t first, count;
};

/* Reads the <set/> inside a query. False: bad-request (something that is no number, something twice, or more than one place to begin). */
bool rsm_read(struct rsm *rsm, struct arena *arena, const struct element *query);
/* Cuts the page out of the list of UIDs, which is in the order of the items. False: item-not-found (2.4). */
bool rsm_cut(const struct rsm *rsm, const char *const *uids, size_t total, struct rsm_page *page);
/* Adds the <set/> that describes the page, where one was asked for; nothing for an empty list (2.2). */
void rsm_describe(const struct rsm *rsm, struct arena *arena, struct element *query, const char *const *uids, size_t total,
        const struct rsm_page *page);

#endif
