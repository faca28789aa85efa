/*
 * watch.c - a local user watches a foreign one: one SUBSCRIBE dialog for each pair (section 4 of the dialects, RFC 6665)
 *
 * The dialog is on disk, so a restart of ours goes on with it; a dialog the other side has lost is made anew without a word to XMPP. What the
 * user asked for ends only by the user or by a plain refusal, never by an error.
 */
#include "sipcomp/simple/watch_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

#include <string.h>

enum {
        TIMER_N_MS = 32000,
        LINGER_MS = 32000,
        TRIES_BEFORE_ERROR = 3,
        ANEW_AT_ONCE = 2,
        ANEW_WINDOW_MS = 60000,
        MIN_EXPIRES_MAX = 604800
};

static void fire(struct timer *timer);
static void expire(struct timer *timer);
static void finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);

static const struct sip_client_events client_events = { .final = finish };

/* --- Sending. */

static void
drop_dialog(struct watch *watch)
{
        sip_client_forget(&watch->client);
        sip_dialog_free(&watch->dialog);
        ear_forget(watch->simple, &watch->ear);
        watch->notified = false;
}

uint32_t
watch_wanted_expires(const struct watch *watch)
{
        return watch->expires_asked != 0 ? watch->expires_asked : dialect_for(watch->simple, watch->pair.domain)->subscribe_expires;
}

static void
send_subscribe(struct watch *watch, struct sip_message *request, uint32_t expires)
{
        sip_message_add(request, "Event", "presence");
        sip_message_add(request, "Accept", PIDF_TYPE);
        sip_message_addf(request, "Expires", "%u", expires);
        sip_message_add(request, "Allow", sip_allow);
        watch->client = send_request(watch->simple, request, watch->pair.domain, watch->dialog, &client_events, watch);
        timer_stop(&watch->timer);
        watch_save(watch);
}

/* A new dialog with a new Call-ID. */
static void
subscribe(struct watch *watch, const struct sip_message *cause)
{
        drop_dialog(watch);
        struct sip_message *request =
                sip_request_new("SUBSCRIBE", watch->redirect != NULL ? watch->redirect : watch->pair.foreign_uri, NULL,
                        watch->pair.local_uri, watch->pair.foreign_uri);
        sip_message_set_contact_user(request, watch->pair.local_user);
        must(sip_message_complete(request));
        ear_register(watch->simple, &watch->ear, request->call_id, request->from.tag);
        send_subscribe(watch, request, watch_wanted_expires(watch));
}

/* What the first SUBSCRIBE lacked is asked for in the same call: Call-ID, From and To stay, CSeq moves on (RFC 3261 8.1.3.4, 8.1.3.5). */
static void
ask_again(struct watch *watch, const struct sip_message *cause)
{
        if (cause == NULL || cause->status < 300 || cause->status == 481) {
                subscribe(watch, cause);
                return;
        }
        struct sip_message *request =
                sip_request_bare("SUBSCRIBE", watch->redirect != NULL ? watch->redirect : watch->pair.foreign_uri);
        sip_message_add(request, "Max-Forwards", "70");
        sip_message_add(request, "From", cause->from.text);
        sip_message_addf(request, "To", "<%s>", watch->pair.foreign_uri);
        sip_message_add(request, "Call-ID", cause->call_id);
        sip_message_addf(request, "CSeq", "%u SUBSCRIBE", cause->cseq + 1);
        sip_message_set_contact_user(request, watch->pair.local_user);
        must(sip_message_complete(request));
        send_subscribe(watch, request, watch_wanted_expires(watch));
}

static void
refresh(struct watch *watch, const struct sip_message *cause)
{
        sip_client_forget(&watch->client);
        send_subscribe(watch, sip_dialog_request(watch->dialog, "SUBSCRIBE", true), watch_wanted_expires(watch));
}

/* Expires: 0; the dialog stays for the final NOTIFY (4.5). */
static void
unsubscribe(struct watch *watch, const struct sip_message *cause)
{
        sip_client_forget(&watch->client);
        timer_stop(&watch->expiry);
        if (watch->dialog != NULL)
                send_subscribe(watch, sip_dialog_request(watch->dialog, "SUBSCRIBE", true), 0);
        watch_unsave(watch);
        timer_start(&watch->timer, watch->dialog != NULL ? LINGER_MS : 0, fire);
}

/* --- What the answers and notifications do. */

static void
wait_for(struct watch *watch, uint64_t ms)
{
        timer_start(
                &watch->timer, ms - (ms > 1000 ? random_below((uint32_t)(ms / 20 > UINT32_MAX ? UINT32_MAX : ms / 20)) : 0), fire);
}

/* E - 900 s for an hour and more, three quarters below, half below 90 s; fire() takes up to 5 % off (4.4). */
void
watch_plan(struct watch *watch)
{
        int64_t left = (watch->expires_at - clock_wall_ms()) / 1000;
        if (left < 0)
                left = 0;
        int64_t wait = left >= 3600 ? left - 900 : left >= 90 ? left * 3 / 4 : left / 2;
        wait_for(watch, (uint64_t)wait * 1000);
}

/* A 2xx: its Expires, never more than we asked for; without one the NOTIFY will say. */
static void
keep_grant(struct watch *watch, const struct sip_message *response)
{
        int64_t granted = sip_message_number(response, "Expires", UINT32_MAX);
        if (granted < 0 || granted > watch_wanted_expires(watch))
                granted = watch_wanted_expires(watch);
        watch->expires_at = clock_wall_ms() + granted * 1000;
        timer_start(&watch->expiry, (uint64_t)granted * 1000, expire);
        watch->tries = 0;
        watch->unreached = false;
        watch->granted_at = worker_now();
        mem_free(watch->redirect);
        watch->redirect = NULL;
}

static void
await_notify(struct watch *watch, const struct sip_message *response)
{
        keep_grant(watch, response);
        watch_save(watch);
        timer_start(&watch->timer, TIMER_N_MS, fire);
}

static void
settle(struct watch *watch, const struct sip_message *response)
{
        keep_grant(watch, response);
        watch_save(watch);
        watch_plan(watch);
}

static void
take_state(struct watch *watch, const struct sip_message *message)
{
        watch_take_state(watch, message);
        watch_save_later(watch);
}

static void
take_state_and_settle(struct watch *watch, const struct sip_message *message)
{
        take_state(watch, message);
        watch_plan(watch);
}

/* The other side says that the user is not to be seen. */
static void
end_refused(struct watch *watch, const struct sip_message *cause)
{
        log_info(WATCH_LOG(watch), "refused: the subscription ends");
        watch_show_closed(watch);
        watch_say_ended(watch);
        drop_dialog(watch);
        share_unsave(watch);
        share_forget(watch);
        watch_unsave(watch);
        timer_start(&watch->timer, 0, fire);
}

/* probation, giveup: after the time they name, 15 minutes if they name none. */
static void
postpone(struct watch *watch, const struct sip_message *notify)
{
        watch_show_closed(watch);
        drop_dialog(watch);
        wait_for(watch, (uint64_t)watch_retry_after(notify, 900) * 1000);
        watch_save(watch);
}

/* invariant: the state will never change. */
static void
freeze(struct watch *watch, const struct sip_message *notify)
{
        if (notify->body_len > 0)
                watch_take_state(watch, notify);
        drop_dialog(watch);
        timer_stop(&watch->timer);
        timer_stop(&watch->expiry);
        watch_save(watch);
}

/* 2139: a newer subscription of ours took over. Answering with yet another one would never end (4.3). */
static void
let_go(struct watch *watch, const struct sip_message *notify)
{
        drop_dialog(watch);
        wait_for(watch, (uint64_t)watch_wanted_expires(watch) * 1000);
        watch_save(watch);
}

static void
fail(struct watch *watch, const struct sip_message *response)
{
        const struct subscribe_failure *rule = failure_of_subscribe(response == NULL ? 408 : response->status);
        char text[FAILURE_TEXT] = "the other system sent no notification";
        if (response != NULL)
                failure_text(text, response, NULL);
        watch->tries++;
        watch->unreached = !rule->known_unavailable;
        log_at(WATCH_LOG(watch), rule->routing_fault ? LOG_ERROR : LOG_INFO, "SUBSCRIBE failed: %s tries=%u", text, watch->tries);

        bool tell = rule->first == FIRST_ERROR || (rule->first == FIRST_ERROR_AFTER_TRIES && watch->tries == TRIES_BEFORE_ERROR);
        if (watch->known) {
                if (rule->known_unavailable)
                        watch_show_closed(watch);
        } else if (rule->first == FIRST_UNSUBSCRIBED) {
                watch_say_ended(watch);
        } else if (tell && (rule->first == FIRST_ERROR_AFTER_TRIES || watch->tries == 1)) {
                watch_say_failed(watch, rule->condition, rule->type, text);
        }
        if (clock_wall_ms() >= watch->expires_at || !watch->notified)
                drop_dialog(watch);
        uint32_t wait = failure_wait(rule, watch->tries);
        int64_t asked = response == NULL || response->status < 500 ? -1 : sip_message_number(response, "Retry-After", 86400);
        if (asked > 0)
                wait = (uint32_t)asked;
        if ((watch->known ? rule->known_retry : rule->first_retry) != RETRY_NEVER)
                wait_for(watch, (uint64_t)wait * 1000);
        else
                timer_stop(&watch->timer);
        watch_save(watch);
}

/* The user asks once more for what he has. */
static void
repeat(struct watch *watch, const struct sip_message *cause)
{
        if (!watch->known)
                return;
        watch->asked = false;
        watch->simple->events->watch_accepted(watch->simple->owner, &watch->pair);
        watch->simple->events->watch_state(watch->simple->owner, &watch->pair, watch->state);
}

static void
do_nothing(struct watch *watch, const struct sip_message *cause)
{
}

static void
forget_watch(struct watch *watch, const struct sip_message *cause)
{
        watch->over = true;
}

/* clang-format off */
static const struct step {
        enum watch_state in;
        enum watch_event when;
        void (*act)(struct watch *watch, const struct sip_message *message);
        enum watch_state then;
} steps[] = {
        /* in               when              act                    then             */
        { WATCH_IDLE,       WATCH_WANTED,     subscribe,             WATCH_ASKING     },
        { WATCH_IDLE,       WATCH_TIME,       subscribe,             WATCH_ASKING     }, /* after a restart, without a dialog */
        { WATCH_IDLE,       WATCH_TURN,       refresh,               WATCH_REFRESHING }, /* after a restart: a wrong guess costs one 481 */

        { WATCH_ASKING,     WATCH_GRANTED,    await_notify,          WATCH_LISTENING  },
        { WATCH_ASKING,     WATCH_COMPLETE,   settle,                WATCH_SETTLED    }, /* the NOTIFY overtook the 2xx */
        { WATCH_ASKING,     WATCH_NOTIFIED,   take_state,            WATCH_ASKING     },
        { WATCH_ASKING,     WATCH_ANEW,       ask_again,             WATCH_ASKING     }, /* 423, 3xx */
        { WATCH_ASKING,     WATCH_FAILED,     fail,                  WATCH_WAITING    },
        { WATCH_ASKING,     WATCH_WANTED,     do_nothing,            WATCH_ASKING     },

        { WATCH_LISTENING,  WATCH_NOTIFIED,   take_state_and_settle, WATCH_SETTLED    },
        { WATCH_LISTENING,  WATCH_TIME,       fail,                  WATCH_WAITING    }, /* timer N, RFC 6665 4.1.2.4 */
        { WATCH_LISTENING,  WATCH_WANTED,     do_nothing,            WATCH_LISTENING  },

        { WATCH_SETTLED,    WATCH_NOTIFIED,   take_state,            WATCH_SETTLED    },
        { WATCH_SETTLED,    WATCH_TURN,       refresh,               WATCH_REFRESHING },
        { WATCH_SETTLED,    WATCH_WANTED,     repeat,                WATCH_SETTLED    },

        { WATCH_REFRESHING, WATCH_GRANTED,    await_notify,          WATCH_LISTENING  }, /* resumed: not notified since */
        { WATCH_REFRESHING, WATCH_COMPLETE,   settle,                WATCH_SETTLED    },
        { WATCH_REFRESHING, WATCH_NOTIFIED,   take_state,            WATCH_REFRESHING },
        { WATCH_REFRESHING, WATCH_TURN,       refresh,               WATCH_REFRESHING }, /* 423 */
        { WATCH_REFRESHING, WATCH_ANEW,       subscribe,             WATCH_ASKING     }, /* 481: they lost the dialog */
        { WATCH_REFRESHING, WATCH_FAILED,     fail,                  WATCH_WAITING    },
        { WATCH_REFRESHING, WATCH_WANTED,     repeat,                WATCH_REFRESHING },

        { WATCH_WAITING,    WATCH_TIME,       subscribe,             WATCH_ASKING     },
        { WATCH_WAITING,    WATCH_TURN,       refresh,               WATCH_REFRESHING }, /* the dialog may still be alive */
        { WATCH_WAITING,    WATCH_WANTED,     subscribe,             WATCH_ASKING     },
        { WATCH_WAITING,    WATCH_NOTIFIED,   take_state,            WATCH_WAITING    },

        { WATCH_ENDING,     WATCH_WANTED,     subscribe,             WATCH_ASKING     },
        { WATCH_ENDING,     WATCH_TIME,       forget_watch,          WATCH_OVER       },
        { WATCH_ENDING,     WATCH_TURN,       forget_watch,          WATCH_OVER       },
        { WATCH_ENDING,     WATCH_ANY_EVENT,  do_nothing,            WATCH_ENDING     },

        { WATCH_ANY,        WATCH_UNWANTED,   unsubscribe,           WATCH_ENDING     },
        { WATCH_ANY,        WATCH_REVOKED,    end_refused,           WATCH_ENDING     },
        { WATCH_ANY,        WATCH_LOST,       subscribe,             WATCH_ASKING     },
        { WATCH_ANY,        WATCH_POSTPONED,  postpone,              WATCH_WAITING    },
        { WATCH_ANY,        WATCH_FROZEN,     freeze,                WATCH_WAITING    },
        { WATCH_ANY,        WATCH_SUPERSEDED, let_go,                WATCH_WAITING    },
        { WATCH_ANY,        WATCH_FAILED,     fail,                  WATCH_WAITING    },
        { WATCH_ANY,        WATCH_ANY_EVENT,  do_nothing,            WATCH_ANY        },
};
/* clang-format on */

static const char *const state_names[] = { "idle", "asking", "listening", "settled", "refreshing", "waiting", "ending", "over",
        "any" };
static const char *const event_names[] = { "wanted", "unwanted", "granted", "complete", "notified", "failed", "anew", "lost",
        "revoked", "postponed", "frozen", "superseded", "time", "turn", "any" };

/* The watch may be gone afterwards. */
void
watch_apply(struct watch *watch, enum watch_event event, const struct sip_message *message)
{
        const struct step *step = steps;
        while ((step->in != watch->stage && step->in != WATCH_ANY) || (step->when != event && step->when != WATCH_ANY_EVENT))
                step++;
        enum watch_state then = step->then == WATCH_ANY ? watch->stage : step->then;
        log_debug(WATCH_LOG(watch), "%s --%s--> %s", state_names[watch->stage], event_names[event], state_names[then]);
        watch->stage = then;
        step->act(watch, message);
        if (watch->over)
                watch_destroy(watch);
}

static bool
dialog_lives(const struct watch *watch)
{
        return watch->dialog != NULL && clock_wall_ms() < watch->expires_at;
}

static void
go_on(struct watch *watch, bool sends)
{
        watch->has_turn = false;
        if (watch->stage == WATCH_SETTLED && !dialog_lives(watch))
                watch_apply(watch, WATCH_LOST, NULL);
        else
                watch_apply(watch, sends && dialog_lives(watch) ? WATCH_TURN : WATCH_TIME, NULL);
}

/* A timer of the watch. What sends a SUBSCRIBE waits for the turn of its domain first. */
static void
fire(struct timer *timer)
{
        struct watch *watch = container_of(timer, struct watch, timer);
        bool sends = watch->stage != WATCH_LISTENING && watch->stage != WATCH_ENDING;
        if (sends && !watch->has_turn) {
                uint64_t wait = domain_take_turn(watch->domain);
                watch->has_turn = true;
                if (wait > 0) {
                        timer_start(timer, wait, fire);
                        return;
                }
        }
        go_on(watch, sends);
}

/* The domain may have forgotten us. Who waits for something else than a way there goes on waiting. */
bool
watch_renew(struct link *link)
{
        struct watch *watch = container_of(link, struct watch, in_domain);
        bool waits =
                watch->stage == WATCH_IDLE || watch->stage == WATCH_SETTLED || (watch->stage == WATCH_WAITING && watch->unreached);
        if (watch->folded && watch->stage != WATCH_ENDING) {
                watch_apply(watch, WATCH_UNWANTED, NULL);
                return true;
        }
        watch->anew_since = 0; /* what was lost before is no loop */
        if (!waits || watch->client != NULL || (watch->stage != WATCH_IDLE && watch->granted_at >= watch->domain->back_at))
                return false;
        go_on(watch, true);
        return true;
}

/* The dialog has run out without being refreshed: nothing is known about the contact any more. */
static void
expire(struct timer *timer)
{
        struct watch *watch = container_of(timer, struct watch, expiry);
        if (watch->stage == WATCH_ENDING)
                return; /* its record is gone already */
        watch_show_closed(watch);
        watch_save(watch);
}

void
watch_expire_in(struct watch *watch, uint64_t ms)
{
        timer_start(&watch->expiry, ms, expire);
}

/* --- Final answers to SUBSCRIBE. */

static bool
has_presence_body(const struct sip_message *message)
{
        const char *type = message->body_len == 0 ? NULL : sip_message_content_type(message);
        return type != NULL && text_equal(type, PIDF_TYPE);
}

static void
finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct watch *watch = owner;
        const struct sip_message *request = sip_client_request(client);
        watch->client = NULL;
        if (response->status >= 300 || watch->stage == WATCH_ENDING) {
                watch_apply(watch, response->status < 300 ? WATCH_GRANTED : watch_event_of_refusal(watch, response), response);
                return;
        }
        if (watch->dialog == NULL)
                watch->dialog = sip_dialog_of_client(request, response, own_host(watch->simple));
        else
                sip_dialog_answered(watch->dialog, response);
        if (watch->dialog == NULL) {
                log_info(WATCH_LOG(watch), "the answer to SUBSCRIBE has no tag or Contact");
                watch_apply(watch, WATCH_FAILED, NULL);
                return;
        }
        bool piggyback = has_presence_body(response);
        if (piggyback)
                watch->notified = true;
        watch_apply(watch, watch->notified ? WATCH_COMPLETE : WATCH_GRANTED, response);
        if (piggyback)
                watch_apply(watch, WATCH_NOTIFIED, response); /* a first notification that came along (4.2) */
}

/* --- For the administrator. */

static const char *
next_step(const struct watch *watch)
{
        switch (watch->stage) {
        case WATCH_ASKING:
        case WATCH_REFRESHING:
                return "answer to SUBSCRIBE";
        case WATCH_LISTENING:
                return "first NOTIFY";
        case WATCH_SETTLED:
                return "refresh";
        case WATCH_ENDING:
                return "last NOTIFY";
        default:
                return timer_is_running(&watch->timer) ? "SUBSCRIBE" : "the user asks again";
        }
}

bool
watch_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg)
{
        const struct watch *watch;
        for (size_t at = 0; (watch = map_next(simple->watches, &at)) != NULL;) {
                if (domain != NULL && strcmp(watch->pair.domain, domain) != 0)
                        continue;
                struct simple_view view = { .kind = "watch",
                        .pair = &watch->pair,
                        .state = state_names[watch->stage],
                        .expires = watch->dialog != NULL ? watch->expires_at : 0,
                        .next = next_step(watch),
                        .next_at = view_due(&watch->timer) };
                view_fill(&view, &watch->ear, watch->dialog);
                if (!seen(arg, &view))
                        return false;
        }
        return true;
}

const struct sip_message *
watch_request_under_way(const struct watch *watch)
{
        return watch->client == NULL ? NULL : sip_client_request(watch->client);
}
