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
derive(const char *purpose, const struct jid *bare, unsigned number, unsigned char out[DIGEST_MAX])
{
        char name[JID_MAX + 40];
        int len = snprintf(name, sizeof(name), "%s %u %.*s", purpose, number, (int)bare->bare_len, bare->full);

        digest_hmac(DIGEST_SHA256, secret, sizeof(secret), name, (size_t)len, out);
}

/* Rounds and length of the salt are those of an account of the domain, chosen by the name: accounts that were brought along from another server
 * may have others than ours, and then ours would give an invented one away. A salt changes together with them, as that of an account would. */
static void
invent(const struct jid *bare, enum digest digest, struct scram_keys *keys)
{
        unsigned char point[DIGEST_MAX], salt[2][DIGEST_MAX];
        struct scram_keys like = { .rounds = SCRAM_ROUNDS, .salt_len = SCRAM_SALT };

        derive("like", bare, digest, point);
        if (accounts == NULL || !account_keys_near(accounts, bare->domain, point, digest, &like))
                like = (struct scram_keys){ .rounds = SCRAM_ROUNDS, .salt_len = SCRAM_SALT };
        unsigned number = like.rounds * 4 + (unsigned)digest * 2;
        derive("salt", bare, number, salt[0]);
        derive("salt", bare, number + 1, salt[1]);
        *keys = (struct scram_keys){ .rounds = like.rounds, .salt_len = like.salt_len };
        memcpy(keys->salt, salt, like.salt_len);
        mem_wipe(&like, sizeof(like));
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

static void
wipe(struct scram_keys *sha1, struct scram_keys *sha256)
{
        mem_wipe(sha1, sizeof(*sha1));
        mem_wipe(sha256, sizeof(*sha256));
}

void
credentials_find(const struct jid *bare, enum digest digest, struct scram_keys *keys)
{
        struct scram_keys sha1 = { 0 }, sha256 = { 0 }, invented;

        /* The same work for those who exist. */
        read_keys(bare, &sha1, &sha256);
        invent(bare, digest, &invented);
        *keys = digest == DIGEST_SHA1 ? sha1 : sha256;
        if (keys->rounds == 0)
                *keys = invented;
        wipe(&sha1, &sha256);
}

enum digest
credentials_find_any(const struct jid *bare, struct scram_keys *keys)
{
        struct scram_keys sha1 = { 0 }, sha256 = { 0 };

        read_keys(bare, &sha1, &sha256);
        enum digest digest = sha1.rounds == 0 && sha256.rounds != 0 ? DIGEST_SHA256 : DIGEST_SHA1;
        *keys = digest == DIGEST_SHA1 ? sha1 : sha256;
        wipe(&sha1, &sha256);
        if (keys->rounds == 0)
                invent(bare, digest, keys);
        return digest;
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
        bool are_here = sha1.rounds != 0 || sha256.rounds != 0;
        wipe(&sha1, &sha256);
        return are_here;
}

bool
credentials_name(struct jid *bare, struct arena *arena, const char *typed, const char *domain)
{
        if (strchr(typed, '@') == NULL)
                typed = arena_printf(arena, "%s@%s", typed, domain);
        return jid_parse(bare, arena, typed) && jid_is_bare(bare) && bare->local != NULL && text_equal(bare->domain, domain);
}
