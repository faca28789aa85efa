/*
 * body.c - what stands in a MESSAGE or INFO of theirs: text for the bridge, or typing (7.4, 7.5 of the dialects)
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/cpim.h"
#include "sipcomp/dialect/text.h"

#include <string.h>

static bool
is_blank(const struct buf *text)
{
        for (size_t i = 0; i < text->len; i++)
                if (strchr(" \t\r\n", buf_data(text)[i]) == NULL)
                        return false;
        return true;
}

/* What message/cpim says around the text. True: it was a notification, and is answered. */
static bool
take_notification(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair,
        struct cpim *cpim)
{
        const char *type = sip_message_content_type(request);
        *cpim = (struct cpim){ 0 };
        if (type == NULL || !text_equal(type, "message/cpim") || !cpim_read(cpim, request->body, request->body_len) ||
                !cpim->is_notification)
                return false;
        receipt_heard(simple, pair, cpim);
        sip_server_status(server, 200);
        return true;
}

void
take_text(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair,
        const char *thread)
{
        struct buf text = { 0 };
        struct cpim cpim;
        if (take_notification(simple, server, request, pair, &cpim))
                return;
        switch (text_reduce(&text, sip_message_get(request, "Content-Type"), request->body, request->body_len)) {
        case TEXT_FINE:
                if (is_blank(&text))
                        sip_server_status(server, 200);
                else
                        simple->events->text(simple->owner, pair, thread, buf_text(&text),
                                cpim.wants_delivery && cpim.message_id[0] != '\0' ? receipt_owe(simple, pair, &cpim) : NULL,
                                sip_server_id(server));
                break;
        case TEXT_COMPOSING:
        case TEXT_NOTHING:
                sip_server_status(server, 200);
                break;
        case TEXT_BAD:
                sip_server_status(server, 400);
                break;
        case TEXT_TOO_LARGE:
                sip_server_status(server, 413);
                break;
        case TEXT_UNSUPPORTED:
                answer(server, request, 415, "Accept",
                        "text/plain, text/html, multipart/alternative, application/im-iscomposing+xml");
                break;
        }
        buf_free(&text);
}

void
typing_over(struct timer *timer)
{
        struct chat *chat = container_of(timer, struct chat, composing);
        chat->simple->events->typing(chat->simple->owner, &chat->pair, TYPING_PAUSED);
        chat_tidy(chat);
}

void
take_typing(struct chat *chat, const struct sip_message *request)
{
        bool typing;
        unsigned refresh;
        if (request->body_len == 0 || !text_typing(request->body, request->body_len, &typing, &refresh))
                return;
        chat->simple->events->typing(chat->simple->owner, &chat->pair, typing ? TYPING_ACTIVE : TYPING_PAUSED);
        if (typing && text_equal(sip_message_content_type(request), "application/im-iscomposing+xml"))
                timer_start(&chat->composing, (uint64_t)refresh * 1000, typing_over);
        else
                timer_stop(&chat->composing);
}
