/* caps.h - what clients can do, learned once for each kind of client (XEP-0115); at the home of the session
 *
 * A client says a hash with its presence. Each worker keeps what stands behind the hashes its sessions have said: asked of one client, and believed
 * only if it gives that hash. Workers share nothing.
 */
#ifndef XMPPD_USER_CAPS_H
#define XMPPD_USER_CAPS_H

#include "xmppd/user/session.h"

/* A presence of the session for all its contacts: notes the hash, asks if nobody has said what stands behind it. Without <c/> nothing changes. */
void caps_see(struct session *session, const struct stanza *presence);
/* An iq result or error from the client. True: it was the answer to our question. */
bool caps_hear(struct session *session, const struct stanza *iq);
/* The client is unavailable, or the session ends. */
void caps_leave(struct session *session);
/* At stop, on each worker. */
void caps_stop(void);

/* What the client calls itself: its name, or "client/pc". NULL: not known (yet). Valid during this turn. */
const char *caps_name(const struct session *session);
/* False also while it is not known. */
bool caps_have(const struct session *session, const char *feature);

#endif
