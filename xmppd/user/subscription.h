/* subscription.h - the states of a subscription and what moves them (RFC 6121, appendix A), as tables and nothing else */
#ifndef XMPPD_USER_SUBSCRIPTION_H
#define XMPPD_USER_SUBSCRIPTION_H

#include "shared/xmpp/stanza.h"

#include <stdbool.h>
#include <stdint.h>

/* From the user's side; the nine states of the RFC are the sums that make sense. On disk: never renumber. */
enum {
        SUBSCRIPTION_NONE = 0,
        SUBSCRIBED_TO = 1,   /* the user sees the contact */
        SUBSCRIBED_FROM = 2, /* the contact sees the user */
        SUBSCRIBED_BOTH = SUBSCRIBED_TO | SUBSCRIBED_FROM,
        PENDING_OUT = 4, /* the user has asked */
        PENDING_IN = 8,  /* the contact has asked */
};

struct subscription_step {
        uint8_t then;
        bool passes;   /* outgoing: is routed to the contact; incoming: is delivered to the user */
        bool answered; /* the server answers `subscribed` for the user */
        bool approves; /* the contact will not have to ask (3.4) */
};

/* type is one of PRESENCE_SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED. */
struct subscription_step subscription_out(enum stanza_type type, uint8_t state);
struct subscription_step subscription_in(enum stanza_type type, uint8_t state);
/* A request of a contact whom the user has approved in advance (3.4.2). */
struct subscription_step subscription_in_approved(uint8_t state);
/* Is it one of the nine? */
bool subscription_is_valid(uint8_t state);
/* "none", "to", "from", "both": as the roster shows it. */
const char *subscription_name(uint8_t state);

#endif
