/*
 * brake.c - pausing and going on
 */
#include "xmppd/user/brake.h"

#include "shared/base/mem.h"
#include "xmppd/route/home.h"
#include "xmppd/user/user.h"

enum { LOOK_AGAIN_MS = 20 };

static bool
is_behind(const struct brake *brake)
{
        return home_is_behind(brake->letters) || user_is_pressed();
}

static void
go_on(struct timer *timer)
{
        struct brake *brake = container_of(timer, struct brake, timer);

        if (*brake->stream == NULL)
                return;
        if (is_behind(brake))
                timer_start(timer, LOOK_AGAIN_MS, go_on);
        else
                stream_resume(*brake->stream);
}

void
brake_use(struct brake *brake, struct stream **stream, uint64_t wait)
{
        if (wait == 0 && !is_behind(brake))
                return;
        brake->stream = stream;
        stream_pause(*stream);
        timer_start(&brake->timer, wait > LOOK_AGAIN_MS ? wait : LOOK_AGAIN_MS, go_on);
}

void
brake_stop(struct brake *brake)
{
        timer_stop(&brake->timer);
}
