/* password.h - a user changes the password of his account (XEP-0077, 3.3) */
#ifndef XMPPD_USER_PASSWORD_H
#define XMPPD_USER_PASSWORD_H

#include "shared/xmpp/stanza.h"

/* At the home of the iq's sender, whose account it is. Derives the keys in the pool and answers the iq when they are on disk: an empty result,
 * not-acceptable for a password that SASLprep does not allow, internal-server-error when the disk refuses. Borrows. Sessions that stand go on;
 * whoever signs in needs the new password. */
void password_change(struct stanza *iq, const char *password);

#endif
