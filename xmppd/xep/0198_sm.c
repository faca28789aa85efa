/*
 * XEP-0198: Stream Management
 *
 * Acknowledgements and resumption are part of the session (user/sm.h) and of its stream (c2s/resume.c).
 */
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/user/sm.h"

static void
offer(struct buf *out)
{
        buf_puts(out, "<sm xmlns=\"" NS_SM "\"/>");
}

const struct extension xep_0198_sm = {
        .name = "stream-management",
        .xep = 198,
        .version = "1.6.3",
        .is_on = sm_is_possible,
        .offer = offer,
};
