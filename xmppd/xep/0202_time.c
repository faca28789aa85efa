/*
 * XEP-0202: Entity Time
 *
 * The server's clock. What is stored and shown is UTC, so the offset is always zero.
 */
#include "shared/base/clock.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"

#define NS_TIME "urn:xmpp:time"

static void
answer(struct stanza *iq)
{
        struct stanza *result = stanza_result(iq);
        struct element *time = element_add(result->arena, result->element, "time", NS_TIME);
        char now[CLOCK_TEXT];

        element_add_text(result->arena, time, "tzo", NULL, "+00:00");
        element_add_text(result->arena, time, "utc", NULL, clock_format(now, clock_wall_ms()));
        route(result);
}

const struct extension xep_0202_time = {
        .name = "time",
        .xep = 202,
        .version = "2.0",
        .features = (const char *const[]){ NS_TIME, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER, NS_TIME, "time", answer }, { 0 } },
};
