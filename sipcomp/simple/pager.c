/*
 * pager.c - single messages outside a session (RFC 3428; section 8 of the dialects)
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

static void
finish(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct chat *chat = owner;
        char why[FAILURE_TEXT];
        chat->pager = NULL;
        if (response->status < 300) {
                text_done(chat);
        } else {
                const struct message_failure *failure = failure_of_message(response, sent);
                failure_text(why, response, failure->text);
                log_info(&chat->log, "MESSAGE failed: %s", why);
                if (!text_change(LIST_ITEM(chat->texts.first, struct text, link), failure))
                        text_fail(chat, failure, why);
        }
        chat_pump(chat);
        chat_tidy(chat);
}

static const struct sip_client_events client_events = { .final = finish };

void
pager_send(struct chat *chat)
{
        struct text *text = LIST_ITEM(chat->texts.first, struct text, link);
        struct buf body = { 0 };
        struct sip_message *request =
                sip_request_new("MESSAGE", chat->pair.foreign_uri, NULL, chat->pair.local_uri, chat->pair.foreign_uri);
        const char *type = text_piece(text, &body, false);
        sip_message_set_body(request, type, buf_data(&body), body.len);
        buf_free(&body);
        must(sip_message_complete(request));
        chat->pager = send_request(chat->simple, request, chat->pair.domain, NULL, &client_events, chat);
}

void
pager_message(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair)
{
        take_text(simple, server, request, pair, NULL);
}
