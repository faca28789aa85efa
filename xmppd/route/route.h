/* route.h - from an address to the worker and the room that own it
 *
 * route() returns nothing: home is here, call; home is elsewhere, post. Failure comes back as a stanza, as in any XMPP network.
 */
#ifndef XMPPD_ROUTE_ROUTE_H
#define XMPPD_ROUTE_ROUTE_H

#include "shared/xmpp/stanza.h"

/* Filled by the rooms above, once, before workers run. Each gets one reference to keep or let go; runs at the home named. */
struct route_doors {
        void (*to_server)(struct stanza *stanza);    /* a local domain itself; where route was called */
        void (*to_account)(struct stanza *stanza);   /* home_of(to) */
        void (*to_component)(struct stanza *stanza); /* home_of_domain(to->domain) */
        void (*to_foreign)(struct stanza *stanza);   /* home_of_domain(to->domain); NULL: this server federates with nobody */
};
void route_set_doors(const struct route_doors *doors);

/* Takes the reference. from and to are set. Seals it. */
void route(struct stanza *stanza);
/* Answer the iq / refuse the stanza: builds the reply and routes it. Both borrow. An error to what may not be answered by one is dropped. */
void route_result(const struct stanza *iq);
void route_error(const struct stanza *of, enum stanza_condition condition, const char *text);

#endif
