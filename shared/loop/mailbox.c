/*
 * mailbox.c - letters between workers
 *
 * Senders append under a lock held for two assignments; the receiver takes the whole list at once.
 * libuv may merge wake-ups, so waking means "look inside", never "one letter has come".
 */
#include "shared/loop/mailbox.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/loop_private.h"

struct mailbox {
        uv_mutex_t lock;
        struct letter *first, **last; /* oldest first; *last is always NULL */
        atomic_size_t waiting;
        bool stopped;    /* mailbox_stop was called */
        uv_async_t wake; /* on the owner's loop */
        unsigned dice;   /* used by the owner only, where letters are delayed */
};

static atomic_uint delay_seed; /* 0: letters are opened at once */

/* One turn in four: not yet. */
static bool
is_delayed(struct mailbox *box)
{
        unsigned seed = atomic_load_explicit(&delay_seed, memory_order_relaxed);

        if (seed == 0 || box->stopped)
                return false;
        if (box->dice == 0)
                box->dice = seed + (unsigned)worker_index(worker_here());
        box->dice = box->dice * 1103515245u + 12345u;
        return (box->dice >> 16) % 4 == 0;
}

static void
open_all(struct mailbox *box)
{
        uv_mutex_lock(&box->lock);
        struct letter *letter = box->first;
        box->first = NULL;
        box->last = &box->first;
        uv_mutex_unlock(&box->lock);

        for (struct letter *next; letter != NULL; letter = next) {
                next = letter->next; /* open() may free the letter */
                letter->next = NULL;
                atomic_fetch_sub_explicit(&box->waiting, 1, memory_order_relaxed);
                letter->open(letter);
        }
}

static void
open_letters(uv_async_t *wake)
{
        struct worker *worker = handler_begin((uv_handle_t *)wake, "letters");

        if (is_delayed(wake->data))
                uv_async_send(wake);
        else
                open_all(wake->data);
        handler_end(worker);
}

struct mailbox *
mailbox_new(struct worker *owner)
{
        struct mailbox *box = MEM_NEW(box);

        must(uv_mutex_init(&box->lock) == 0);
        box->last = &box->first;
        box->wake.data = box;
        must(uv_async_init(&owner->loop, &box->wake, open_letters) == 0);
        return box;
}

static void
free_closed(uv_handle_t *wake)
{
        struct mailbox *box = wake->data;

        uv_mutex_destroy(&box->lock);
        mem_free(box);
}

void
mailbox_free(struct mailbox **where)
{
        struct mailbox *box = *where;

        if (box == NULL)
                return;
        while (atomic_load(&box->waiting) > 0)
                open_all(box);
        uv_close((uv_handle_t *)&box->wake, free_closed);
        *where = NULL;
}

void
mailbox_post(struct mailbox *box, struct letter *letter)
{
        letter->next = NULL;
        atomic_fetch_add_explicit(&box->waiting, 1, memory_order_relaxed);
        uv_mutex_lock(&box->lock);
        bool was_empty = box->first == NULL;
        *box->last = letter;
        box->last = &letter->next;
        uv_mutex_unlock(&box->lock);
        /* The receiver may open the letter and even leave the loop before this call is made; the box outlives all senders. */
        if (was_empty)
                uv_async_send(&box->wake);
}

size_t
mailbox_waiting(const struct mailbox *box)
{
        return atomic_load_explicit(&box->waiting, memory_order_relaxed);
}

void
mailbox_stop(struct mailbox *box)
{
        box->stopped = true;
        uv_unref((uv_handle_t *)&box->wake);
}

void
mailbox_delay_at_random(unsigned seed)
{
        atomic_store(&delay_seed, seed);
}
