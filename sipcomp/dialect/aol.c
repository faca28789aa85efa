/*
 * aol.c - the AOL SIP Access Gateway: aol.com, aim.com, and the domains behind them (section 12)
 */
#include "sipcomp/dialect/dialect.h"

/* clang-format off */
static const struct presence_row presence[] = {
        /* way           show    activity  status */
        { PRESENCE_BOTH, "",     "",       NULL },
        { PRESENCE_OUT,  "chat", "",       NULL },
        { PRESENCE_BOTH, "away", "away",   NULL },
        { PRESENCE_OUT,  "xa",   "away",   NULL },
        { PRESENCE_OUT,  "dnd",  "away",   NULL }, /* AIM knows no busy */
        { 0 },
};
/* clang-format on */

const struct dialect dialect_aol = {
        .name = "aol",
        .presence = presence,
        .subscribe_expires = 3600,
        .grant_expires = 3600,
        .tls_only = true,
        .loose_names = true,
        .mail_names = true,
        .default_domain = true,
};
