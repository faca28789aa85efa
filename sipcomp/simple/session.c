/*
 * session.c - one IM session: INVITE, MESSAGE after MESSAGE, BYE (section 7 of the dialects)
 *
 * One request is under way in a dialog at a time: parallel ones can overtake each other, and the other side refuses the older one as stale.
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "sipcomp/sip/sdp.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_MS = 2000, PAUSE_MAX_S = 10, BYE_MS = 40000, TRIES_ANEW = 1 };

static const char composing_xml[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
                                    "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>%s</state>"
                                    "<contenttype>text/plain</contenttype></isComposing>\r\n";
static const char keyboard_xml[] =
        "<?xml version=\"1.0\"?>\r\n<KeyboardActivity>\r\n<status status=\"%s\" />\r\n</KeyboardActivity>\r\n";

static void fire(struct timer *timer);
static void finish_message(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);
static void finish_typing(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);
static void finish_bye(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);

static const struct sip_client_events invite_events = { .final = session_finish_invite };
static const struct sip_client_events message_events = { .final = finish_message };
static const struct sip_client_events typing_events = { .final = finish_typing };
static const struct sip_client_events bye_events = { .final = finish_bye };

/* --- Life. */

struct session *
session_new(struct chat *chat, bool ours)
{
        struct session *session = MEM_NEW(session);
        session->chat = chat;
        session->ours = ours;
        session_init_ear(session);
        list_append(&chat->sessions, &session->link);
        return session;
}

void
session_free(struct session *session)
{
        list_remove(&session->chat->sessions, &session->link);
        if (list_is_empty(&session->chat->sessions)) /* who types in the next one has told nobody yet */
                session->chat->typing = session->chat->told_typing = false;
        ear_forget(session->chat->simple, &session->ear);
        sip_client_forget(&session->client);
        sip_dialog_free(&session->dialog);
        timer_stop(&session->timer);
        timer_stop(&session->refresh);
        mem_free(session->accept_types);
        msrp_session_free(&session->msrp);
        mem_free(session->sdp);
        mem_free(session->redirect);
        mem_free(session);
}

bool
session_can_send(const struct session *session)
{
        return session->stage == SESSION_READY && session->client == NULL && !session->sending &&
                (session->msrp == NULL || msrp_session_is_up(session->msrp));
}

void
session_touch(struct session *session)
{
        timer_start(&session->timer, (uint64_t)session->chat->simple->options.session_idle * 1000, fire);
}

void
session_close_in(struct session *session, uint64_t ms)
{
        if (!timer_is_running(&session->timer) || session->timer.due > worker_now() + ms)
                timer_start(&session->timer, ms, fire);
}

const char *
session_accept_types(const struct chat *chat)
{
        return dialect_for(chat->simple, chat->pair.domain)->imdn ? sip_sdp_accept_types_imdn : sip_sdp_accept_types;
}

/* --- Sending. */

struct sip_client *
session_start(struct session *session, struct sip_message *request, const struct sip_client_events *events)
{
        struct chat *chat = session->chat;
        return send_request(chat->simple, request, chat->pair.domain, session->dialog, events, session);
}

static void
add_conversation_id(struct sip_message *request)
{
        unsigned char bytes[16];
        char text[32];
        random_bytes(bytes, sizeof(bytes));
        sip_message_add(request, "Ms-Conversation-ID", text_base64(text, bytes, sizeof(bytes)));
}

static void
describe(struct session *session, struct sip_message *request)
{
        struct buf sdp = { 0 };
        if (session->offers_msrp) {
                session_msrp_offer(session);
                sip_message_set_body(request, "application/sdp", session->sdp, strlen(session->sdp));
                return;
        }
        sip_sdp_write(&sdp, session->chat->simple->options.sdp_address, "null", session_accept_types(session->chat));
        sip_message_set_body(request, "application/sdp", buf_data(&sdp), sdp.len);
        buf_free(&sdp);
}

/* Each try has a new Call-ID and a new conversation: one that a window of theirs still knows is refused (7.1). */
static void
invite(struct session *session, const struct sip_message *cause)
{
        struct chat *chat = session->chat;
        struct sip_message *request =
                sip_request_new("INVITE", session->redirect != NULL ? session->redirect : chat->pair.foreign_uri, NULL,
                        chat->pair.local_uri, chat->pair.foreign_uri);
        sip_message_set_contact_user(request, chat->pair.local_user);
        if (dialect_for(chat->simple, chat->pair.domain)->conversation_id)
                add_conversation_id(request);
        sip_message_add(request, "Allow", sip_allow);
        describe(session, request);
        must(sip_message_complete(request));
        sip_dialog_free(&session->dialog);
        ear_register(chat->simple, &session->ear, request->call_id, request->from.tag);
        timer_stop(&session->timer);
        session->client = session_start(session, request, &invite_events);
}

/* What Retry-After asks for (20.33), where it is short enough to keep a text waiting; 0: it is not. Without one 2 s after 481 and 491. */
uint64_t
session_pause_after(const struct sip_message *response)
{
        int64_t seconds = sip_message_number(response, "Retry-After", PAUSE_MAX_S);
        if (seconds == -1)
                return response->status < 500 ? PAUSE_MS : 0;
        return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

static void
pause_invite(struct session *session, const struct sip_message *cause)
{
        session->once_later = true;
        timer_start(&session->timer, session_pause_after(cause), fire);
}

static void
open_session(struct session *session, const struct sip_message *response)
{
        log_info(&session->chat->log, "session open by=%s", session->ours ? "us" : "them");
        session_touch(session);
        chat_pump(session->chat);
}

static void
say_bye(struct session *session, const struct sip_message *cause)
{
        static const struct message_failure unanswered = { .condition = RECIPIENT_UNAVAILABLE, .type = "wait" };
        if (session->sending)
                text_fail(session->chat, &unanswered, "the session was closed: the message may not have arrived");
        session->sending = false;
        sip_client_forget(&session->client);
        msrp_session_free(&session->msrp);
        session->client = session_start(session, sip_dialog_request(session->dialog, "BYE", false), &bye_events);
        timer_start(&session->timer, BYE_MS, fire);
}

/* A 2xx whose description is of no use: the ACK has gone, now BYE. */
static void
refuse_answer(struct session *session, const struct sip_message *response)
{
        static const struct message_failure rule = { .condition = NOT_ACCEPTABLE, .type = "cancel" };
        if (!chat_has_another(session))
                text_fail_all(session->chat, &rule, "the other side takes no text in a session");
        say_bye(session, response);
}

static void
over(struct session *session, const struct sip_message *cause)
{
        session->over = true;
}

static void
fail_all(struct session *session, const struct sip_message *response)
{
        if (!chat_has_another(session)) /* theirs came meanwhile, and takes the texts */
                text_fail_all(session->chat, session->failure, session->failure_text);
        session->over = true;
}

static void
turn_to_pager(struct session *session, const struct sip_message *response)
{
        pager_remember(session->chat->simple, session->chat->pair.domain);
        session->over = true;
}

static void
text_taken(struct session *session, const struct sip_message *response)
{
        text_done(session->chat);
        session_touch(session);
        chat_pump(session->chat);
}

static void
text_taken_at_last(struct session *session, const struct sip_message *response)
{
        text_done(session->chat);
        session->over = true;
}

static void
text_refused(struct session *session, const struct sip_message *response)
{
        text_fail(session->chat, session->failure, session->failure_text);
        session_touch(session);
        chat_pump(session->chat);
}

static void
text_refused_at_last(struct session *session, const struct sip_message *response)
{
        text_fail(session->chat, session->failure, session->failure_text);
        session->over = true;
}

/* The text may have arrived: it is not sent again. */
static void
text_refused_and_bye(struct session *session, const struct sip_message *response)
{
        text_fail(session->chat, session->failure, session->failure_text);
        say_bye(session, response);
}

static void
pump(struct session *session, const struct sip_message *cause)
{
        chat_pump(session->chat);
}

static void
wait_for_answer(struct session *session, const struct sip_message *cause)
{
        timer_start(&session->timer, BYE_MS, fire);
}

static void
do_nothing(struct session *session, const struct sip_message *cause)
{
}

/* clang-format off */
static const struct step {
        enum session_state in;
        enum session_event when;
        void (*act)(struct session *session, const struct sip_message *message);
        enum session_state then;
} steps[] = {
        /* in               when                  act                   then              */
        { SESSION_FRESH,    SESSION_WANTED,       invite,               SESSION_INVITING },
        { SESSION_FRESH,    SESSION_INVITED,      open_session,         SESSION_READY    }, /* our 200 has gone */

        { SESSION_INVITING, SESSION_ANSWERED,     open_session,         SESSION_READY    },
        { SESSION_INVITING, SESSION_UNUSABLE,     refuse_answer,        SESSION_ENDING   },
        { SESSION_INVITING, SESSION_AGAIN,        invite,               SESSION_INVITING }, /* 52035, 3xx, over MSRP */
        { SESSION_INVITING, SESSION_LATER,        pause_invite,         SESSION_PAUSED   }, /* 481, 491, Retry-After */
        { SESSION_INVITING, SESSION_TO_PAGER,     turn_to_pager,        SESSION_OVER     },
        { SESSION_INVITING, SESSION_REFUSED,      fail_all,             SESSION_OVER     },
        { SESSION_PAUSED,   SESSION_TIME,         invite,               SESSION_INVITING },

        { SESSION_READY,    SESSION_TAKEN,        text_taken,           SESSION_READY    },
        { SESSION_READY,    SESSION_TEXT_REFUSED, text_refused,         SESSION_READY    },
        { SESSION_READY,    SESSION_ONCE_MORE,    pump,                 SESSION_READY    },
        { SESSION_READY,    SESSION_TOLD,         pump,                 SESSION_READY    },
        { SESSION_READY,    SESSION_LOST,         over,                 SESSION_OVER     }, /* the text goes again, in a new session */
        { SESSION_READY,    SESSION_DEAD,         text_refused_and_bye, SESSION_ENDING   },
        { SESSION_READY,    SESSION_TIME,         say_bye,              SESSION_ENDING   }, /* idle */
        { SESSION_READY,    SESSION_CLOSE,        say_bye,              SESSION_ENDING   },
        { SESSION_READY,    SESSION_BYE,          over,                 SESSION_OVER     },
        { SESSION_READY,    SESSION_BYE_BUSY,     wait_for_answer,      SESSION_LEAVING  },

        { SESSION_LEAVING,  SESSION_TAKEN,        text_taken_at_last,   SESSION_OVER     },
        { SESSION_LEAVING,  SESSION_LOST,         over,                 SESSION_OVER     }, /* BYE crossed it: certain, not delivered */
        { SESSION_LEAVING,  SESSION_ONCE_MORE,    over,                 SESSION_OVER     },
        { SESSION_LEAVING,  SESSION_TOLD,         over,                 SESSION_OVER     },
        { SESSION_LEAVING,  SESSION_DEAD,         text_refused_at_last, SESSION_OVER     },
        { SESSION_LEAVING,  SESSION_TEXT_REFUSED, text_refused_at_last, SESSION_OVER     },

        { SESSION_ENDING,   SESSION_ENDED,        over,                 SESSION_OVER     },
        { SESSION_ENDING,   SESSION_TIME,         over,                 SESSION_OVER     },
        { SESSION_ENDING,   SESSION_BYE,          over,                 SESSION_OVER     },
        { SESSION_ENDING,   SESSION_BYE_BUSY,     do_nothing,           SESSION_ENDING   },

        { SESSION_ANY,      SESSION_ANY_EVENT,    do_nothing,           SESSION_ANY      },
};
/* clang-format on */

static const char *const state_names[] = { "fresh", "inviting", "paused", "ready", "leaving", "ending", "over", "any" };
static const char *const event_names[] = { "wanted", "invited", "answered", "unusable", "again", "later", "refused", "to-pager",
        "taken", "text-refused", "once-more", "lost", "dead", "told", "time", "close", "bye", "bye-busy", "ended", "any" };

void
session_apply(struct session *session, enum session_event event, const struct sip_message *message)
{
        struct chat *chat = session->chat;
        const struct step *step = steps;
        while ((step->in != session->stage && step->in != SESSION_ANY) || (step->when != event && step->when != SESSION_ANY_EVENT))
                step++;
        enum session_state then = step->then == SESSION_ANY ? session->stage : step->then;
        log_debug(&chat->log, "%s --%s--> %s", state_names[session->stage], event_names[event], state_names[then]);
        session->stage = then;
        step->act(session, message);
        if (!session->over)
                return;
        session_free(session);
        chat_pump(chat);
        chat_tidy(chat);
}

static void
fire(struct timer *timer)
{
        struct session *session = container_of(timer, struct session, timer);
        if (session->stage == SESSION_READY && session->sending)
                session_touch(session); /* not idle while an answer is awaited */
        else
                session_apply(session, SESSION_TIME, NULL);
}

/* --- For the administrator. */

static const char *
next_step(const struct session *session)
{
        switch (session->stage) {
        case SESSION_INVITING:
                return "answer to INVITE";
        case SESSION_ENDING:
                return "answer to BYE";
        case SESSION_PAUSED:
                return "INVITE again";
        case SESSION_READY:
                return session->sending ? "answer to MESSAGE" : session->client != NULL ? "answer" : "BYE when idle";
        default:
                return "";
        }
}

bool
session_view(const struct simple *simple, const char *domain, simple_viewed *seen, void *arg)
{
        const struct chat *chat;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;) {
                if (domain != NULL && strcmp(chat->pair.domain, domain) != 0)
                        continue;
                for (LIST_EACH(session, &chat->sessions, struct session, link)) {
                        struct simple_view view = { .kind = "session",
                                .pair = &chat->pair,
                                .state = state_names[session->stage],
                                .next = next_step(session),
                                .next_at = view_due(&session->timer) };
                        view_fill(&view, &session->ear, session->dialog);
                        if (!seen(arg, &view))
                                return false;
                }
        }
        return true;
}

/* --- MESSAGE. */

/* Both or none: who lists the notification can read what asks for it. */
static bool
takes_imdn(const struct session *session)
{
        struct sip_sdp sdp = { .accept_types = session->accept_types };
        return sdp.accept_types != NULL && sip_sdp_accepts(&sdp, "message/cpim") && sip_sdp_accepts(&sdp, "message/imdn+xml");
}

void
session_send_text(struct session *session)
{
        struct text *text = LIST_ITEM(session->chat->texts.first, struct text, link);
        struct buf body = { 0 };
        const char *type = text_piece(text, &body, takes_imdn(session));
        session->sending = true;
        if (session->msrp != NULL) {
                msrp_session_send(session->msrp, type, buf_data(&body), body.len);
        } else {
                struct sip_message *request = sip_dialog_request(session->dialog, "MESSAGE", true);
                sip_message_set_body(request, type, buf_data(&body), body.len);
                session->client = session_start(session, request, &message_events);
        }
        buf_free(&body);
}

/* The step of the table, as far as it has not been taken for this text before. */
static enum session_event
event_of_failure(struct session *session)
{
        struct text *text = LIST_ITEM(session->chat->texts.first, struct text, link);
        const struct message_failure *failure = session->failure;
        log_info(&session->chat->log, "a message failed: %s", session->failure_text);
        if (text == NULL)
                return SESSION_TEXT_REFUSED;
        switch (failure->step) {
        case STEP_NEW_SESSION:
                if (text->sessions >= TRIES_ANEW)
                        return SESSION_DEAD;
                text->sessions++;
                return SESSION_LOST;
        case STEP_DROP:
                return SESSION_DEAD;
        default:
                return text_change(text, failure) ? SESSION_ONCE_MORE : SESSION_TEXT_REFUSED;
        }
}

static void
finish_message(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct session *session = owner;
        session->client = NULL;
        session->sending = false;
        if (response->status < 300) {
                session_apply(session, SESSION_TAKEN, response);
                return;
        }
        session_keep_failure(session, failure_of_message(response, sent), response);
        session_apply(session, event_of_failure(session), response);
}

enum session_event
session_judge_msrp(struct session *session, int status)
{
        char what[40] = "the connection was lost";
        session->failure = failure_of_msrp(status);
        if (status != 0)
                snprintf(what, sizeof(what), "MSRP %d", status);
        const char *text = session->failure->text;
        snprintf(session->failure_text, sizeof(session->failure_text), "%s%s%s", what, text == NULL ? "" : ": ",
                text == NULL ? "" : text);
        enum session_event event = event_of_failure(session);
        return event == SESSION_LOST && session->stage == SESSION_READY ? SESSION_CLOSE
                                                                        : event; /* the dialog stands and must be ended */
}

/* --- Typing. */

void
session_send_typing(struct session *session, bool active)
{
        struct chat *chat = session->chat;
        struct sip_sdp sdp = { .accept_types = session->accept_types };
        struct buf body = { 0 };
        struct sip_message *request;
        if (session->msrp != NULL) {
                buf_printf(&body, composing_xml, active ? "active" : "idle");
                if (sip_sdp_accepts(&sdp, "application/im-iscomposing+xml"))
                        msrp_session_tell(session->msrp, "application/im-iscomposing+xml", buf_data(&body), body.len);
                buf_free(&body);
                return;
        }
        if (dialect_for(chat->simple, chat->pair.domain)->keyboard_activity) {
                request = sip_dialog_request(session->dialog, "INFO", true);
                buf_printf(&body, keyboard_xml, active ? "type" : "idle");
                sip_message_set_body(request, "application/xml", buf_data(&body), body.len);
        } else if (sip_sdp_accepts(&sdp, "application/im-iscomposing+xml")) {
                request = sip_dialog_request(session->dialog, "MESSAGE", true);
                buf_printf(&body, composing_xml, active ? "active" : "idle");
                sip_message_set_body(request, "application/im-iscomposing+xml", buf_data(&body), body.len);
        } else {
                return;
        }
        buf_free(&body);
        session->client = session_start(session, request, &typing_events);
}

/* Nobody waits for it; but a dialog that is gone is known to be gone. */
static void
finish_typing(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct session *session = owner;
        session->client = NULL;
        session_apply(session, response->status == 481 ? SESSION_LOST : SESSION_TOLD, response);
}

static void
finish_bye(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct session *session = owner;
        session->client = NULL;
        session_apply(session, SESSION_ENDED, response); /* 481 is success too */
}
