/*
 * pace.c - each stanza and each of its bytes costs its part of a second
 */
#include "xmppd/c2s/pace.h"

#include "xmppd/route/limits.h"

uint64_t
pace_take(struct pace *pace, uint64_t now_ms, size_t len)
{
        uint64_t now = now_ms * 1000, burst = (uint64_t)limit_value(LIMIT_BURST) * BUCKET_SECOND_US;
        uint64_t stanza_cost = BUCKET_SECOND_US / (uint64_t)limit_value(LIMIT_STANZA_RATE);
        uint64_t bytes_cost = (uint64_t)len * BUCKET_SECOND_US / (uint64_t)limit_value(LIMIT_BYTE_RATE);
        uint64_t stanzas = bucket_take(&pace->stanzas, now, stanza_cost, burst);
        uint64_t bytes = bucket_take(&pace->bytes, now, bytes_cost, burst);

        if (stanzas > 0)
                limit_note(LIMIT_STANZA_RATE);
        if (bytes > 0)
                limit_note(LIMIT_BYTE_RATE);
        uint64_t wait = stanzas > bytes ? stanzas : bytes;
        return (wait + 999) / 1000;
}
