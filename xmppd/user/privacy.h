/* privacy.h - privacy lists (XEP-0016) as the extensions' files see them */
#ifndef XMPPD_USER_PRIVACY_H
#define XMPPD_USER_PRIVACY_H

#include "xmppd/user/session.h"

/* An iq get or set of the sender's own lists. Borrow; answer later, when a change is on disk. */
void privacy_tell(struct stanza *iq);
void privacy_change(struct stanza *iq);

/* May this stanza for the account go to this session, as far as the list in force there is concerned? */
bool privacy_lets_in(const struct session *session, const struct stanza *stanza);

#endif
