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

/* What message/cpim says around the text. True: it was a notification, and is heard. */
static bool
take_notification(
        struct simple *simple, const struct pair *pair, const char *type, const char *bytes, size_t len, struct cpim *cpim)
{
        *cpim = (struct cpim){ 0 };
        if (type == NULL || !text_type_is(type, "message/cpim") || !cpim_read(cpim, bytes, len) || !cpim->is_notification)
                return false;
        receipt_heard(simple, pair, cpim);
        return true;
}

int
take_body(struct simple *simple, const struct pair *pair, const char *thread, const char *type, const char *bytes, size_t len,
        uint64_t id)
{
        struct buf text = { 0 };
        struct cpim cpim;
        int status = 200;
        if (take_notification(simple, pair, type, bytes, len, &cpim))
                return 200;
        switch (text_reduce(&text, type, bytes, len)) {
        case TEXT_FINE:
                if (is_blank(&text))
                        break;
                simple->events->text(simple->owner, pair, thread, buf_text(&text),
                        cpim.wants_delivery && cpim.message_id[0] != '\0' ? receipt_owe(simple, pair, &cpim) : NULL, id);
                status = 0;
                break;
        case TEXT_COMPOSING:
        case TEXT_NOTHING:
                break;
        case TEXT_BAD:
                status = 400;
                break;
        case TEXT_TOO_LARGE:
                status = 413;
                break;
        case TEXT_UNSUPPORTED:
                status = 415;
                break;
        }
        buf_free(&text);
        return status;
}

void
take_text(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair,
        const char *thread)
{
        int status = take_body(simple, pair, thread, sip_message_get(request, "Content-Type"), request->body, request->body_len,
                sip_server_id(server));
        if (status == 415)
                answer(server, request, 415, "Accept",
                        "text/plain, text/html, multipart/alternative, application/im-iscomposing+xml");
        else if (status != 0)
                sip_server_status(server, status);
}

void
typing_over(struct timer *timer)
{
        struct chat *chat = container_of(timer, struct chat, composing);
        chat->simple->events->typing(chat->simple->owner, &chat->pair, TYPING_PAUSED);
        chat_tidy(chat);
}

void
take_typing(struct chat *chat, const char *type, const char *bytes, size_t len)
{
        bool typing;
        unsigned refresh;
        if (len == 0 || type == NULL || !text_typing(bytes, len, &typing, &refresh))
                return;
        chat->simple->events->typing(chat->simple->owner, &chat->pair, typing ? TYPING_ACTIVE : TYPING_PAUSED);
        if (typing && text_type_is(type, "application/im-iscomposing+xml"))
                timer_start(&chat->composing, (uint64_t)refresh * 1000, typing_over);
        else
                timer_stop(&chat->composing);
}
