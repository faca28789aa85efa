/*
 * tables.c - the names of the server's tables
 */
#include "xmppd/user/tables.h"

static const char *const names[] = {
        [TABLE_META] = "meta",
        [TABLE_DIRECTORY] = "directory",
        [TABLE_ACCOUNT] = "account",
        [TABLE_ROSTER] = "roster",
        [TABLE_BLOCKED] = "blocked",
        [TABLE_OFFLINE] = "offline",
        [TABLE_SESSION] = "session",
        [TABLE_SENT] = "sent",
        [TABLE_SESSION_END] = "session-end",
        [TABLE_DATA] = "data",
        [TABLE_PRIVACY] = "privacy",
        [TABLE_S2S] = "s2s",
        [TABLE_MAIL] = "mail",
        [TABLES] = NULL,
};

struct store_options
user_store_options(const char *dir)
{
        return (struct store_options){ .dir = dir, .program = "xmppd", .format = STORE_FORMAT, .tables = names, .map_mib = 65536 };
}
