/*
 * session_answer.c - what an answer to our INVITE leads to: a session, another try, another way, or the end (7.1, 7.7 of the dialects)
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sdp.h"

#include <string.h>

static bool
knows_conversation(const struct sip_message *response)
{
        const char *diagnostics = sip_message_get(response, "Ms-client-diagnostics");
        return response->status == 488 && diagnostics != NULL && strncmp(diagnostics, "52035", 5) == 0;
}

static bool
may_follow(struct session *session, const struct sip_message *response)
{
        struct sip_address contact;
        if (response->status >= 400 || session->redirect != NULL || !sip_message_contact(response, &contact) || contact.star ||
                !text_equal(contact.uri.host, session->chat->pair.domain))
                return false;
        session->redirect = mem_strdup(contact.uri.text);
        return true;
}

void
session_keep_failure(struct session *session, const struct message_failure *failure, const struct sip_message *response)
{
        session->failure = failure;
        failure_text(session->failure_text, response, failure->text);
}

/* Their media are others, and MSRP is known to be among them. */
static bool
may_offer_msrp(struct session *session, const struct sip_message *response)
{
        const struct chat *chat = session->chat;
        if (session->offers_msrp || (response->status != 415 && response->status != 488 && response->status != 606))
                return false;
        session_msrp_learn(chat->simple, chat->pair.domain, response);
        enum msrp_memory memory = msrp_remembered(chat->simple, chat->pair.domain);
        return dialect_for(chat->simple, chat->pair.domain)->msrp && memory != MSRP_UNKNOWN &&
                msrp_speaks(chat->simple->options.msrp, memory == MSRP_SECURE) &&
                msrp_session_count(chat->simple->options.msrp) < MSRP_SESSIONS_MAX;
}

static enum session_event
event_of_refusal(struct session *session, const struct sip_message *response)
{
        const struct message_failure *failure = failure_of_invite(response);
        struct chat *chat = session->chat;
        session_keep_failure(session, failure, response);
        log_info(&chat->log, "INVITE failed: %s", session->failure_text);
        if (knows_conversation(response) && !session->once_anew) {
                session->once_anew = true;
                return SESSION_AGAIN;
        }
        if (may_follow(session, response))
                return SESSION_AGAIN;
        if (failure->step == STEP_RETRY_LATER && !session->once_later && session_pause_after(response) > 0)
                return SESSION_LATER;
        if (may_offer_msrp(session, response)) {
                session->offers_msrp = true;
                return SESSION_AGAIN;
        }
        if (failure->step == STEP_PAGER && dialect_for(chat->simple, chat->pair.domain)->pager)
                return SESSION_TO_PAGER;
        return SESSION_REFUSED;
}

static bool
take_description(struct session *session, const struct sip_message *response)
{
        struct arena *arena = arena_new(512);
        struct sip_sdp sdp;
        const char *type = sip_message_content_type(response);
        enum sip_sdp_kind kind = type == NULL || !text_equal(type, "application/sdp")
                ? SIP_SDP_BAD
                : sip_sdp_read(&sdp, arena, response->body, response->body_len);
        bool usable = session->offers_msrp ? kind == SIP_SDP_MSRP && session_msrp_take_answer(session, &sdp, response->flow)
                                           : kind == SIP_SDP_IM;
        if (usable && sdp.accept_types != NULL)
                session->accept_types = mem_strdup(sdp.accept_types);
        arena_free(&arena);
        return usable;
}

void
session_finish_invite(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct session *session = owner;
        struct chat *chat = session->chat;
        const struct sip_message *request = sip_client_request(client);
        session->client = NULL;
        if (response->status >= 300) {
                session_apply(session, event_of_refusal(session, response), response);
                return;
        }
        session->dialog = sip_dialog_of_client(request, response, own_host(chat->simple));
        if (session->dialog == NULL) { /* no tag or no Contact; the transaction ends it as well as it can be ended */
                static const struct message_failure rule = { .condition = NOT_ACCEPTABLE, .type = "cancel" };
                session->failure = &rule;
                strcpy(session->failure_text, "the other side's answer cannot be used");
                session_apply(session, SESSION_REFUSED, response);
                return;
        }
        sip_client_ack(client, sip_dialog_ack(session->dialog, response->cseq));
        session_apply(session, take_description(session, response) ? SESSION_ANSWERED : SESSION_UNUSABLE, response);
}
