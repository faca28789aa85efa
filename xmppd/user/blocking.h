/* blocking.h - blocking lists (XEP-0191) as the extension's file sees them */
#ifndef XMPPD_USER_BLOCKING_H
#define XMPPD_USER_BLOCKING_H

#include "shared/xmpp/stanza.h"

/* An iq get blocklist, an iq set block or unblock, to the sender's own account. Borrow; answer later, when the change is on disk. */
void blocking_tell(struct stanza *iq);
void blocking_block(struct stanza *iq);
void blocking_unblock(struct stanza *iq);

#endif
