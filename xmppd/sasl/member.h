/* member.h - PLAIN for the accounts of a domain that a directory serves; private to this room */
#ifndef XMPPD_SASL_MEMBER_H
#define XMPPD_SASL_MEMBER_H

#include "shared/store/store.h"
#include "shared/xmpp/jid.h"

/* failure NULL: proven, and the account is on disk with the mail and name that the directory has now. */
typedef void member_done(void *owner, const char *failure);
struct member;

void member_start(struct store *store);
/* Asks the directory; makes the account at its first login, without keys: its password is nowhere but there. done runs once, never from inside. */
struct member *member_check(const struct jid *bare, const char *password, member_done *done, void *owner);
/* done will not be called. Clears the pointer. */
void member_forget(struct member **member);

#endif
