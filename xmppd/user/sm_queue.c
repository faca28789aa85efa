/*
 * sm_queue.c - what a client has been sent and not acknowledged: a ring
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/user/sm_private.h"

#include <string.h>

enum { ROOM_FIRST = 4 };

struct sent *
queue_at(struct sm *sm, uint64_t count)
{
        must(count > sm->acknowledged && count <= sm->sent && sm->room > 0);
        return &sm->queue[(sm->first + (size_t)(count - sm->acknowledged - 1)) & (sm->room - 1)];
}

/* Twice the room, the oldest first. */
static void
grow(struct sm *sm)
{
        size_t room = sm->room > 0 ? 2 * sm->room : ROOM_FIRST, used = (size_t)(sm->sent - sm->acknowledged);
        struct sent *queue = mem_array(room, sizeof(*queue));

        for (size_t i = 0; i < used; i++)
                queue[i] = sm->queue[(sm->first + i) & (sm->room - 1)];
        mem_free(sm->queue);
        sm->queue = queue;
        sm->room = room;
        sm->first = 0;
}

void
queue_add(struct sm *sm, const struct sent *sent)
{
        if ((size_t)(sm->sent - sm->acknowledged) == sm->room)
                grow(sm);
        sm->sent++;
        *queue_at(sm, sm->sent) = *sent;
        sm->bytes += sent->len;
        if (sent->number > 0) {
                sm->low = sm->low == 0 || sent->number < sm->low ? sent->number : sm->low;
                sm->high = sent->number > sm->high ? sent->number : sm->high;
        }
}

static void
release(struct sent *sent)
{
        if (sent->pledge != NULL)
                pledge_release(sent->pledge);
        sent->pledge = NULL;
}

/* Numbers are handed out in ascending order, so the lowest goes first. */
static void
drop_number(struct sm *sm, uint64_t number)
{
        if (number >= sm->high)
                sm->low = sm->high = 0;
        else if (number >= sm->low)
                sm->low = number + 1;
}

void
queue_drop(struct sm *sm, uint64_t up_to)
{
        while (sm->acknowledged < up_to) {
                struct sent *sent = queue_at(sm, sm->acknowledged + 1);

                release(sent);
                sm->bytes -= sent->len;
                if (sent->number > 0)
                        drop_number(sm, sent->number);
                sm->acknowledged++;
                sm->first = (sm->first + 1) & (sm->room - 1);
        }
        if (sm->synced < sm->acknowledged)
                sm->synced = sm->acknowledged;
        if (sm->acknowledged == sm->sent && sm->room > ROOM_FIRST)
                queue_free(sm);
}

void
queue_release_pledges(struct sm *sm, uint64_t below)
{
        while (sm->synced < sm->sent) {
                struct sent *sent = queue_at(sm, sm->synced + 1);

                if (sent->at >= below)
                        return;
                release(sent);
                sm->synced++;
        }
}

/* The count stays: what the queue held is told by the store from now on, or by nobody. */
void
queue_free(struct sm *sm)
{
        for (size_t i = 0; i < sm->room; i++)
                release(&sm->queue[i]);
        mem_free(sm->queue);
        sm->queue = NULL;
        sm->room = sm->first = 0;
}
