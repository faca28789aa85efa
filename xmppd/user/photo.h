/* photo.h - the hash of the photo on an account's card (XEP-0153), kept beside it so that presence need not look for it */
#ifndef XMPPD_USER_PHOTO_H
#define XMPPD_USER_PHOTO_H

#include "shared/xmpp/stanza.h"

#include <stdbool.h>

struct session;

enum { PHOTO_HASH = 40 + 1 };

/* Of the photo on this card, which is about to become the account's; "" if it has none. At home; the text lives as long as the account is loaded. */
const char *photo_take(const struct jid *account, const struct element *card);
/* Of the session's account; "" if there is no photo. */
const char *photo_of(struct session *session);

#endif
