/* route_private.h - the way of a sealed stanza, for the files of this room */
#ifndef XMPPD_ROUTE_ROUTE_PRIVATE_H
#define XMPPD_ROUTE_ROUTE_PRIVATE_H

#include "shared/loop/worker.h"
#include "shared/xmpp/stanza.h"

/* The worker that owns this address, as the snapshot of this worker has it. */
struct worker *route_home(const struct jid *to);
/* Through the door if its home is here, else on to its home. Takes the reference. */
void route_enter(struct stanza *stanza);

#endif
