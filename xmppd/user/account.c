/*
 * account.c - two records for each account: directory entry (address to id) and the account itself (id to everything else)
 *
 * The directory entry never changes while the account exists, so that expecting its bytes is how a batch makes sure that the account has not
 * been deleted, or deleted and made anew, since it was read.
 */
#include "xmppd/user/account.h"

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/store/codec.h"
#include "xmppd/user/account_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

enum { RECORD_VERSION = 1, ID_BYTES = 8, NAME_BYTES = 32 };

/* ---- records ---- */

static void
encode_keys(struct buf *out, const struct scram_keys *keys, enum digest digest)
{
        encode_u32(out, keys->rounds);
        if (keys->rounds == 0)
                return;
        encode_bytes(out, keys->salt, keys->salt_len);
        encode_bytes(out, keys->stored_key, digest_size(digest));
        encode_bytes(out, keys->server_key, digest_size(digest));
}

static void
copy_bytes(struct cursor *cursor, unsigned char *out, size_t min, size_t max, uint8_t *taken)
{
        size_t len;
        const void *bytes = decode_bytes(cursor, &len);

        if (bytes == NULL || len < min || len > max) {
                cursor->broken = true;
                return;
        }
        memcpy(out, bytes, len);
        if (taken != NULL)
                *taken = (uint8_t)len;
}

static void
decode_keys(struct cursor *cursor, struct scram_keys *keys, enum digest digest)
{
        size_t size = digest_size(digest);

        keys->rounds = decode_u32(cursor);
        if (keys->rounds == 0)
                return;
        if (keys->rounds > SCRAM_ROUNDS_MAX)
                cursor->broken = true;
        copy_bytes(cursor, keys->salt, 1, SCRAM_SALT_MAX, &keys->salt_len);
        copy_bytes(cursor, keys->stored_key, size, size, NULL);
        copy_bytes(cursor, keys->server_key, size, size, NULL);
}

void
account_encode(struct buf *out, const struct account *account)
{
        encode_u8(out, RECORD_VERSION);
        encode_text(out, account->jid);
        encode_u64(out, (uint64_t)account->created);
        encode_keys(out, &account->sha1, DIGEST_SHA1);
        encode_keys(out, &account->sha256, DIGEST_SHA256);
        encode_text(out, account->mail);
        encode_text(out, account->name);
}

bool
account_decode(struct account *account, struct arena *arena, const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);

        *account = (struct account){ 0 };
        if (decode_u8(&cursor) != RECORD_VERSION)
                return false;
        account->jid = decode_text(&cursor, arena);
        account->created = (int64_t)decode_u64(&cursor);
        decode_keys(&cursor, &account->sha1, DIGEST_SHA1);
        decode_keys(&cursor, &account->sha256, DIGEST_SHA256);
        account->mail = decode_text(&cursor, arena);
        account->name = decode_text(&cursor, arena);
        return decode_ok(&cursor) && account->jid != NULL;
}

static void
encode_entry(struct buf *out, uint64_t id, const char *bare, size_t len)
{
        encode_u8(out, RECORD_VERSION);
        encode_u64(out, id);
        encode_bytes(out, bare, len);
}

static void
write_id(unsigned char *key, uint64_t id)
{
        for (int i = 0; i < ID_BYTES; i++)
                key[i] = (unsigned char)(id >> (56 - 8 * i));
}

/* ---- reading ---- */

uint64_t
account_id(struct store *store, const struct jid *bare)
{
        unsigned char key[NAME_BYTES];
        const void *value;
        size_t len, jid_len;

        digest_of(DIGEST_SHA256, bare->full, bare->bare_len, key);
        if (!store_get(store, TABLE_DIRECTORY, key, sizeof(key), &value, &len))
                return 0;
        struct cursor cursor = cursor_on(value, len);
        uint8_t version = decode_u8(&cursor);
        uint64_t id = decode_u64(&cursor);
        const char *jid = decode_bytes(&cursor, &jid_len);
        if (version != RECORD_VERSION || !decode_ok(&cursor))
                return 0;
        return jid_has_bare(bare, jid, jid_len) ? id : 0;
}

bool
account_find(struct store *store, struct arena *arena, const struct jid *bare, struct account *account)
{
        unsigned char key[ID_BYTES];
        const void *value;
        size_t len;
        uint64_t id = account_id(store, bare);

        if (id == 0)
                return false;
        write_id(key, id);
        if (!store_get(store, TABLE_ACCOUNT, key, sizeof(key), &value, &len) || !account_decode(account, arena, value, len))
                return false;
        account->id = id;
        return true;
}

/* ---- an account like others ---- */

enum { NEAR_MAX = 64 };

struct near {
        const char *domain;
        uint64_t ids[NEAR_MAX];
        size_t count;
};

static bool
is_in_domain(const char *jid, const char *domain)
{
        const char *at = strchr(jid, '@');
        return text_equal(at == NULL ? jid : at + 1, domain);
}

static bool
note_near(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct near *near = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(256);
        size_t len;

        uint8_t version = decode_u8(&cursor);
        uint64_t id = decode_u64(&cursor);
        const char *jid = decode_bytes(&cursor, &len);
        if (version == RECORD_VERSION && decode_ok(&cursor) && is_in_domain(arena_strndup(arena, jid, len), near->domain))
                near->ids[near->count++] = id;
        arena_free(&arena);
        return near->count < NEAR_MAX;
}

static bool
read_keys(struct store *store, uint64_t id, enum digest digest, struct scram_keys *keys)
{
        struct arena *arena = arena_new(512);
        struct account account = { 0 };
        unsigned char key[ID_BYTES];
        const void *value;
        size_t len;

        write_id(key, id);
        bool found = store_get(store, TABLE_ACCOUNT, key, sizeof(key), &value, &len) && account_decode(&account, arena, value, len);
        *keys = digest == DIGEST_SHA1 ? account.sha1 : account.sha256;
        mem_wipe(&account, sizeof(account));
        arena_free(&arena);
        return found && keys->rounds != 0;
}

/* The directory is ordered by a hash of the names, so those that begin like a point are any of them; where few are, one of the first. */
bool
account_keys_near(struct store *store, const char *domain, const unsigned char *point, enum digest digest, struct scram_keys *keys)
{
        for (size_t prefix = 3; prefix-- > 0;) {
                struct near near = { .domain = domain };
                store_scan(store, TABLE_DIRECTORY, point, prefix, 2 * NEAR_MAX, note_near, &near);
                for (size_t i = 0; i < near.count; i++)
                        if (read_keys(store, near.ids[(point[2] + i) % near.count], digest, keys))
                                return true;
        }
        return false;
}

struct walk {
        const char *domain;
        bool (*each)(void *arg, const struct account *account);
        void *arg;
};

static bool
visit(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct walk *walk = arg;
        struct cursor cursor = cursor_on(key, key_len);
        struct arena *arena = arena_new(1024);
        struct account account;
        bool goes_on = true;

        if (account_decode(&account, arena, value, value_len) &&
                (walk->domain == NULL || is_in_domain(account.jid, walk->domain))) {
                account.id = decode_u64(&cursor);
                goes_on = walk->each(walk->arg, &account);
        }
        arena_free(&arena);
        return goes_on;
}

void
account_each(struct store *store, const char *domain, bool (*each)(void *arg, const struct account *account), void *arg)
{
        struct walk walk = { domain, each, arg };

        store_scan(store, TABLE_ACCOUNT, "", 0, 0, visit, &walk);
}

/* ---- writing ---- */

static void
put_record(struct batch *batch, const struct account *account)
{
        unsigned char key[ID_BYTES];
        struct buf record = { 0 };

        write_id(key, account->id);
        account_encode(&record, account);
        batch_put(batch, TABLE_ACCOUNT, key, sizeof(key), buf_data(&record), record.len);
        buf_free(&record);
}

static void
expect_entry(struct batch *batch, const struct account *account)
{
        unsigned char key[NAME_BYTES];
        struct buf entry = { 0 };

        digest_of(DIGEST_SHA256, account->jid, strlen(account->jid), key);
        encode_entry(&entry, account->id, account->jid, strlen(account->jid));
        batch_expect(batch, TABLE_DIRECTORY, key, sizeof(key), buf_data(&entry), entry.len);
        buf_free(&entry);
}

bool
account_is_added(const struct batch *batch, const struct jid *bare)
{
        unsigned char key[NAME_BYTES];

        digest_of(DIGEST_SHA256, bare->full, bare->bare_len, key);
        return batch_puts(batch, TABLE_DIRECTORY, key, sizeof(key));
}

void
account_add(struct batch *batch, struct account *account)
{
        unsigned char key[NAME_BYTES], id_key[ID_BYTES];
        struct buf entry = { 0 };

        do
                random_bytes(&account->id, sizeof(account->id));
        while (account->id == 0);
        write_id(id_key, account->id);
        batch_expect_absent(batch, TABLE_ACCOUNT, id_key, sizeof(id_key));

        digest_of(DIGEST_SHA256, account->jid, strlen(account->jid), key);
        batch_expect_absent(batch, TABLE_DIRECTORY, key, sizeof(key));
        encode_entry(&entry, account->id, account->jid, strlen(account->jid));
        batch_put(batch, TABLE_DIRECTORY, key, sizeof(key), buf_data(&entry), entry.len);
        buf_free(&entry);
        put_record(batch, account);
        account_index_mail(batch, account, NULL);
}

void
account_change(struct batch *batch, const struct account *account)
{
        struct arena *arena = arena_new(512);
        struct account before;
        unsigned char key[ID_BYTES];
        const void *value;
        size_t len;

        must(account->id != 0);
        expect_entry(batch, account);
        put_record(batch, account);
        write_id(key, account->id);
        bool was_there = store_get(batch_store(batch), TABLE_ACCOUNT, key, sizeof(key), &value, &len) &&
                account_decode(&before, arena, value, len);
        account_index_mail(batch, account, was_there ? before.mail : NULL);
        arena_free(&arena);
}

void
account_remove(struct batch *batch, const struct account *account)
{
        static const int tables[] = { TABLE_ACCOUNT, TABLE_ROSTER, TABLE_BLOCKED, TABLE_OFFLINE, TABLE_SESSION, TABLE_SENT,
                TABLE_DATA, TABLE_PRIVACY };
        unsigned char key[NAME_BYTES], id_key[ID_BYTES];

        must(account->id != 0);
        expect_entry(batch, account);
        digest_of(DIGEST_SHA256, account->jid, strlen(account->jid), key);
        batch_remove(batch, TABLE_DIRECTORY, key, sizeof(key));
        write_id(id_key, account->id);
        for (size_t i = 0; i < array_len(tables); i++)
                batch_remove_prefix(batch, tables[i], id_key, sizeof(id_key));
        struct account none = { .id = account->id, .jid = account->jid };
        account_index_mail(batch, &none, account->mail);
}
