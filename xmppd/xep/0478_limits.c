/*
 * XEP-0478: Stream Limits Advertisement
 *
 * What a client may send at once, and how long it may be silent before it is asked whether it is there.
 */
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

static void
offer(struct buf *out)
{
        buf_printf(out,
                "<limits xmlns=\"urn:xmpp:stream-limits:0\"><max-bytes>%lld</max-bytes><idle-seconds>%lld</idle-seconds></limits>",
                (long long)limit_value(LIMIT_STANZA_BYTES),
                (long long)config_number(snapshot_section("ping"), "idle"));
}

const struct extension xep_0478_limits = { .name = "stream-limits", .xep = 478, .version = "0.2.0", .offer = offer };
