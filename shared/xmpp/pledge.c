/*
 * pledge.c - counts what is still on its way
 *
 * The count is touched by any thread, everything else by the worker that will hear: the last release sends it a letter. A thread knows the
 * newest closed pledge of each owner that is not kept yet; older ones hang before it, so that a late first one holds back the others.
 */
#include "shared/xmpp/pledge.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/mailbox.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/stanza.h"

#include <stdatomic.h>
#include <stdbool.h>

struct pledge {
        struct letter letter;
        struct worker *home;
        atomic_uint holds; /* one of them is the owner's while it is open */
        void (*kept)(void *owner, void *cookie);
        void *owner, *cookie;
        struct pledge *before, *after; /* of the same owner, by closing */
        bool is_done;                  /* nothing holds it any more */
        atomic_bool is_awaited;
};

static _Thread_local struct map *newest; /* owner -> its last closed pledge that is not kept */

static void
unlink_pledge(struct pledge *pledge)
{
        if (pledge->before != NULL)
                pledge->before->after = pledge->after;
        if (pledge->after != NULL)
                pledge->after->before = pledge->before;
        if (newest == NULL || map_get(newest, &pledge->owner, sizeof pledge->owner) != pledge)
                return;
        if (pledge->before != NULL)
                map_put(newest, &pledge->owner, sizeof pledge->owner, pledge->before);
        else
                map_remove(newest, &pledge->owner, sizeof pledge->owner);
        if (map_count(newest) == 0)
                map_free(&newest);
}

/* Runs at home once nothing holds the pledge; those behind it may have waited for it. */
static void
keep(struct letter *letter)
{
        struct pledge *pledge = container_of(letter, struct pledge, letter);

        pledge->is_done = true;
        while (pledge != NULL && pledge->is_done && pledge->before == NULL) {
                struct pledge *after = pledge->after;
                unlink_pledge(pledge);
                void (*kept)(void *, void *) = pledge->kept;
                void *owner = pledge->owner, *cookie = pledge->cookie;
                mem_free(pledge);
                /* The owner may go away in here; then `after` is told by being unlinked. */
                bool has_more = after != NULL && after->is_done;
                if (kept != NULL)
                        kept(owner, cookie);
                pledge = has_more ? after : NULL;
        }
}

struct pledge *
pledge_new(void (*kept)(void *owner, void *cookie), void *owner)
{
        struct pledge *pledge = MEM_NEW(pledge);
        pledge->home = worker_here();
        must(pledge->home != NULL);
        pledge->letter.open = keep;
        pledge->kept = kept;
        pledge->owner = owner;
        atomic_init(&pledge->holds, 1);
        return pledge;
}

void
pledge_take(struct pledge *pledge, struct stanza *stanza)
{
        must(stanza->pledge == NULL);
        pledge_hold(pledge);
        stanza->pledge = pledge;
}

void
pledge_close(struct pledge *pledge, void *cookie)
{
        must(on_home(pledge->home));
        pledge->cookie = cookie;
        if (newest == NULL)
                newest = map_new();
        pledge->before = map_put(newest, &pledge->owner, sizeof pledge->owner, pledge);
        if (pledge->before != NULL)
                pledge->before->after = pledge;
        pledge_release(pledge);
}

void
pledge_await(struct pledge *pledge)
{
        atomic_store_explicit(&pledge->is_awaited, true, memory_order_relaxed);
}

bool
pledge_is_awaited(const struct pledge *pledge)
{
        return atomic_load_explicit(&pledge->is_awaited, memory_order_relaxed);
}

void
pledge_forget_owner(void *owner)
{
        struct pledge *pledge = newest == NULL ? NULL : map_get(newest, &owner, sizeof owner);
        for (; pledge != NULL; pledge = pledge->before)
                pledge->kept = NULL;
}

void
pledge_forget(struct pledge **pledge)
{
        struct pledge *p = *pledge;
        if (p == NULL)
                return;
        must(on_home(p->home));
        *pledge = NULL;
        pledge_forget_owner(p->owner);
        p->kept = NULL;
        pledge_release(p);
}

void
pledge_hold(struct pledge *pledge)
{
        atomic_fetch_add_explicit(&pledge->holds, 1, memory_order_relaxed);
}

void
pledge_release(struct pledge *pledge)
{
        if (atomic_fetch_sub_explicit(&pledge->holds, 1, memory_order_acq_rel) == 1)
                worker_post(pledge->home, &pledge->letter);
}
