/* mail.h - e-mail addresses for federation: what crosses to a foreign domain and comes from one */
#ifndef XMPPD_USER_MAIL_H
#define XMPPD_USER_MAIL_H

#include "shared/xmpp/stanza.h"

/* A stanza about to leave for a foreign domain, or that has come from one. Takes the reference, gives the stanza to go on with; mail_enter: NULL:
 * it was dropped, and logged. */
struct stanza *mail_leave(struct stanza *stanza);
struct stanza *mail_enter(struct stanza *stanza);
/* A mail domain of ours, while email.enabled. */
bool mail_is_domain(const char *domain);

#endif
