/*
 * watch_answer.c - what a refusal of SUBSCRIBE leads to, before the table of failures is asked: a longer time, another place, a new dialog
 */
#include "sipcomp/simple/watch_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

#include <string.h>

enum { ANEW_AT_ONCE = 2, ANEW_WINDOW_MS = 60000, MIN_EXPIRES_MAX = 604800 };

/* One Contact of a 3xx is followed if it stays in the domain. */
static bool
may_follow(struct watch *watch, const struct sip_message *response)
{
        struct sip_address contact;
        if (watch->redirect != NULL || !sip_message_contact(response, &contact) || contact.star ||
                !text_equal(contact.uri.host, watch->pair.domain))
                return false;
        watch->redirect = mem_strdup(contact.uri.text);
        return true;
}

/* A second subscription at once is worth one try, not a loop: at most two within a minute. */
bool
watch_may_begin_anew(struct watch *watch)
{
        uint64_t now = worker_now();
        if (watch->anew_since == 0 || now - watch->anew_since > ANEW_WINDOW_MS) {
                watch->anew_since = now == 0 ? 1 : now;
                watch->anew_count = 0;
        }
        return watch->anew_count++ < ANEW_AT_ONCE;
}

static bool
asks_for_more_time(struct watch *watch, const struct sip_message *response)
{
        int64_t least = sip_message_number(response, "Min-Expires", UINT32_MAX);
        if (response->status != 423 || least <= watch_wanted_expires(watch) || least > MIN_EXPIRES_MAX)
                return false;
        watch->expires_asked = (uint32_t)least;
        return true;
}

/* 481, and the other ways in which they say that they have lost the dialog (4.4). */
static bool
lost_dialog(const struct watch *watch, const struct sip_message *response)
{
        if (response->status == 481)
                return true;
        if (watch->dialog == NULL || response->local)
                return false;
        if (response->status == 500 && !watch->notified) /* after a restart: our CSeq on disk may be older than theirs */
                return true;
        const char *diagnostics = sip_message_get(response, "ms-diagnostics");
        bool stale_route = diagnostics != NULL && strncmp(diagnostics, "1004", 4) == 0;
        return (response->status == 404 && response->to.tag != NULL) ||
                ((response->status == 403 || response->status == 503) && stale_route);
}

enum watch_event
watch_event_of_refusal(struct watch *watch, const struct sip_message *response)
{
        bool in_dialog = watch->stage == WATCH_REFRESHING;
        if (asks_for_more_time(watch, response))
                return in_dialog ? WATCH_TURN : WATCH_ANEW;
        if (response->status >= 300 && response->status <= 399 && !in_dialog && may_follow(watch, response))
                return WATCH_ANEW;
        if (response->status == 420 && watch_may_begin_anew(watch))
                return WATCH_ANEW; /* we require nothing; once more */
        if (lost_dialog(watch, response) && watch_may_begin_anew(watch))
                return WATCH_ANEW;
        return WATCH_FAILED;
}
