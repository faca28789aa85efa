/*
 * server.c - stanzas addressed to a local domain itself
 */
#include "xmppd/extend/server.h"

#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"

void
server_receive(struct stanza *stanza)
{
        bool is_answered = stanza_is_request(stanza) && extend_answer(stanza, TO_SERVER);

        if (!is_answered && stanza->kind != STANZA_PRESENCE)
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
        stanza_unref(&stanza);
}
