/*
 * session_timer.c - session timers (RFC 4028), as far as the other side asks for them (7.3 of the dialects)
 *
 * Usually they refresh, and when they do not we hang up. Where they want us to, a re-INVITE says the same again at half the time.
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>

enum { MIN_SE = 90, MAX_SE = 86400, BUSY_MS = 1000 };

static void finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);

static const struct sip_client_events refresh_events = { .final = finish };

/* Seconds of Session-Expires; 0: none; -1: too short (422). */
static int64_t
session_expires(const struct sip_message *request)
{
        if (sip_message_get(request, "Session-Expires") == NULL)
                return 0;
        int64_t seconds = sip_message_number(request, "Session-Expires", MAX_SE);
        return seconds >= 0 && seconds < MIN_SE ? -1 : seconds < 0 ? 0 : seconds;
}

bool
session_refuse_hurry(struct sip_server *server, const struct sip_message *request)
{
        if (session_expires(request) >= 0)
                return false;
        answer(server, request, 422, "Min-SE", "90");
        return true;
}

/* --- They refresh. */

static void
give_up(struct timer *timer)
{
        struct session *session = container_of(timer, struct session, refresh);
        log_info(&session->chat->log, "no refresh of the session came in time");
        session_apply(session, SESSION_CLOSE, NULL);
}

/* --- We refresh. */

static void refresh(struct timer *timer);

static void
plan(struct session *session, uint64_t parts)
{
        timer_start(&session->refresh, (uint64_t)session->expires * 1000 / parts, refresh);
}

static void
refresh(struct timer *timer)
{
        struct session *session = container_of(timer, struct session, refresh);
        if (session->stage != SESSION_READY)
                return;
        if (session->client != NULL) {
                timer_start(timer, BUSY_MS, refresh);
                return;
        }
        struct sip_message *request = sip_dialog_request(session->dialog, "INVITE", true);
        sip_message_add(request, "Allow", sip_allow);
        sip_message_add(request, "Supported", "timer");
        sip_message_addf(request, "Session-Expires", "%u;refresher=uac", session->expires);
        session_write_description(session);
        sip_message_set_body(request, "application/sdp", session->sdp, strlen(session->sdp));
        session->refreshing = true;
        session->client = session_start(session, request, &refresh_events);
}

/* Only a dialog that is gone ends the session (RFC 4028 7.1, RFC 3261 12.2.1.2); otherwise another try follows. */
static void
finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct session *session = owner;
        session->client = NULL;
        session->refreshing = false;
        if (response->status < 300) {
                sip_client_ack(client, sip_dialog_ack(session->dialog, response->cseq));
                sip_dialog_answered(session->dialog, response);
        }
        if (response->status == 481) {
                session_apply(session, SESSION_LOST, response);
        } else if (response->status == 408 && session->stage == SESSION_READY) {
                session_apply(session, SESSION_CLOSE, response);
        } else {
                plan(session, response->status < 300 ? 2 : 8);
                session_apply(session, SESSION_TOLD, response);
        }
}

/* --- What our 2xx says. */

void
session_echo_timer(struct session *session, struct sip_message *response, const struct sip_message *request)
{
        int64_t seconds = session_expires(request);
        if (seconds <= 0)
                return;
        const char *refresher = sip_message_parameter(request, "Session-Expires", "refresher");
        bool ours = refresher != NULL && text_equal_nocase(refresher, "uas");
        sip_message_addf(response, "Session-Expires", "%lld;refresher=%s", (long long)seconds, ours ? "uas" : "uac");
        sip_message_add(response, "Require", "timer");
        session->expires = (unsigned)seconds;
        if (ours)
                plan(session, 2);
        else
                timer_start(&session->refresh, (uint64_t)seconds * 1000 * 2 / 3, give_up);
}
