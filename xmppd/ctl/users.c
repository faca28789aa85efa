/*
 * users.c - accounts: through the server while it runs, in its store while it is down
 *
 * Keys are derived here, so that a password never travels and the server does no work for it. What only reads goes to the store at once: it
 * may be read beside the running server.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "xmppd/ctl/ctl.h"
#include "xmppd/user/account_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prepares the address; prints what is wrong with it. */
static bool
read_jid(struct ctl *ctl, const char *text, struct jid *jid)
{
        if (jid_parse(jid, ctl->arena, text) && jid->local != NULL && jid_is_bare(jid))
                return true;
        refuse("%.200s: not the address of an account, which is user@domain", text);
        return false;
}

static bool
derive_keys(struct account *account, const char *password)
{
        if (scram_derive(&account->sha1, DIGEST_SHA1, password) && scram_derive(&account->sha256, DIGEST_SHA256, password))
                return true;
        refuse("this password cannot be used: it is empty, too long, or holds characters that SASLprep forbids");
        return false;
}

static int
print_deed(struct ctl *ctl, const char *jid, const char *deed)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        if (ctl->json) {
                json_open_object(&json, NULL);
                json_put_text(&json, "jid", jid);
                json_put_text(&json, "done", deed);
                json_close_object(&json);
                puts(buf_text(&out));
        } else {
                printf("%s %s\n", jid, deed);
        }
        buf_free(&out);
        return DONE;
}

/* Sends "user VERB JSON" to the server. 1, 0, -1 as ctl_ask. */
static int
send_account(struct ctl *ctl, const char *verb, const struct account *account, bool with_keys, const struct line *line)
{
        struct buf text = { 0 }, answer = { 0 };
        struct json_writer json = { .out = &text };

        if (line == NULL) {
                account_write_json(&json, account, with_keys);
        } else {
                json_open_object(&json, NULL);
                json_put_text(&json, "jid", account->jid);
                if (line->mail != NULL)
                        json_put_text(&json, "mail", line->mail[0] != '\0' ? line->mail : NULL);
                if (line->name != NULL)
                        json_put_text(&json, "name", line->name[0] != '\0' ? line->name : NULL);
                json_close_object(&json);
        }
        const char *argv[] = { "user", verb, buf_text(&text) };
        int rc = ctl_ask(ctl, 3, argv, &answer);
        mem_wipe(buf_data(&text), text.len);
        buf_free(&text);
        buf_free(&answer);
        return rc;
}

/* Commits; prints what went wrong. Closes the store. */
static int
commit(struct store **store, struct batch *batch, const char *conflict)
{
        enum store_outcome outcome = batch_commit_wait(batch);

        store_close(store);
        if (outcome == STORE_CONFLICT)
                return refuse("%s", conflict);
        return outcome == STORE_DONE ? DONE : refuse("the store could not be written: is the disk full?");
}

static bool
is_mail_refused(struct ctl *ctl, struct store *store, const struct account *account, struct err *err)
{
        return account_mail_is_taken(store, NULL, account, err) || account_mail_is_elsewhere(ctl->top, account, err);
}

int
user_add(struct ctl *ctl, const struct line *line)
{
        struct account account = { .mail = line->mail, .name = line->name, .created = clock_wall_ms() };
        struct jid jid;
        struct err err;

        if (!read_jid(ctl, line->words[0], &jid))
                return REFUSED;
        if (!ctl_has_domain(ctl, jid.domain))
                return refuse("%s is not a domain of this server: add a section domain \"%s\" to %s first", jid.domain, jid.domain,
                        ctl->file);
        account.jid = jid.full;
        if (!derive_keys(&account, line->password))
                return REFUSED;

        int rc = send_account(ctl, "add", &account, true, NULL);
        if (rc < 0) {
                struct store *store = ctl_open_store(ctl, false);
                if (store == NULL)
                        return REFUSED;
                if (is_mail_refused(ctl, store, &account, &err)) {
                        store_close(&store);
                        return refuse("%s", err.text);
                }
                struct batch *batch = batch_new(store);
                account_add(batch, &account);
                rc = commit(&store, batch, "the account exists; change it with user passwd or user set") == DONE;
        }
        return rc == 1 ? print_deed(ctl, account.jid, "added") : REFUSED;
}

/* The account as it is; store stays open for the change. */
static struct store *
open_with(struct ctl *ctl, const struct jid *jid, bool read_only, struct account *account)
{
        if (read_only && !ctl_store_exists(ctl)) {
                refuse("%s: no such account", jid->full);
                return NULL;
        }
        struct store *store = ctl_open_store(ctl, read_only);
        if (store == NULL || account_find(store, ctl->arena, jid, account))
                return store;
        refuse("%s: no such account", jid->full);
        store_close(&store);
        return NULL;
}

int
user_passwd(struct ctl *ctl, const struct line *line)
{
        struct account given = { 0 }, account;
        struct jid jid;

        if (!read_jid(ctl, line->words[0], &jid) || !derive_keys(&given, line->password))
                return REFUSED;
        given.jid = jid.full;
        /* Name and mail are absent from what is sent: they stay. */
        int rc = send_account(ctl, "change", &given, true, NULL);
        if (rc < 0) {
                struct store *store = open_with(ctl, &jid, false, &account);
                if (store == NULL)
                        return REFUSED;
                account.sha1 = given.sha1;
                account.sha256 = given.sha256;
                struct batch *batch = batch_new(store);
                account_change(batch, &account);
                rc = commit(&store, batch, "the account was changed at the same moment; try again") == DONE;
        }
        return rc == 1 ? print_deed(ctl, jid.full, "has a new password") : REFUSED;
}

int
user_set(struct ctl *ctl, const struct line *line)
{
        struct account account = { 0 };
        struct jid jid;
        struct err err;

        if (line->mail == NULL && line->name == NULL)
                return refuse("nothing to set: give --mail M or --name N");
        if (!read_jid(ctl, line->words[0], &jid))
                return REFUSED;
        account.jid = jid.full;
        int rc = send_account(ctl, "change", &account, false, line);
        if (rc < 0) {
                struct store *store = open_with(ctl, &jid, false, &account);
                if (store == NULL)
                        return REFUSED;
                if (line->mail != NULL)
                        account.mail = line->mail[0] != '\0' ? line->mail : NULL;
                if (line->name != NULL)
                        account.name = line->name[0] != '\0' ? line->name : NULL;
                if (line->mail != NULL && is_mail_refused(ctl, store, &account, &err)) {
                        store_close(&store);
                        return refuse("%s", err.text);
                }
                struct batch *batch = batch_new(store);
                account_change(batch, &account);
                rc = commit(&store, batch, "the account was changed at the same moment; try again") == DONE;
        }
        return rc == 1 ? print_deed(ctl, jid.full, "changed") : REFUSED;
}

static int
remove_from_store(struct ctl *ctl, const struct jid *jids, int count)
{
        struct account account;
        struct store *store = ctl_open_store(ctl, false);

        if (store == NULL)
                return REFUSED;
        struct batch *batch = batch_new(store);
        for (int i = 0; i < count; i++) {
                if (!account_find(store, ctl->arena, &jids[i], &account)) {
                        batch_free(&batch);
                        store_close(&store);
                        return refuse("%s: no such account", jids[i].full);
                }
                account_remove(batch, &account);
        }
        return commit(&store, batch, "an account was changed at the same moment; try again");
}

int
user_del(struct ctl *ctl, const struct line *line)
{
        const char *argv[10] = { "user", "del" };
        struct jid jids[8];
        struct buf answer = { 0 };

        for (int i = 0; i < line->count; i++) {
                if (!read_jid(ctl, line->words[i], &jids[i]))
                        return REFUSED;
                argv[2 + i] = jids[i].full;
        }
        int rc = ctl_ask(ctl, 2 + line->count, argv, &answer);
        buf_free(&answer);
        if (rc < 0)
                rc = remove_from_store(ctl, jids, line->count) == DONE;
        for (int i = 0; i < line->count && rc == 1; i++)
                print_deed(ctl, jids[i].full, "removed");
        return rc == 1 ? DONE : REFUSED;
}

struct names {
        char **all;
        size_t count, room;
};

static bool
add_name(void *arg, const struct account *account)
{
        struct names *names = arg;

        if (names->count == names->room) {
                names->room = names->room == 0 ? 64 : names->room * 2;
                names->all = mem_resize(names->all, names->room, sizeof(*names->all));
        }
        names->all[names->count++] = mem_strdup(account->jid);
        return true;
}

static int
compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int
user_list(struct ctl *ctl, const struct line *line)
{
        char domain[JID_PART_MAX + 1];
        struct names names = { 0 };
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        if (line->count == 1 && !jid_prepare_domain(domain, line->words[0]))
                return refuse("%.200s: not a domain name", line->words[0]);
        if (ctl_store_exists(ctl)) {
                struct store *store = ctl_open_store(ctl, true);
                if (store == NULL)
                        return REFUSED;
                account_each(store, line->count == 1 ? domain : NULL, add_name, &names);
                store_read_end(store);
                store_close(&store);
        }
        if (names.count > 1)
                qsort(names.all, names.count, sizeof(*names.all), compare_names);
        json_open_array(&json, NULL);
        for (size_t i = 0; i < names.count; i++) {
                if (ctl->json)
                        json_put_text(&json, NULL, names.all[i]);
                else
                        puts(names.all[i]);
                mem_free(names.all[i]);
        }
        json_close_array(&json);
        if (ctl->json)
                puts(buf_text(&out));
        mem_free(names.all);
        buf_free(&out);
        return DONE;
}

/* The address under which foreign domains see the account (mail.h). */
static const char *
federation_address(struct ctl *ctl, struct store *store, const struct account *account)
{
        struct jid mail, owner;
        struct err err;

        if (config_bool(section_of(ctl->top, "email"), "enabled") && account_read_mail(&mail, ctl->arena, account->mail) &&
                account_of_mail(store, ctl->arena, &mail, &owner) && strcmp(owner.full, account->jid) == 0 &&
                !account_mail_is_elsewhere(ctl->top, account, &err))
                return mail.full;
        return account->jid;
}

int
user_show(struct ctl *ctl, const struct line *line)
{
        struct account account;
        struct jid jid;
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        if (!read_jid(ctl, line->words[0], &jid))
                return REFUSED;
        struct store *store = open_with(ctl, &jid, true, &account);
        if (store == NULL)
                return REFUSED;
        json_open_object(&json, NULL);
        account_put_members(&json, &account);
        json_put_text(&json, "federation", federation_address(ctl, store, &account));
        json_close_object(&json);
        ctl_print(ctl, buf_text(&out), out.len);
        buf_free(&out);
        store_read_end(store);
        store_close(&store);
        return DONE;
}
