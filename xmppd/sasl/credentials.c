/*
 * credentials.c - the login keys of an account, and plausible ones for names that are none
 */
#include "xmppd/sasl/credentials.h"

#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "xmppd/user/account.h"
#include "xmppd/user/tables.h"

#include <stdio.h>

static const char secret_key[] = "sasl-secret";
static struct store *accounts;
static unsigned char secret[32]; /* kept in the store: a salt that changes with a restart would give the name away */

void
credentials_start(struct store *store)
{
        const void *value;
        size_t len;

        accounts = store;
        random_bytes(secret, sizeof(secret));
        if (store == NULL)
                return;
        if (store_get(store, TABLE_META, secret_key, sizeof(secret_key), &value, &len) && len == sizeof(secret)) {
                memcpy(secret, value, len);
        } else {
                struct batch *batch = batch_new(store);
                batch_put(batch, TABLE_META, secret_key, sizeof(secret_key), secret, sizeof(secret));
                batch_commit_wait(batch); /* a failure is the store's to report; the secret then lasts as long as the process */
        }
        store_read_end(store);
}

static void
invent(const struct jid *bare, enum digest digest, struct scram_keys *keys)
{
        unsigned char salt[DIGEST_MAX];
        char name[JID_MAX + 16];
        int len = snprintf(name, sizeof(name), "%d:%.*s", (int)digest, (int)bare->bare_len, bare->full);

        digest_hmac(DIGEST_SHA256, secret, sizeof(secret), name, (size_t)len, salt);
        *keys = (struct scram_keys){ .rounds = SCRAM_ROUNDS, .salt_len = SCRAM_SALT };
        memcpy(keys->salt, salt, SCRAM_SALT);
        random_bytes(keys->stored_key, sizeof(keys->stored_key));
        random_bytes(keys->server_key, sizeof(keys->server_key));
}

static bool
read_keys(const struct jid *bare, struct scram_keys *sha1, struct scram_keys *sha256)
{
        struct arena *arena = arena_new(512);
        struct account account;
        bool found = accounts != NULL && account_find(accounts, arena, bare, &account);

        if (found) {
                *sha1 = account.sha1;
                *sha256 = account.sha256;
                mem_wipe(&account, sizeof(account));
        }
        arena_free(&arena);
        return found;
}

void
credentials_find(const struct jid *bare, enum digest digest, struct scram_keys *keys)
{
        struct scram_keys sha1 = { 0 }, sha256 = { 0 };

        read_keys(bare, &sha1, &sha256);
        *keys = digest == DIGEST_SHA1 ? sha1 : sha256;
        if (keys->rounds == 0)
                invent(bare, digest, keys);
}

enum digest
credentials_find_any(const struct jid *bare, struct scram_keys *keys)
{
        struct scram_keys sha1 = { 0 }, sha256 = { 0 };

        read_keys(bare, &sha1, &sha256);
        if (sha1.rounds == 0 && sha256.rounds != 0) {
                *keys = sha256;
                return DIGEST_SHA256;
        }
        *keys = sha1;
        if (keys->rounds == 0)
                invent(bare, DIGEST_SHA1, keys);
        return DIGEST_SHA1;
}

bool
credentials_exist(const struct jid *bare)
{
        return accounts != NULL && account_id(accounts, bare) != 0;
}

bool
credentials_are_here(const struct jid *bare)
{
        struct scram_keys sha1 = { 0 }, sha256 = { 0 };

        read_keys(bare, &sha1, &sha256);
        return sha1.rounds != 0 || sha256.rounds != 0;
}

bool
credentials_name(struct jid *bare, struct arena *arena, const char *typed, const char *domain)
{
        if (strchr(typed, '@') == NULL)
                typed = arena_printf(arena, "%s@%s", typed, domain);
        return jid_parse(bare, arena, typed) && jid_is_bare(bare) && bare->local != NULL && text_equal(bare->domain, domain);
}
