/*
 * session_in.c - sessions that they begin, and what they send in any session (7.3 to 7.10 of the dialects)
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sdp.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TWO = 2 };

/* --- May this INVITE become a session? */

static bool
is_group(const struct sip_message *request)
{
        const char *elements[SIP_LIST_MAX], *triggered = sip_message_get(request, "TriggeredInvite");
        return sip_message_list(request, "EndPoints", elements, SIP_LIST_MAX) > TWO ||
                (triggered != NULL && strcasecmp(triggered, "TRUE") == 0);
}

static void
refuse_group(const struct simple *simple, struct sip_server *server, const struct sip_message *request)
{
        struct sip_message *response = sip_response_new(request, 488, NULL, NULL);
        sip_message_addf(response, "Warning", "399 %s \"group chat is not supported\"", own_host(simple));
        sip_server_answer(server, response);
}

/* The description they offer, its texts in the request's arena; on false it is answered. over_msrp: it is none of the dialog itself. */
static bool
read_offer(const struct simple *simple, struct sip_server *server, const struct sip_message *request, struct sip_sdp *sdp,
        bool *over_msrp)
{
        const char *type = sip_message_content_type(request);
        if (request->body_len > 0 && (type == NULL || !text_equal(type, "application/sdp"))) {
                answer(server, request, 415, "Accept", "application/sdp");
                return false;
        }
        enum sip_sdp_kind kind =
                request->body_len == 0 ? SIP_SDP_BAD : sip_sdp_read(sdp, request->arena, request->body, request->body_len);
        *over_msrp = kind == SIP_SDP_MSRP;
        if (kind == SIP_SDP_IM || (kind == SIP_SDP_MSRP && session_msrp_speaks(simple, request->from.uri.host, sdp)))
                return true;
        sip_server_status(server, 488);
        return false;
}

static void
send_description(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        struct sip_message *response = sip_response_new(request, 200, NULL, session->dialog->local_tag);
        sip_message_set_contact_user(response, session->chat->pair.local_user);
        sip_message_add(response, "Allow", sip_allow);
        session_echo_timer(session, response, request);
        if (request->body_len > 0 || sip_message_is(request, "INVITE"))
                sip_message_set_body(response, "application/sdp", session->sdp, strlen(session->sdp));
        sip_server_answer(server, response);
}

void
session_write_description(struct session *session)
{
        if (session->sdp != NULL)
                return;
        struct buf sdp = { 0 };
        const struct chat *chat = session->chat;
        sip_sdp_write(&sdp, chat->simple->options.sdp_address, chat->pair.local_uri, session_accept_types(chat));
        session->sdp = mem_strdup(buf_text(&sdp));
        buf_free(&sdp);
}

static bool
has_call_id(const struct chat *chat, const char *call_id)
{
        for (LIST_EACH(session, &chat->sessions, struct session, link))
                if (session->dialog != NULL && text_equal(session->dialog->call_id, call_id))
                        return true;
        return false;
}

static bool
has_too_many(const struct simple *simple, const char *foreign)
{
        struct chat *chat;
        size_t count = 0;
        if (map_count(simple->dialogs) < DIALOGS_PER_FOREIGN_USER)
                return false;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;)
                if (text_equal(chat->pair.foreign, foreign))
                        count += chat->sessions.count;
        return count >= DIALOGS_PER_FOREIGN_USER;
}

/* False where MSRP was offered and nothing comes of it. */
static bool
describe(struct session *session, const struct sip_message *request, const struct sip_sdp *offer, bool over_msrp)
{
        if (offer->accept_types != NULL)
                session->accept_types = mem_strdup(offer->accept_types);
        if (!over_msrp) {
                session_write_description(session);
                return true;
        }
        if (!session_msrp_answer(session, offer, request->flow))
                return false;
        msrp_remember(session->chat->simple, session->chat->pair.domain, offer->secure);
        return true;
}

void
session_invited(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair)
{
        char tag[SIP_TAG_TEXT];
        struct sip_sdp offer = { 0 };
        bool over_msrp = false;
        struct chat *chat = chat_of(simple, pair);
        if (is_group(request)) {
                refuse_group(simple, server, request);
                goto out;
        }
        if (has_call_id(chat, request->call_id)) { /* a third person would come in this way (7.9) */
                sip_server_status(server, 488);
                goto out;
        }
        if (!read_offer(simple, server, request, &offer, &over_msrp))
                goto out;
        if (session_refuse_hurry(server, request))
                goto out;
        if (chat->sessions.count >= CHAT_SESSIONS_MAX || has_too_many(simple, pair->foreign)) {
                answer(server, request, 503, "Retry-After", "60");
                goto out;
        }
        struct sip_dialog *dialog = sip_dialog_of_server(request, sip_new_tag(tag), pair->local_user, own_host(simple));
        if (dialog == NULL) {
                sip_server_status(server, 400);
                goto out;
        }
        struct session *session = session_new(chat, false);
        session->dialog = dialog;
        if (!describe(session, request, &offer, over_msrp)) {
                session_free(session);
                sip_server_status(server, 488);
                goto out;
        }
        ear_register(simple, &session->ear, dialog->call_id, dialog->local_tag);
        send_description(session, server, request);
        session_apply(session, SESSION_INVITED, NULL);
out:
        chat_tidy(chat);
}

/* --- Inside. */

/* A refresh of the session: our last description again. Other media are refused, the session lives on. */
static void
hear_reinvite(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        struct simple *simple = session->chat->simple;
        struct sip_sdp offer = { 0 };
        bool over_msrp = false;
        if (is_group(request)) {
                refuse_group(simple, server, request);
                return;
        }
        if (session->refreshing) { /* two re-INVITEs cross (RFC 3261 14.2) */
                sip_server_status(server, 491);
                return;
        }
        if (session_refuse_hurry(server, request))
                return;
        if (request->body_len > 0 && !read_offer(simple, server, request, &offer, &over_msrp))
                return;
        bool same = over_msrp ? session->msrp != NULL && msrp_session_knows(session->msrp, offer.path) : session->msrp == NULL;
        if (request->body_len > 0 && !same) { /* other media, or another connection */
                sip_server_status(server, 488);
                return;
        }
        session_write_description(session);
        send_description(session, server, request);
}

static void
hear_message(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        const char *type = sip_message_content_type(request);
        if (type != NULL && text_equal(type, "application/im-iscomposing+xml"))
                take_typing(session->chat, type, request->body, request->body_len);
        else if (request->body_len > 0)
                session_touch(session);
        take_text(session->chat->simple, server, request, &session->chat->pair, session->dialog->call_id);
}

static void
hear_info(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        const char *type = sip_message_content_type(request);
        if (type != NULL && text_equal(type, "application/x-ms-mim")) { /* the roster manager of a group */
                answer(server, request, 415, "Accept", "application/xml, application/im-iscomposing+xml");
                return;
        }
        take_typing(session->chat, type, request->body, request->body_len);
        sip_server_status(server, 200);
}

static void
hear_bye(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        struct chat *chat = session->chat;
        sip_server_status(server, 200);
        if (session->stage == SESSION_READY)
                chat->simple->events->typing(chat->simple->owner, &chat->pair, TYPING_GONE);
        session_apply(session, session->client == NULL && !session->sending ? SESSION_BYE : SESSION_BYE_BUSY, NULL);
}

static void
hear_update(struct session *session, struct sip_server *server, const struct sip_message *request)
{
        if (request->body_len > 0)
                sip_server_status(server, 488);
        else if (!session_refuse_hurry(server, request))
                send_description(session, server, request);
}

/* clang-format off */
static const struct {
        const char *method;
        void (*hear)(struct session *session, struct sip_server *server, const struct sip_message *request);
} methods[] = {
        { "MESSAGE", hear_message }, { "INFO", hear_info }, { "BYE", hear_bye }, { "INVITE", hear_reinvite }, { "UPDATE", hear_update },
};
/* clang-format on */

void
session_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request)
{
        struct session *session = container_of(ear, struct session, ear);
        if (session->dialog == NULL || !sip_dialog_matches(session->dialog, request) || session->stage == SESSION_LEAVING) {
                sip_server_status(server, 481);
                return;
        }
        int status = sip_dialog_receive(session->dialog, request);
        if (status != 0) {
                sip_server_status(server, status);
                return;
        }
        for (size_t i = 0; i < array_len(methods); i++)
                if (sip_message_is(request, methods[i].method)) {
                        methods[i].hear(session, server, request);
                        return;
                }
        sip_server_status(server, 481);
}

/* No ACK to our 200 (RFC 3261 13.3.1.4). */
static void
hang_up(struct dialog_ear *ear)
{
        session_apply(container_of(ear, struct session, ear), SESSION_CLOSE, NULL);
}

void
session_init_ear(struct session *session)
{
        session->ear.request = session_hear;
        session->ear.pair = &session->chat->pair;
        session->ear.unacked = hang_up;
}
