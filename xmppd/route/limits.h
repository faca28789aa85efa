/* limits.h - every limit that a peer can run into: its setting, what happens when it is reached, and how often it was
 *
 * One row here is all that a new limit needs: the section `limits` of xmppd.conf is made of the rows, xmppctl limits shows them. Who keeps a limit
 * notes when it was reached. Reaching one is rare, so a note may cost an atomic addition; asking for a value costs nothing.
 */
#ifndef XMPPD_ROUTE_LIMITS_H
#define XMPPD_ROUTE_LIMITS_H

#include "shared/config/config.h"
#include "shared/xml/parser.h"

#include <stddef.h>
#include <stdint.h>

enum limit {
        /* before login */
        LIMIT_EARLY_BYTES,
        LIMIT_EARLY_TOTAL,
        LIMIT_EARLY_DEPTH,
        LIMIT_LOGIN_TIME,
        LIMIT_LOGIN_ATTEMPTS,
        LIMIT_CONNECTIONS,
        LIMIT_CONNECTION_RATE,
        LIMIT_NEGOTIATING,
        LIMIT_NEGOTIATING_SHARE,
        LIMIT_REGISTRATIONS,
        /* of a stream */
        LIMIT_STANZA_BYTES,
        LIMIT_DEPTH,
        LIMIT_ATTRIBUTES,
        LIMIT_NAME,
        LIMIT_STANZA_RATE,
        LIMIT_BYTE_RATE,
        LIMIT_BURST,
        LIMIT_QUEUE,
        LIMIT_UNACKED,
        LIMIT_UNACKED_BYTES,
        LIMIT_UNACKED_TIME,
        LIMIT_HELD,
        LIMIT_HELD_BYTES,
        LIMIT_DIRECTED,
        /* of an account */
        LIMIT_RESOURCES,
        LIMIT_ROSTER,
        LIMIT_ROSTER_ITEM,
        LIMIT_REQUESTS,
        LIMIT_OFFLINE,
        LIMIT_BLOCKED,
        LIMIT_PRIVACY_LISTS,
        LIMIT_PRIVATE,
        LIMIT_CARD,
        /* of a worker */
        LIMIT_CAPS,
        /* of another server, before its domain is proven */
        LIMIT_S2S_CONNECTIONS,
        LIMIT_S2S_RATE,
        LIMIT_S2S_NEGOTIATING,
        LIMIT_S2S_NEGOTIATING_SHARE,
        /* of a component */
        LIMIT_COMPONENT_NEGOTIATING,
        LIMIT_COMPONENT_STANZA,
        LIMIT_COMPONENT_QUEUE,
        /* of other servers */
        LIMIT_S2S_EARLY_BYTES,
        LIMIT_S2S_EARLY_TOTAL,
        LIMIT_S2S_TIME,
        LIMIT_S2S_STANZA,
        LIMIT_S2S_QUEUE,
        LIMIT_S2S_UNACKED,
        LIMIT_S2S_WAITING,
        LIMIT_S2S_WAITING_BYTES,
        LIMIT_S2S_DOMAINS,
        LIMIT_S2S_STREAMS,
        LIMIT_S2S_PAIRS,
        LIMIT_S2S_VERIFY,
        LIMIT_S2S_CLAIMS,
        LIMITS
};

struct limit_row {
        const char *section; /* where the setting stands */
        struct setting setting;
        const char *consequence;
};
/* How it is set and what happens when it is reached. */
const struct limit_row *limit_row(enum limit limit);
/* The settings of the section `limits`, for the reader of the configuration. */
const struct setting *limit_settings(void);
/* The values of a configuration, one for each limit. */
void limit_read(const struct section *all, int64_t values[LIMITS]);

/* What is in force on this worker. */
int64_t limit_value(enum limit limit);
/* Any thread. */
void limit_note(enum limit limit);
/* An element went beyond a bound of its parser. bytes, depth: where these two bounds come from. */
void limit_note_problem(enum xml_problem problem, enum limit bytes, enum limit depth);
uint64_t limit_hits(enum limit limit);

#endif
