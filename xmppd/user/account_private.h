/* account_private.h - the records of the account directory, for account.c and its fuzzer */
#ifndef XMPPD_USER_ACCOUNT_PRIVATE_H
#define XMPPD_USER_ACCOUNT_PRIVATE_H

#include "shared/base/buf.h"
#include "xmppd/user/account.h"

void account_encode(struct buf *out, const struct account *account);
/* False: not a record of a version we know. Texts go into the arena. The id is not inside. */
bool account_decode(struct account *account, struct arena *arena, const void *bytes, size_t len);

/* account_mail.c: its mail address, in place of the one that it had before. */
void account_index_mail(struct batch *batch, const struct account *account, const char *before);
/* account.c: does the batch add an account of this JID? */
bool account_is_added(const struct batch *batch, const struct jid *bare);

#endif
