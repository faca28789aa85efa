/*
 * account_mail.c - from a mail address to the account that has it
 *
 * A row for each account with a complete mail address, in the order of the domains, so that a domain is known by having one. It is written with the
 * account, and the batch expects what was read when it was put together: of two accounts that take one address in the same moment, one fails.
 *
 * Who sets an address that another account has is refused. What stands in a store of before, or comes from a directory, is not refused but has no
 * row: such an account keeps its JID.
 */
#include "shared/base/digest.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
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

/* The row: account id, its JID, the address itself. Points into the store. */
struct row {
        uint64_t id;
        const char *jid;
        const void *bytes;
        size_t len;
};

static bool
find_row(struct store *store, struct arena *arena, const struct jid *mail, struct row *row)
{
        unsigned char key[KEY];

        write_key(key, mail);
        if (!store_get(store, TABLE_MAIL, key, sizeof(key), &row->bytes, &row->len))
                return false;
        struct cursor in = cursor_on(row->bytes, row->len);
        uint8_t version = decode_u8(&in);
        row->id = decode_u64(&in);
        row->jid = decode_text(&in, arena);
        const char *address = decode_text(&in, arena);
        return version == ROW_VERSION && decode_ok(&in) && row->id != 0 && row->jid != NULL && text_equal(address, mail->full);
}

bool
account_of_mail(struct store *store, struct arena *arena, const struct jid *mail, struct jid *account)
{
        struct row row;

        return find_row(store, arena, mail, &row) && jid_parse(account, arena, row.jid);
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
put_row(struct batch *batch, uint64_t id, const char *jid, const struct jid *mail)
{
        unsigned char key[KEY];
        struct buf row = { 0 };

        write_key(key, mail);
        encode_u8(&row, ROW_VERSION);
        encode_u64(&row, id);
        encode_text(&row, jid);
        encode_text(&row, mail->full);
        batch_put(batch, TABLE_MAIL, key, sizeof(key), buf_data(&row), row.len);
        buf_free(&row);
}

static void
remove_row(struct batch *batch, const struct jid *mail, const struct row *row)
{
        unsigned char key[KEY];

        write_key(key, mail);
        batch_expect(batch, TABLE_MAIL, key, sizeof(key), row->bytes, row->len);
        batch_remove(batch, TABLE_MAIL, key, sizeof(key));
}

/* An account that is made in the same batch takes it. */
static bool
is_taken_by(const struct batch *batch, const struct jid *mail)
{
        unsigned char key[KEY];

        write_key(key, mail);
        return batch != NULL && batch_puts(batch, TABLE_MAIL, key, sizeof(key));
}

static bool
is_jid_of_another(struct store *store, const struct batch *batch, const struct jid *mail, const char *jid)
{
        return strcmp(mail->full, jid) != 0 && (account_id(store, mail) != 0 || (batch != NULL && account_is_added(batch, mail)));
}

static void
add_row(struct batch *batch, struct arena *arena, const struct account *account, const struct jid *mail)
{
        struct store *store = batch_store(batch);
        unsigned char key[KEY];
        struct row row;
        bool is_there = find_row(store, arena, mail, &row);

        if (is_there && row.id == account->id)
                return;
        if (is_there || is_taken_by(batch, mail) || is_jid_of_another(store, batch, mail, account->jid)) {
                log_warn(LOG_ABOUT("user", account->jid), "keeps the JID towards other servers: its mail address %s is that of %s",
                        mail->full, is_there ? row.jid : "another account");
                return;
        }
        write_key(key, mail);
        batch_expect_absent(batch, TABLE_MAIL, key, sizeof(key));
        put_row(batch, account->id, account->jid, mail);
}

void
account_index_mail(struct batch *batch, const struct account *account, const char *before)
{
        struct arena *arena = arena_new(512);
        struct jid mail, old;
        struct row row;
        bool has_mail = account_read_mail(&mail, arena, account->mail), had_mail = account_read_mail(&old, arena, before);

        if (had_mail && !(has_mail && jid_equal(&mail, &old)) && find_row(batch_store(batch), arena, &old, &row) &&
                row.id == account->id)
                remove_row(batch, &old, &row);
        if (has_mail)
                add_row(batch, arena, account, &mail);
        arena_free(&arena);
}

bool
account_mail_is_taken(struct store *store, const struct batch *batch, const struct account *account, struct err *err)
{
        struct arena *arena = arena_new(512);
        struct jid jid, mail, owner;
        bool has_mail = account_read_mail(&mail, arena, account->mail);
        bool is_taken = true;

        if (has_mail && account_of_mail(store, arena, &mail, &owner) && strcmp(owner.full, account->jid) != 0)
                err_set(err, "the mail address %.200s is that of %.200s: take it away there first", mail.full, owner.full);
        else if (has_mail && is_taken_by(batch, &mail))
                err_set(err, "the mail address %.200s is given to two accounts", mail.full);
        else if (has_mail && is_jid_of_another(store, batch, &mail, account->jid))
                err_set(err, "the mail address %.200s is the JID of another account", mail.full);
        else if (jid_parse(&jid, arena, account->jid) && account_of_mail(store, arena, &jid, &owner) &&
                strcmp(owner.full, account->jid) != 0)
                err_set(err, "%.200s is the mail address of %.200s: take it away there first", jid.full, owner.full);
        else if (jid_parse(&jid, arena, account->jid) && is_taken_by(batch, &jid))
                err_set(err, "%.200s is the mail address of another account", jid.full);
        else
                is_taken = false;
        arena_free(&arena);
        return is_taken;
}

static const char *
find_owner(const struct section *top, const char *domain, const char **kind)
{
        static const char *const kinds[] = { "sip-domain", "component", "chat", "xmpp-peer" };
        const struct section *section = NULL;

        for (size_t i = 0; i < array_len(kinds); i++)
                if ((section = section_titled(top, *kind = kinds[i], domain)) != NULL)
                        return section_place(section, NULL);
        *kind = "chat alias";
        while ((section = section_next(top, "chat", section)) != NULL)
                for (size_t i = 0; i < config_list_count(section, "aliases"); i++)
                        if (strcmp(config_list_item(section, "aliases", i), domain) == 0)
                                return section_place(section, "aliases");
        return NULL;
}

bool
account_mail_is_elsewhere(const struct section *top, const struct account *account, struct err *err)
{
        struct arena *arena = arena_new(512);
        const char *place = NULL, *kind;
        struct jid mail;

        if (config_bool(section_of(top, "email"), "enabled") && account_read_mail(&mail, arena, account->mail) &&
                (place = find_owner(top, mail.domain, &kind)) != NULL)
                err_set(err, "the mail address %.200s is in a domain that is a %s at %s", mail.full, kind, place);
        arena_free(&arena);
        return place != NULL;
}

/* ---- stores of before ---- */

struct claim {
        struct jid mail;
        uint64_t id;
        const char *jid;
        int64_t created;
};

struct claims {
        struct store *store;
        struct arena *arena;
        struct map *by_mail; /* -> struct claim */
};

/* Of two accounts with one address the older one has it. */
static bool
note_claim(void *arg, const struct account *account)
{
        struct claims *claims = arg;
        struct jid mail;

        if (!account_read_mail(&mail, claims->arena, account->mail) || is_jid_of_another(claims->store, NULL, &mail, account->jid))
                return true;
        struct claim *first = map_get_str(claims->by_mail, mail.full);
        const char *loser = first == NULL ? NULL : account->created < first->created ? first->jid : account->jid;
        if (loser != NULL)
                log_warn(LOG_ABOUT("user", loser), "keeps the JID towards other servers: its mail address %s is that of %s",
                        mail.full, loser == first->jid ? account->jid : first->jid);
        if (loser == account->jid)
                return true;
        struct claim *claim = ARENA_NEW(claims->arena, claim);
        *claim = (struct claim){ mail, account->id, arena_strdup(claims->arena, account->jid), account->created };
        map_put_str(claims->by_mail, claim->mail.full, claim);
        return true;
}

void
account_index_all(struct store *store)
{
        struct claims claims = { .store = store };
        struct claim *claim;
        size_t at = 0, len;
        const void *value;

        if (store_get(store, TABLE_META, built_key, sizeof(built_key), &value, &len))
                return;
        claims.arena = arena_new(65536);
        claims.by_mail = map_new();
        account_each(store, NULL, note_claim, &claims);
        struct batch *batch = batch_new(store);
        while ((claim = map_next(claims.by_mail, &at)) != NULL)
                put_row(batch, claim->id, claim->jid, &claim->mail);
        batch_put(batch, TABLE_META, built_key, sizeof(built_key), "1", 1);
        batch_commit_wait(batch);
        map_free(&claims.by_mail);
        arena_free(&claims.arena);
}
