/* registration.h - accounts that users make and delete themselves (XEP-0077) */
#ifndef XMPPD_USER_REGISTRATION_H
#define XMPPD_USER_REGISTRATION_H

#include "shared/xmpp/stanza.h"

/* Why an account was not made. */
enum registration_outcome { REGISTRATION_DONE, REGISTRATION_NAME_TAKEN, REGISTRATION_BAD_PASSWORD, REGISTRATION_FAILED };

typedef void registration_done(void *owner, enum registration_outcome outcome);

/* On any worker. Makes the account bare: keys in the pool, then one batch. done is called once, later, on this worker, when it is on disk. */
struct registration *registration_begin(const struct jid *bare, const char *password, registration_done *done, void *owner);
/* done is not called any more; an account that is being made is made. */
void registration_forget(struct registration **registration);

/* At the home of the iq's sender, whose account it is: deletes it with all it holds, tells its contacts, answers the iq set, then ends its
 * sessions (3.2). Borrows. */
void registration_cancel(struct stanza *iq);

#endif
