/*
 * XEP-0237: Roster Versioning (now RFC 6121, 2.6)
 *
 * A client that has the roster already gets an empty answer; the version is made in user/roster.c.
 */
#include "xmppd/extend/extension.h"

static void
offer(struct buf *out)
{
        buf_puts(out, "<ver xmlns=\"urn:xmpp:features:rosterver\"/>");
}

const struct extension xep_0237_roster_version = { .name = "roster-version", .xep = 237, .version = "1.3", .offer = offer };
