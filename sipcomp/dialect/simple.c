/*
 * simple.c - any domain that follows RFC 3856, RFC 3428 and RFC 4480
 */
#include "sipcomp/dialect/dialect.h"

/* clang-format off */
static const struct presence_row presence[] = {
        /* way           show    activity             status */
        { PRESENCE_BOTH, "",     "",                  NULL },
        { PRESENCE_OUT,  "chat", "",                  NULL },
        { PRESENCE_BOTH, "dnd",  "busy",              NULL },
        { PRESENCE_IN,   "dnd",  "on-the-phone",      NULL },
        { PRESENCE_IN,   "dnd",  "meeting",           NULL },
        { PRESENCE_IN,   "dnd",  "performance",       NULL },
        { PRESENCE_IN,   "dnd",  "presentation",      NULL },
        { PRESENCE_BOTH, "away", "away",              NULL },
        { PRESENCE_OUT,  "xa",   "away",              NULL },
        { PRESENCE_IN,   "away", "meal",              NULL },
        { PRESENCE_IN,   "away", "appointment",       NULL },
        { PRESENCE_IN,   "away", "sleeping",          NULL },
        { PRESENCE_IN,   "away", "travel",            NULL },
        { PRESENCE_IN,   "away", "steering",          NULL },
        { PRESENCE_IN,   "away", "shopping",          NULL },
        { PRESENCE_IN,   "xa",   "permanent-absence", NULL },
        { PRESENCE_IN,   "xa",   "vacation",          NULL },
        { PRESENCE_IN,   "xa",   "holiday",           NULL },
        { 0 },
};
/* clang-format on */

const struct dialect dialect_simple = {
        .name = "simple",
        .presence = presence,
        .activity_names_status = true,
        .subscribe_expires = 3600,
        .grant_expires = 3600,
        .pager = true,
        .imdn = true,
        .msrp = true,
};
