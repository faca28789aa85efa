/* limits.h - every limit that a peer can run into: where it is set, how often it was hit
 *
 * Who keeps a limit notes here when it was reached; the administrator sees all of them (xmppctl limits). Reaching one is rare, so a note may
 * cost an atomic addition.
 */
#ifndef XMPPD_ROUTE_LIMITS_H
#define XMPPD_ROUTE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

enum limit {
        LIMIT_STANZA_BYTES,
        LIMIT_DEPTH,
        LIMIT_EARLY_BYTES,
        LIMIT_STANZA_RATE,
        LIMIT_BYTE_RATE,
        LIMIT_CONNECTIONS,
        LIMIT_NEGOTIATING,
        LIMIT_LOGIN_TIME,
        LIMIT_REGISTRATIONS,
        LIMIT_QUEUE,
        LIMIT_RESOURCES,
        LIMIT_ROSTER,
        LIMIT_OFFLINE,
        LIMIT_BLOCKED,
        LIMIT_DIRECTED,
        LIMIT_UNACKED,
        LIMIT_CAPS,
        LIMITS
};

struct limit_row {
        const char *section, *setting; /* setting NULL: fixed, as `value` says */
        int64_t value;
        const char *consequence;
};
/* How it is set and what happens when it is reached. */
const struct limit_row *limit_row(enum limit limit);
/* Any thread. */
void limit_note(enum limit limit);
uint64_t limit_hits(enum limit limit);

#endif
