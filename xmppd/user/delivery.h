/* delivery.h - RFC 6121 section 8.5 as one table: what becomes of a stanza to an account */
#ifndef XMPPD_USER_DELIVERY_H
#define XMPPD_USER_DELIVERY_H

#include "shared/xmpp/stanza.h"

/* "Somebody": an available resource whose priority is not negative. */
enum delivery_case {
        TO_NO_ACCOUNT,
        TO_BARE_NOBODY, /* bare JID, nobody there */
        TO_BARE_SOMEBODY,
        TO_FULL_NOBODY,   /* full JID that no resource has, nobody else there */
        TO_FULL_SOMEBODY, /* no such resource, but somebody else */
        TO_FULL_IT,       /* that resource is connected */
        DELIVERY_CASES
};

enum delivery {
        DELIVER_TO_IT,
        DELIVER_TO_BEST,      /* highest priority; among equals the one whose presence is newest */
        DELIVER_TO_ALL,       /* all that are available and not negative */
        DELIVER_TO_AVAILABLE, /* all that are available */
        DELIVER_LATER,        /* offline store */
        ANSWER_FOR_ACCOUNT,   /* an iq to the account itself */
        CHANGE_SUBSCRIPTION,
        ANSWER_PROBE,
        REFUSE, /* service-unavailable */
        IGNORE,
};

enum delivery delivery_of(enum stanza_type type, enum delivery_case where);

#endif
