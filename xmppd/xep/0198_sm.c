/*
 * XEP-0198: Stream Management
 *
 * Acknowledgements and resumption are part of the session (user/sm.h) and of its stream (c2s/resume.c); here are their limits.
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
        .settings = (const struct
                setting[]){ { "resume-max", SETTING_SECONDS, "600", LIVE,
                                    "Seconds for which a client that has lost its connection may come back to its session; 86400 keeps it for a day.",
                                    "1..604800" },
                { "max-unacked", SETTING_NUMBER, "2000", LIVE,
                        "Stanzas sent to a client and not acknowledged by it; with more its session ends, messages are kept for later.",
                        "10..1000000" },
                { "max-unacked-bytes", SETTING_NUMBER, "4194304", LIVE, "The same in bytes.", "65536..1073741824" }, { 0 } },
};
