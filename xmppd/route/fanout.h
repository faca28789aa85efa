/* fanout.h - one stanza to many addresses: a letter for each worker, however many recipients live there
 *
 * The copies go through the same mailboxes as everything that is routed, so what is sent to one of the addresses afterwards arrives behind
 * its copy.
 */
#ifndef XMPPD_ROUTE_FANOUT_H
#define XMPPD_ROUTE_FANOUT_H

#include "shared/xmpp/stanza.h"

struct fanout;

/* Copies of this stanza, which is sealed by it, from this address; both must last until fanout_send. */
struct fanout *fanout_new(struct stanza *of, const struct jid *from);
/* Copies the address. */
void fanout_add(struct fanout *fanout, const struct jid *to);
/* On their way; the recipients that live here have been dealt with when this returns. Without recipients nothing happens. */
void fanout_send(struct fanout **fanout);

#endif
