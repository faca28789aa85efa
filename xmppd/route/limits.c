/*
 * limits.c - the table of limits
 */
#include "xmppd/route/limits.h"

#include "shared/base/panic.h"

#include <stdatomic.h>

static const struct limit_row rows[LIMITS] = {
        [LIMIT_STANZA_BYTES] = { "c2s", "max-stanza", 0, "the stream ends with policy-violation" },
        [LIMIT_DEPTH] = { "c2s", NULL, 64, "levels, or attributes of one element: the stream ends with policy-violation" },
        [LIMIT_EARLY_BYTES] = { "c2s", NULL, 10000, "bytes of one element before login: the stream ends with policy-violation" },
        [LIMIT_STANZA_RATE] = { "c2s", "max-stanzas-per-second", 0, "the server reads no further until the client is within it" },
        [LIMIT_BYTE_RATE] = { "c2s", "max-bytes-per-second", 0, "the server reads no further until the client is within it" },
        [LIMIT_CONNECTIONS] = { "c2s", "max-connections-per-address", 0, "the connection is closed at once" },
        [LIMIT_NEGOTIATING] = { "c2s", "max-negotiating", 0, "the connection is closed at once" },
        [LIMIT_LOGIN_TIME] = { "c2s", "login-timeout", 0, "the stream ends with connection-timeout" },
        [LIMIT_REGISTRATIONS] = { "register", "accounts-per-hour", 0,
                "of one address: registration is refused with resource-constraint" },
        [LIMIT_QUEUE] = { "c2s", "max-queue", 0, "the stream of a client that does not read ends with resource-constraint" },
        [LIMIT_RESOURCES] = { "c2s", "max-resources", 0, "binding is refused with resource-constraint" },
        [LIMIT_ROSTER] = { "user", "max-roster", 0, "the contact is refused with not-allowed" },
        [LIMIT_OFFLINE] = { "user", "max-offline", 0, "the message comes back with service-unavailable" },
        [LIMIT_BLOCKED] = { "user", "max-blocked", 0, "the entry is refused with not-allowed" },
        [LIMIT_DIRECTED] = { "user", "max-directed", 0, "the presence is dropped" },
        [LIMIT_UNACKED] = { "stream-management", "max-unacked", 0, "the session ends; its messages are kept for later" },
        [LIMIT_CAPS] = { "caps", "max-entries", 0,
                "on one worker: the kind of client seen longest ago is forgotten and asked again" },
};

static atomic_uint_least64_t hits[LIMITS];

const struct limit_row *
limit_row(enum limit limit)
{
        must(limit < LIMITS);
        return &rows[limit];
}

void
limit_note(enum limit limit)
{
        atomic_fetch_add_explicit(&hits[limit], 1, memory_order_relaxed);
}

uint64_t
limit_hits(enum limit limit)
{
        return atomic_load_explicit(&hits[limit], memory_order_relaxed);
}
