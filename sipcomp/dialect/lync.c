/*
 * lync.c - Lync 2010, 2013 and Skype for Business, through an Access Edge
 */
#include "sipcomp/dialect/microsoft_private.h"

/* clang-format off */
const struct presence_row microsoft_presence[] = {
        /* way           show    activity  status */
        { PRESENCE_BOTH, "",     "",       NULL   },
        { PRESENCE_OUT,  "chat", "",       NULL   },
        { PRESENCE_BOTH, "away", "busy",   "Busy" }, /* Busy, In a call, Do Not Disturb; a busy Jabber client says away too */
        { PRESENCE_OUT,  "xa",   "busy",   "Busy" },
        { PRESENCE_BOTH, "away", "away",   NULL   }, /* Away, Be Right Back */
        { PRESENCE_OUT,  "xa",   "away",   NULL   },
        { PRESENCE_OUT,  "dnd",  "busy",   NULL   },
        { 0 },
};
/* clang-format on */

const struct dialect dialect_lync = {
        .name = "lync",
        .presence = microsoft_presence,
        .subscribe_expires = 7200,
        .grant_expires = 7200,
        .tls_only = true,
        .keyboard_activity = true,
        .conversation_id = true,
};
