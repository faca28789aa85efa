/* address.h - from a SIP URI to a JID and back (2.1 to 2.3 of the dialects, XEP-0106) */
#ifndef SIPCOMP_BRIDGE_ADDRESS_H
#define SIPCOMP_BRIDGE_ADDRESS_H

#include "shared/base/arena.h"
#include "shared/xmpp/jid.h"
#include "sipcomp/dialect/dialect.h"
#include "sipcomp/sip/uri.h"

/* The bare JID of a parsed URI. False (400): the user is no text, too long, has control characters; the host is an IP literal. A URI without a
 * user gives a JID without local part. dialect (NULL for our own domains) says how its names are brought into their one form. */
bool address_to_jid(struct jid *jid, struct arena *arena, const struct sip_uri *uri, const struct dialect *dialect);

/* The form in which a foreign local part is one and the same: AOL compares without spaces, and owns e-mail names (2.3, 12). */
const char *address_canonical(struct arena *arena, const struct dialect *dialect, const char *local);

/* "sip:user@host" of a bare JID; the resource is left out. */
char *address_to_uri(struct arena *arena, const struct jid *jid);
/* The user part of it alone, encoded; "" without local part. */
const char *address_user(struct arena *arena, const struct jid *jid);

#endif
