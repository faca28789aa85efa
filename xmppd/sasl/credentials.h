/* credentials.h - the login keys of an account, and plausible ones for names that are none; private to this room */
#ifndef XMPPD_SASL_CREDENTIALS_H
#define XMPPD_SASL_CREDENTIALS_H

#include "shared/base/arena.h"
#include "shared/store/store.h"
#include "shared/xmpp/jid.h"
#include "xmppd/user/scram.h"

/* store NULL: there are no accounts (tests). */
void credentials_start(struct store *store);

/* Always gives keys. Those of an unknown account, or of a hash that an account has no keys for, fit no password, and are the same each time
 * anyone asks, so that nobody can find out who exists (RFC 6120 13.11). */
void credentials_find(const struct jid *bare, enum digest digest, struct scram_keys *keys);
/* For checking a password as such: the hash that costs less of those the account has. */
enum digest credentials_find_any(const struct jid *bare, struct scram_keys *keys);
/* Is there such an account, whatever its keys? */
bool credentials_exist(const struct jid *bare);
/* Has it keys of its own, so that no directory is asked? */
bool credentials_are_here(const struct jid *bare);
/* From what a client typed as its name ("juliet", or "juliet@capulet.example") to the bare JID in this domain. False: no such name can exist. */
bool credentials_name(struct jid *bare, struct arena *arena, const char *typed, const char *domain);

#endif
