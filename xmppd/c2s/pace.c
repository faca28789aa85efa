/*
 * pace.c - the generic cell rate algorithm: each stanza moves the moment at which everything is paid for; a moment too far ahead means waiting
 */
#include "xmppd/c2s/pace.h"

#include "xmppd/route/limits.h"

enum { SECOND_US = 1000 * 1000 };

/* Microseconds beyond what may come at once. */
static uint64_t
pay(uint64_t *paid, uint64_t now, uint64_t cost)
{
        if (*paid < now)
                *paid = now;
        *paid += cost;
        uint64_t burst = (uint64_t)limit_value(LIMIT_BURST) * SECOND_US;
        return *paid > now + burst ? *paid - now - burst : 0;
}

uint64_t
pace_take(struct pace *pace, uint64_t now_ms, size_t len)
{
        uint64_t now = now_ms * 1000;
        uint64_t stanzas = pay(&pace->stanzas, now, SECOND_US / (uint64_t)limit_value(LIMIT_STANZA_RATE));
        uint64_t bytes = pay(&pace->bytes, now, (uint64_t)len * SECOND_US / (uint64_t)limit_value(LIMIT_BYTE_RATE));

        if (stanzas > 0)
                limit_note(LIMIT_STANZA_RATE);
        if (bytes > 0)
                limit_note(LIMIT_BYTE_RATE);
        uint64_t wait = stanzas > bytes ? stanzas : bytes;
        return (wait + 999) / 1000;
}
