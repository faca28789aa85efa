/* server.h - stanzas addressed to a local domain itself */
#ifndef XMPPD_EXTEND_SERVER_H
#define XMPPD_EXTEND_SERVER_H

#include "shared/xmpp/stanza.h"

/* The door of route. Takes the reference. Requests go to the extensions; what nobody answers comes back as service-unavailable
 * (RFC 6120 10.5.1); presence, results and errors end here. */
void server_receive(struct stanza *stanza);

#endif
