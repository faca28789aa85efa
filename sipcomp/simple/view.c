/*
 * view.c - what all subscriptions and sessions have in common when an administrator looks at them
 */
#include "sipcomp/simple/simple_private.h"

#include "shared/base/clock.h"
#include "shared/loop/worker.h"

#include <stdio.h>

int64_t
view_due(const struct timer *timer)
{
        return timer_is_running(timer) ? clock_wall_ms() + (int64_t)timer->due - (int64_t)worker_now() : 0;
}

void
view_fill(struct simple_view *view, const struct dialog_ear *ear, const struct sip_dialog *dialog)
{
        view->began = ear->listens ? ear->began : 0;
        view->heard_at = ear->heard_at;
        if (ear->heard_at != 0 && ear->heard_status == 0)
                snprintf(view->heard, sizeof(view->heard), "%s", ear->heard_method);
        else if (ear->heard_at != 0)
                snprintf(view->heard, sizeof(view->heard), "%d %.30s to %s", ear->heard_status,
                        ear->heard_nothing ? "(no answer)" : sip_reason(ear->heard_status), ear->heard_method);
        if (dialog == NULL)
                return;
        view->call_id = dialog->call_id;
        view->cseq = dialog->local_cseq;
        view->their_cseq = dialog->remote_cseq_known ? dialog->remote_cseq : 0;
}

void
simple_each(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg)
{
        (void)(watch_view(simple, domain, seen, arg) && watcher_view(simple, domain, seen, arg) &&
                session_view(simple, domain, seen, arg));
}
