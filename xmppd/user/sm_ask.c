/*
 * sm_ask.c - when a client is asked what it has got (XEP-0198, 4)
 *
 * To ask and be answered costs a fifth of a message. So a client is asked behind every few stanzas, and a moment after the last: what it has
 * got and not acknowledged would come again if it did not come back to its session.
 */
#include "shared/loop/alarm.h"
#include "shared/xmpp/ns.h"
#include "xmppd/user/sm_private.h"

enum { ASK_STANZAS = 8, ASK_MS = 250 };

static _Thread_local struct {
        struct list sessions; /* have got something since they were asked, and not been asked again */
        struct alarm *alarm;
} here;

void
ask_forget(struct sm *sm)
{
        if (sm->is_to_ask)
                list_remove(&here.sessions, &sm->in_to_ask);
        sm->is_to_ask = false;
}

void
ask_now(struct sm *sm)
{
        ask_forget(sm);
        if (sm->sent == sm->acknowledged || sm->asked)
                return;
        sm->asked = true;
        sm_write_text(sm, "<r xmlns=\"" NS_SM "\"/>");
}

void
ask_in_time(struct sm *sm)
{
        uint64_t count = sm->sent - sm->acknowledged;

        if (count == 0) {
                ask_forget(sm);
        } else if (count >= ASK_STANZAS) {
                ask_now(sm);
        } else if (!sm->is_to_ask && !sm->asked) {
                list_append(&here.sessions, &sm->in_to_ask);
                sm->is_to_ask = true;
                alarm_set(here.alarm, ASK_MS);
        }
}

static void
ask_all(void *unused)
{
        for (LIST_EACH(sm, &here.sessions, struct sm, in_to_ask))
                ask_now(sm);
}

void
ask_start_here(void)
{
        here.alarm = alarm_new(ask_all, NULL);
}

void
ask_stop_here(void)
{
        alarm_free(&here.alarm);
}
