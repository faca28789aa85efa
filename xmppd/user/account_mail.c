/*
 * account_mail.c - from a mail address to the account that has it
 *
 * A row for each account with a complete mail address, in the order of the domains, so that a domain is known by having one. It is written with the
 * account; where two accounts have the same address, the row is that of the first.
 */
#include "shared/base/digest.h"
#include "shared/base/log.h"
#include "shared/base/text.h"
#include "shared/store/codec.h"
#include "xmppd/user/account.h"
#include "xmppd/user/account_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

enum { ROW_VERSION = 1, HALF = 16, KEY = 2 * HALF };

static const char built_key[] = "mail-index";

bool
account_read_mail(struct jid *mail, struct arena *arena, const char *text)
{
        char domain[JID_PART_MAX + 1];

        return text != NULL && jid_parse(mail, arena, text) && mail->local != NULL && mail->resource == NULL &&
                strchr(mail->domain, '.') != NULL && jid_prepare_domain(domain, mail->domain);
}

static void
write_domain(unsigned char *key, const char *domain)
{
        unsigned char digest[DIGEST_MAX];

        digest_of(DIGEST_SHA256, domain, strlen(domain), digest);
        memcpy(key, digest, HALF);
}

static void
write_key(unsigned char key[KEY], const struct jid *mail)
{
        unsigned char digest[DIGEST_MAX];

        write_domain(key, mail->domain);
        digest_of(DIGEST_SHA256, mail->full, mail->bare_len, digest);
        memcpy(key + HALF, digest, HALF);
}

/* The row: account id, its JID, the address itself. */
static uint64_t
read_row(const void *value, size_t len, struct arena *arena, const struct jid *mail, const char **account)
{
        struct cursor in = cursor_on(value, len);
        uint8_t version = decode_u8(&in);
        uint64_t id = decode_u64(&in);
        const char *jid = decode_text(&in, arena), *address = decode_text(&in, arena);

        if (version != ROW_VERSION || !decode_ok(&in) || jid == NULL || !text_equal(address, mail->full))
                return 0;
        *account = jid;
        return id;
}

static uint64_t
find_row(struct store *store, struct arena *arena, const struct jid *mail, const char **account)
{
        unsigned char key[KEY];
        const void *value;
        size_t len;

        write_key(key, mail);
        return store_get(store, TABLE_MAIL, key, sizeof(key), &value, &len) ? read_row(value, len, arena, mail, account) : 0;
}

bool
account_of_mail(struct store *store, struct arena *arena, const struct jid *mail, struct jid *account)
{
        const char *text;

        return find_row(store, arena, mail, &text) != 0 && jid_parse(account, arena, text);
}

static bool
note_any(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        *(bool *)arg = true;
        return false;
}

bool
account_has_mail_domain(struct store *store, const char *domain)
{
        unsigned char key[HALF];
        bool has_any = false;

        write_domain(key, domain);
        store_scan(store, TABLE_MAIL, key, sizeof(key), 1, note_any, &has_any);
        return has_any;
}

/* ---- writing ---- */

static void
put_row(struct batch *batch, const struct account *account, const struct jid *mail)
{
        unsigned char key[KEY];
        struct buf row = { 0 };

        write_key(key, mail);
        encode_u8(&row, ROW_VERSION);
        encode_u64(&row, account->id);
        encode_text(&row, account->jid);
        encode_text(&row, mail->full);
        batch_put(batch, TABLE_MAIL, key, sizeof(key), buf_data(&row), row.len);
        buf_free(&row);
}

static void
remove_row(struct batch *batch, const struct jid *mail)
{
        unsigned char key[KEY];

        write_key(key, mail);
        batch_remove(batch, TABLE_MAIL, key, sizeof(key));
}

void
account_index_mail(struct batch *batch, const struct account *account, const char *before)
{
        struct store *store = batch_store(batch);
        struct arena *arena = arena_new(512);
        struct jid mail, old;
        const char *owner;
        bool has_mail = account_read_mail(&mail, arena, account->mail), had_mail = account_read_mail(&old, arena, before);

        if (had_mail && !(has_mail && jid_equal(&mail, &old)) && find_row(store, arena, &old, &owner) == account->id)
                remove_row(batch, &old);
        if (has_mail) {
                uint64_t id = find_row(store, arena, &mail, &owner);
                if (id == 0 || id == account->id)
                        put_row(batch, account, &mail);
                else
                        log_warn(LOG_ABOUT("user", account->jid), "its mail address %s is that of %s, who keeps it", mail.full,
                                owner);
        }
        arena_free(&arena);
}

bool
account_mail_is_taken(struct store *store, const struct account *account, struct err *err)
{
        struct arena *arena = arena_new(512);
        struct jid jid, mail, owner;
        bool has_mail = account_read_mail(&mail, arena, account->mail) && strcmp(mail.full, account->jid) != 0;
        bool is_taken = true;

        if (has_mail && account_of_mail(store, arena, &mail, &owner) && strcmp(owner.full, account->jid) != 0)
                err_set(err, "the mail address %.200s is that of %.200s: take it away there first", mail.full, owner.full);
        else if (has_mail && account_id(store, &mail) != 0)
                err_set(err, "the mail address %.200s is the JID of another account", mail.full);
        else if (jid_parse(&jid, arena, account->jid) && account_of_mail(store, arena, &jid, &owner) &&
                strcmp(owner.full, account->jid) != 0)
                err_set(err, "%.200s is the mail address of %.200s: take it away there first", jid.full, owner.full);
        else
                is_taken = false;
        arena_free(&arena);
        return is_taken;
}

/* ---- stores of before ---- */

static bool
index_one(void *arg, const struct account *account)
{
        account_index_mail(arg, account, NULL);
        return true;
}

void
account_index_all(struct store *store)
{
        const void *value;
        size_t len;

        if (store_get(store, TABLE_META, built_key, sizeof(built_key), &value, &len))
                return;
        struct batch *batch = batch_new(store);
        account_each(store, NULL, index_one, batch);
        batch_put(batch, TABLE_META, built_key, sizeof(built_key), "1", 1);
        batch_commit_wait(batch);
}
