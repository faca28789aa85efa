/*
 * account_json.c - an account as one JSON object
 */
#include "xmppd/user/account_json.h"

#include "shared/base/clock.h"

static void
put_keys(struct json_writer *json, const struct scram_keys *keys, enum digest digest)
{
        if (keys->rounds == 0)
                return;
        struct arena *arena = arena_new(512);
        json_put_text(json, NULL, scram_format(arena, keys, digest));
        arena_free(&arena);
}

void
account_put_members(struct json_writer *json, const struct account *account)
{
        json_put_text(json, "jid", account->jid);
        if (account->name != NULL)
                json_put_text(json, "name", account->name);
        if (account->mail != NULL)
                json_put_text(json, "mail", account->mail);
        json_put_number(json, "created", account->created);
}

void
account_write_json(struct json_writer *json, const struct account *account, bool with_keys)
{
        json_open_object(json, NULL);
        account_put_members(json, account);
        if (with_keys) {
                json_open_array(json, "keys");
                put_keys(json, &account->sha1, DIGEST_SHA1);
                put_keys(json, &account->sha256, DIGEST_SHA256);
                json_close_array(json);
        }
        json_close_object(json);
}

static int
read_keys(const struct json *list, struct account *account, struct err *err)
{
        if (list->kind != JSON_ARRAY || list->first == NULL)
                return err_set(err, "keys: a list of \"SCRAM-SHA-256$...\" texts is expected");
        for (const struct json *item = list->first; item != NULL; item = item->next) {
                struct scram_keys keys;
                enum digest digest;
                if (item->kind != JSON_TEXT || !scram_parse(&keys, &digest, item->text))
                        return err_set(err,
                                "keys: \"SCRAM-SHA-1$ROUNDS:SALT$STOREDKEY:SERVERKEY\" is expected, with base64 and SHA-1 or SHA-256");
                *(digest == DIGEST_SHA1 ? &account->sha1 : &account->sha256) = keys;
        }
        return 0;
}

int
account_read_json(const struct json *json, struct arena *arena, struct account *account, const char **password, struct err *err)
{
        const char *name = json_member_text(json, "jid");
        const struct json *keys = json_member(json, "keys");
        struct jid jid;

        *account = (struct account){ 0 };
        *password = json_member_text(json, "password");
        if (name == NULL)
                return err_set(err, "jid: a text such as \"juliet@capulet.example\" is expected");
        if (!jid_parse(&jid, arena, name) || jid.local == NULL || !jid_is_bare(&jid))
                return err_set(err, "%.200s: not the address of an account (user@domain)", name);
        account->jid = jid.full;
        account->name = json_member_text(json, "name");
        account->mail = json_member_text(json, "mail");
        account->created = json_member_number(json, "created", clock_wall_ms());
        if (keys != NULL) {
                *password = NULL;
                return read_keys(keys, account, err);
        }
        return *password == NULL ? err_set(err, "%s: \"password\" or \"keys\" is expected", account->jid) : 0;
}
