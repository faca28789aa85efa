/*
 * member.c - PLAIN for the accounts of a domain that a directory serves
 *
 * First the directory, then the disk: <success/> leaves when the account is there for everybody else. A write under way outlives the client.
 */
#include "xmppd/sasl/member.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "xmppd/directory/directory.h"
#include "xmppd/user/account.h"

struct member {
        struct arena *arena; /* holds the struct itself */
        struct jid bare;
        member_done *done; /* NULL: the client has gone */
        void *owner;
        struct directory_login *login; /* NULL: answered; the disk is being waited for */
};

static const struct log_scope scope = { .room = "sasl" };
static struct store *accounts;

void
member_start(struct store *store)
{
        accounts = store;
}

static void
end(struct member *member, const char *failure)
{
        struct arena *arena = member->arena;

        if (member->done != NULL)
                member->done(member->owner, failure);
        arena_free(&arena);
}

static void
note_written(void *arg, enum store_outcome outcome)
{
        struct member *member = arg;
        struct account account;

        /* A conflict: another login was first, or the account was deleted in between. */
        bool is_there = outcome == STORE_DONE ||
                (outcome == STORE_CONFLICT && account_find(accounts, member->arena, &member->bare, &account));
        end(member, is_there ? NULL : "temporary-auth-failure");
}

static void
hear(void *owner, enum directory_outcome outcome, const char *mail, const char *name)
{
        struct member *member = owner;
        struct account account = { .jid = member->bare.full, .mail = mail, .name = name, .created = clock_wall_ms() };

        member->login = NULL;
        if (outcome != DIRECTORY_PROVEN) {
                end(member, outcome == DIRECTORY_REFUSED ? "not-authorized" : "temporary-auth-failure");
                return;
        }
        struct account before;
        struct err err;
        bool is_new = !account_find(accounts, member->arena, &member->bare, &before);
        /* The directory is not ours to correct, and a login does not fail for this: the address of before stays. */
        if (mail != NULL && account_mail_is_taken(accounts, NULL, &account, &err)) {
                log_warn(LOG_ABOUT("sasl", account.jid), "the directory's mail address is not taken over: %s", err.text);
                mail = is_new ? NULL : before.mail;
        }
        struct batch *batch = batch_new(accounts);
        if (is_new) {
                account.mail = mail;
                account_add(batch, &account);
                log_info(&scope, "the account %s was made: the directory knows it", member->bare.full);
        } else if (!text_equal(before.mail, mail) || !text_equal(before.name, name)) {
                account = before;
                account.mail = mail;
                account.name = name;
                account_change(batch, &account);
        }
        batch_commit(batch, note_written, member);
}

struct member *
member_check(const struct jid *bare, const char *password, member_done *done, void *owner)
{
        struct arena *arena = arena_new(1024);
        struct member *member = ARENA_NEW(arena, member);

        *member = (struct member){ .arena = arena, .bare = jid_copy(bare, arena), .done = done, .owner = owner };
        member->login = directory_check(bare->domain, bare->local, password, hear, member);
        return member;
}

void
member_forget(struct member **where)
{
        struct member *member = *where;

        *where = NULL;
        if (member == NULL)
                return;
        member->done = NULL;
        if (member->login == NULL)
                return; /* the disk still has it */
        struct arena *arena = member->arena;
        directory_forget(&member->login);
        arena_free(&arena);
}
