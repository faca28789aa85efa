/* pace.h - how fast a client may send: no clock, no timer while it keeps within its rate */
#ifndef XMPPD_C2S_PACE_H
#define XMPPD_C2S_PACE_H

#include "shared/base/bucket.h"

#include <stddef.h>

/* A plain value, zero-initialised; in microseconds of the monotonic clock. */
struct pace {
        struct bucket stanzas, bytes;
};

/* A stanza of so many bytes came now (milliseconds of the worker's clock). Returns for how many milliseconds the client must not be read; 0: it
 * is within its rate, which lets limits.burst seconds' worth through at once. */
uint64_t pace_take(struct pace *pace, uint64_t now_ms, size_t len);

#endif
