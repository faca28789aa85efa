/*
 * notify.c - sending NOTIFY: one under way for each dialog, the newest state only (5.3 of the dialects)
 */
#include "sipcomp/simple/watcher_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/loop/worker.h"

enum { SECOND_TRY_MS = 60000 };

static void fire(struct timer *timer);
static void finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);

static const struct sip_client_events client_events = { .final = finish };

static const char *
state_word(const struct watcher *watcher)
{
        return watcher->relation->decision == DECISION_NONE ? "pending" : "active"; /* a refusal looks like an absence */
}

static void
send_notify(struct watcher *watcher)
{
        struct relation *relation = watcher->relation;
        struct sip_message *request = sip_dialog_request(watcher->dialog, "NOTIFY", true);
        struct buf body = { 0 };
        int64_t left = (watcher->expires_at - clock_wall_ms() + 999) / 1000;

        if (watcher->event_id != NULL)
                sip_message_addf(request, "Event", "presence;id=%s", watcher->event_id);
        else
                sip_message_add(request, "Event", "presence");
        if (watcher->ends)
                sip_message_add(request, "Subscription-State", "terminated;reason=timeout");
        else
                sip_message_addf(
                        request, "Subscription-State", "%s;expires=%lld", state_word(watcher), (long long)(left < 0 ? 0 : left));
        bool open = relation->open && relation->decision == DECISION_ACCEPTED && !relation->hidden;
        pidf_write(&body, relation->pair.local_uri, open, relation->activity, relation->note);
        sip_message_set_body(request, PIDF_TYPE, buf_data(&body), body.len);
        buf_free(&body);
        watcher->dirty = watcher->owed = false;
        watcher->last_sent = worker_now();
        watcher->client = send_request(relation->simple, request, relation->pair.domain, watcher->dialog, &client_events, watcher);
        if (!watcher->ends)
                watcher_save(watcher);
        if (watcher->must_ask)
                watcher_ask(watcher);
}

static void
send_or_rest(struct watcher *watcher)
{
        uint64_t interval = (uint64_t)watcher->relation->simple->options.notify_interval * 1000, now = worker_now();
        uint64_t due = watcher->last_sent == 0 ? 0 : watcher->last_sent + interval;
        watcher->dirty = true;
        timer_start(&watcher->timer, due > now ? due - now : 0, fire);
}

/* In the next turn of the loop: the 200 has its own connection, and should arrive first. */
static void
send_soon(struct watcher *watcher)
{
        watcher->dirty = true;
        timer_start(&watcher->timer, 0, fire);
}

static void
send_now(struct watcher *watcher)
{
        timer_stop(&watcher->timer);
        send_notify(watcher);
}

static void
mark(struct watcher *watcher)
{
        watcher->dirty = true;
}

static void
go_on(struct watcher *watcher)
{
        watcher->failed = false;
        if (watcher->dirty)
                send_or_rest(watcher);
}

static void
try_later(struct watcher *watcher)
{
        watcher->dirty = true;
        watcher->failed = true;
        timer_start(&watcher->timer, SECOND_TRY_MS, fire);
}

/* What has failed before counts no more. */
static void
begin_again(struct watcher *watcher)
{
        watcher->failed = false;
        send_soon(watcher);
}

/* No way there says nothing about the watcher: he is told when there is one. */
static void
await_way(struct watcher *watcher)
{
        watcher->dirty = true;
        timer_start(&watcher->timer, SECOND_TRY_MS, fire);
}

static void
end_dialog(struct watcher *watcher)
{
        forget(watcher->relation->simple, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY);
        watcher->over = true;
}

static void
do_nothing(struct watcher *watcher)
{
}

/* clang-format off */
static const struct step {
        enum notify_state in;
        enum notify_event when;
        void (*act)(struct watcher *watcher);
        enum notify_state then;
} steps[] = {
        /* in               when              act           then             */
        { NOTIFY_NEW,       NOTIFY_ASKED,     send_soon,    NOTIFY_RESTING   },
        { NOTIFY_NEW,       NOTIFY_CHANGED,   do_nothing,   NOTIFY_NEW       }, /* nothing before the 200 */

        { NOTIFY_QUIET,     NOTIFY_ASKED,     send_soon,    NOTIFY_RESTING   }, /* after each 2xx to SUBSCRIBE, at once */
        { NOTIFY_QUIET,     NOTIFY_CHANGED,   send_or_rest, NOTIFY_RESTING   },

        { NOTIFY_SENDING,   NOTIFY_ASKED,     mark,         NOTIFY_SENDING   },
        { NOTIFY_SENDING,   NOTIFY_CHANGED,   mark,         NOTIFY_SENDING   },
        { NOTIFY_SENDING,   NOTIFY_TAKEN,     go_on,        NOTIFY_RESTING   },
        { NOTIFY_SENDING,   NOTIFY_FAILED,    try_later,    NOTIFY_RETRYING  },
        { NOTIFY_SENDING,   NOTIFY_UNREACHED, await_way,    NOTIFY_RETRYING  },
        { NOTIFY_SENDING,   NOTIFY_ENDED,     mark,         NOTIFY_SENDING   }, /* the last one goes when this one is answered */

        { NOTIFY_RESTING,   NOTIFY_ASKED,     send_soon,    NOTIFY_RESTING   },
        { NOTIFY_RESTING,   NOTIFY_CHANGED,   send_or_rest, NOTIFY_RESTING   },
        { NOTIFY_RESTING,   NOTIFY_TIME,      send_now,     NOTIFY_SENDING   },

        { NOTIFY_RETRYING,  NOTIFY_TIME,      send_now,     NOTIFY_SENDING   },
        { NOTIFY_RETRYING,  NOTIFY_ASKED,     send_soon,    NOTIFY_RESTING   },
        { NOTIFY_RETRYING,  NOTIFY_CHANGED,   mark,         NOTIFY_RETRYING  },
        { NOTIFY_RETRYING,  NOTIFY_BACK,      begin_again,  NOTIFY_RESTING   },

        { NOTIFY_LAST,      NOTIFY_TAKEN,     end_dialog,   NOTIFY_OVER      },
        { NOTIFY_LAST,      NOTIFY_FAILED,    end_dialog,   NOTIFY_OVER      },
        { NOTIFY_LAST,      NOTIFY_UNREACHED, end_dialog,   NOTIFY_OVER      },
        { NOTIFY_LAST,      NOTIFY_GONE,      end_dialog,   NOTIFY_OVER      },
        { NOTIFY_LAST,      NOTIFY_ANY_EVENT, do_nothing,   NOTIFY_LAST      },

        { NOTIFY_ANY,       NOTIFY_ENDED,     send_now,     NOTIFY_LAST      },
        { NOTIFY_ANY,       NOTIFY_GONE,      end_dialog,   NOTIFY_OVER      }, /* the watcher is gone: not an unsubscription (5.5) */
        { NOTIFY_ANY,       NOTIFY_ANY_EVENT, do_nothing,   NOTIFY_ANY       },
};
/* clang-format on */

static const char *const state_names[] = { "new", "quiet", "sending", "resting", "retrying", "last", "over", "any" };
static const char *const event_names[] = { "asked", "changed", "taken", "gone", "failed", "unreached", "time", "back", "ended",
        "any" };

void
watcher_apply(struct watcher *watcher, enum notify_event event)
{
        struct relation *relation = watcher->relation;
        const struct step *step = steps;
        while ((step->in != watcher->stage && step->in != NOTIFY_ANY) || (step->when != event && step->when != NOTIFY_ANY_EVENT))
                step++;
        enum notify_state then = step->then == NOTIFY_ANY ? watcher->stage : step->then;
        log_debug(
                RELATION_LOG(relation), "notify %s --%s--> %s", state_names[watcher->stage], event_names[event], state_names[then]);
        watcher->stage = then;
        step->act(watcher);
        if (watcher->over)
                watcher_free(watcher);
}

/* --- For the administrator. */

static const char *
next_step(const struct watcher *watcher)
{
        switch (watcher->stage) {
        case NOTIFY_NEW:
                return "answer to SUBSCRIBE";
        case NOTIFY_SENDING:
                return "answer to NOTIFY";
        case NOTIFY_LAST:
                return "answer to the last NOTIFY";
        case NOTIFY_RETRYING:
                return "NOTIFY again";
        default:
                return timer_is_running(&watcher->timer) ? "NOTIFY" : "a change of state";
        }
}

bool
watcher_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg)
{
        const struct relation *relation;
        for (size_t at = 0; (relation = map_next(simple->relations, &at)) != NULL;) {
                if (domain != NULL && strcmp(relation->pair.domain, domain) != 0)
                        continue;
                for (LIST_EACH(watcher, &relation->watchers, struct watcher, link)) {
                        struct simple_view view = { .kind = "watcher",
                                .pair = &relation->pair,
                                .state = relation->decision == DECISION_ACCEPTED ? "accepted"
                                        : relation->decision == DECISION_DENIED  ? "denied"
                                                                                 : "pending",
                                .expires = watcher->expires_at,
                                .next = next_step(watcher),
                                .next_at = view_due(&watcher->timer) };
                        view_fill(&view, &watcher->ear, watcher->dialog);
                        if (!seen(arg, &view))
                                return false;
                }
        }
        return true;
}

static void
fire(struct timer *timer)
{
        watcher_apply(container_of(timer, struct watcher, timer), NOTIFY_TIME);
}

/* 481, 404, 410, 489, 606, 403: nobody is there. 408, 5xx: only when it happens twice (5.3). */
static enum notify_event
event_of(const struct watcher *watcher, const struct sip_message *response)
{
        int status = response->status;
        if (status < 300)
                return NOTIFY_TAKEN;
        if (response->local && status == 503)
                return NOTIFY_UNREACHED;
        if (status == 481 || status == 404 || status == 410 || status == 489 || status == 606 || status == 403 || watcher->failed)
                return NOTIFY_GONE;
        return NOTIFY_FAILED;
}

static void
finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct watcher *watcher = owner;
        struct relation *relation = watcher->relation;
        enum notify_event event = event_of(watcher, response);
        watcher->client = NULL;
        if (event != NOTIFY_TAKEN)
                log_info(RELATION_LOG(relation), "NOTIFY answered %d", response->status);
        else
                sip_dialog_answered(watcher->dialog, response);
        bool last_waits = watcher->ends && watcher->stage == NOTIFY_SENDING && event != NOTIFY_GONE;
        watcher_apply(watcher, last_waits ? NOTIFY_TAKEN : event);
        if (last_waits)
                watcher_apply(watcher, NOTIFY_ENDED);
        relation_tidy(relation);
}
