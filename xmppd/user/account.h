/* account.h - accounts on disk: who exists, their login keys and personal data
 *
 * The store's keys are short and JIDs are long, so an account has a random 64-bit id: TABLE_DIRECTORY leads from SHA-256(bare JID) to it. Passwords
 * are never kept, only the SCRAM keys derived from them (RFC 5802, 3). Works with the running server's store and, for xmppctl, with one that
 * was opened directly.
 */
#ifndef XMPPD_USER_ACCOUNT_H
#define XMPPD_USER_ACCOUNT_H

#include "shared/base/arena.h"
#include "shared/config/config.h"
#include "shared/store/store.h"
#include "shared/xmpp/jid.h"
#include "xmppd/user/scram.h"

#include <stdbool.h>
#include <stdint.h>

struct account {
        uint64_t id;
        const char *jid; /* bare, prepared */
        struct scram_keys sha1, sha256;
        const char *mail, *name; /* NULL: not known */
        int64_t created;         /* wall ms */
};

/* The keys of some account of this domain for this hash: the same one for the same point (3 bytes or more) as long as the accounts around it stay.
 * False: none is near. */
bool
account_keys_near(struct store *store, const char *domain, const unsigned char *point, enum digest digest, struct scram_keys *keys);
/* Reads the account; texts go into the arena. False: no such account. */
bool account_find(struct store *store, struct arena *arena, const struct jid *bare, struct account *account);
/* A complete mail address, as an address of XMPP: false for anything else. */
bool account_read_mail(struct jid *mail, struct arena *arena, const char *text);
/* Whose mail address this is. Not that of an account with the same one as an older account, which keeps its JID. */
bool account_of_mail(struct store *store, struct arena *arena, const struct jid *mail, struct jid *account);
bool account_has_mail_domain(struct store *store, const char *domain);
/* Does another account have this one's mail address, or one that is added in the batch (may be NULL), or is its JID the mail address of another one?
 * err says which. To be asked before an account is added or its mail changed; account_add and account_change refuse nothing for this. */
bool account_mail_is_taken(struct store *store, const struct batch *batch, const struct account *account, struct err *err);
/* Is its mail domain, while email.enabled, reached otherwise by this configuration: by a component, a chat node, SIP or XMPP federation? err says where. */
bool account_mail_is_elsewhere(const struct section *top, const struct account *account, struct err *err);
/* At the start, of a store whose mail addresses have not been indexed. Blocks. */
void account_index_all(struct store *store);
/* The id alone, for loading rosters and the like; 0: no such account. */
uint64_t account_id(struct store *store, const struct jid *bare);

/* Puts a new account into the batch and chooses its id; the batch will fail with STORE_CONFLICT if one of that name exists. */
void account_add(struct batch *batch, struct account *account);
/* Puts changed keys or data of an existing one; fails with STORE_CONFLICT if it has been deleted meanwhile. */
void account_change(struct batch *batch, const struct account *account);
/* Removes it with everything stored under its id. */
void account_remove(struct batch *batch, const struct account *account);
/* Calls each(arg, account) for all accounts of the domain (NULL: of all), ordered by nothing in particular, until it returns false. The account and
 * its texts are valid during the call. */
void account_each(struct store *store, const char *domain, bool (*each)(void *arg, const struct account *account), void *arg);

#endif
