/*
 * refusals.c - the bounded memory of refusals
 *
 * A list, newest first, searched from the front: it is short, and refusals are rare or repeat themselves. Whoever refuses in vain from many places
 * pushes others out of it, so what an administrator waits for is asked for soon after it happened, as he does.
 */
#include "sipcomp/sip/refusals.h"

#include "shared/base/bucket.h"
#include "shared/base/clock.h"
#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <stdio.h>

enum { SAY_AGAIN_MS = 60 * 1000, LINE_US = BUCKET_SECOND_US / 10, LINES_US = BUCKET_SECOND_US, WHY_MAX = 700 };

struct entry {
        struct link link;
        struct refusal refusal; /* its texts are ours */
        uint64_t said;          /* monotonic ms; 0: never */
        uint64_t place_said;    /* when something of its place was said last, as far as it knows */
};

struct refusals {
        struct list entries; /* newest first */
        struct bucket lines;
};

struct refusals *
refusals_new(void)
{
        struct refusals *refusals = MEM_NEW(refusals);
        return refusals;
}

static void
free_entry(struct refusals *refusals, struct entry *entry)
{
        list_remove(&refusals->entries, &entry->link);
        mem_free((char *)entry->refusal.domain);
        mem_free((char *)entry->refusal.place);
        mem_free((char *)entry->refusal.what);
        mem_free((char *)entry->refusal.why);
        mem_free(entry);
}

void
refusals_free(struct refusals **where)
{
        struct refusals *refusals = *where;
        if (refusals == NULL)
                return;
        *where = NULL;
        for (LIST_EACH(entry, &refusals->entries, struct entry, link))
                free_entry(refusals, entry);
        mem_free(refusals);
}

static bool
is_same(const struct refusal *a, const struct refusal *b, const char *why)
{
        return a->kind == b->kind && text_equal(a->place, b->place) && text_equal(a->domain, b->domain) &&
                text_equal(a->what, b->what) && text_equal(a->why, why);
}

/* The oldest of this place if it has its share, else the oldest of all if there are too many. */
static void
make_room(struct refusals *refusals, const char *place)
{
        struct entry *oldest = NULL;
        size_t same = 0;
        for (LIST_EACH(entry, &refusals->entries, struct entry, link)) {
                if (!text_equal(entry->refusal.place, place))
                        continue;
                oldest = entry;
                same++;
        }
        if (same >= REFUSALS_OF_ONE)
                free_entry(refusals, oldest);
        else if (refusals->entries.count >= REFUSALS_MAX)
                free_entry(refusals, container_of(refusals->entries.last, struct entry, link));
}

/* When was something of this place last said? */
static uint64_t
last_said(const struct refusals *refusals, const char *place)
{
        uint64_t last = 0;
        for (LIST_EACH(entry, &refusals->entries, struct entry, link))
                if (entry->place_said > last && text_equal(entry->refusal.place, place))
                        last = entry->place_said;
        return last;
}

static bool
may_say(struct refusals *refusals, struct entry *entry, uint64_t last)
{
        uint64_t now = clock_mono_ms();
        entry->place_said = last; /* those who knew may be forgotten before it */
        if (entry->said != 0 && now - entry->said < SAY_AGAIN_MS)
                return false;
        if (last != 0 && now - last < 1000)
                return false;
        if (!bucket_take_if(&refusals->lines, now * 1000, LINE_US, LINES_US))
                return false;
        entry->said = entry->place_said = now;
        return true;
}

bool
refusals_note(struct refusals *refusals, const struct refusal *refusal)
{
        char why[WHY_MAX];
        struct entry *found = NULL;
        uint64_t last = last_said(refusals, refusal->place);

        snprintf(why, sizeof why, "%s", refusal->why);
        for (LIST_EACH(entry, &refusals->entries, struct entry, link)) {
                if (!is_same(&entry->refusal, refusal, why))
                        continue;
                found = entry;
                break;
        }
        if (found != NULL) {
                list_remove(&refusals->entries, &found->link);
        } else {
                make_room(refusals, refusal->place);
                found = MEM_NEW(found);
                found->refusal = (struct refusal){ .kind = refusal->kind,
                        .cause = refusal->cause,
                        .status = refusal->status,
                        .first = clock_wall_ms(),
                        .domain = mem_strdup(refusal->domain),
                        .place = mem_strdup(refusal->place),
                        .what = mem_strdup(refusal->what),
                        .why = mem_strdup(why) };
        }
        list_prepend(&refusals->entries, &found->link);
        found->refusal.last = clock_wall_ms();
        found->refusal.count++;
        return may_say(refusals, found, last);
}

const struct refusal *
refusals_each(const struct refusals *refusals, size_t *at)
{
        size_t i = 0;
        for (LIST_EACH(entry, &refusals->entries, struct entry, link))
                if (i++ == *at) {
                        ++*at;
                        return &entry->refusal;
                }
        return NULL;
}
