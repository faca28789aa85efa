/*
 * password.c - new keys for an account
 *
 * Deriving them takes milliseconds, so it is done in the pool; meanwhile the account may have been deleted, which the batch would notice.
 */
#include "xmppd/user/password.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/offload.h"
#include "xmppd/route/route.h"
#include "xmppd/user/account.h"
#include "xmppd/user/user_private.h"

#include <string.h>

enum { PASSWORD_MAX = 1023 };

struct change {
        struct offload job;
        struct stanza *iq;
        char password[PASSWORD_MAX + 1];
        struct scram_keys sha1, sha256;
        bool is_allowed;
};

static void
derive(struct offload *job)
{
        struct change *change = container_of(job, struct change, job);

        change->is_allowed = scram_derive(&change->sha1, DIGEST_SHA1, change->password) &&
                scram_derive(&change->sha256, DIGEST_SHA256, change->password);
        mem_wipe(change->password, sizeof(change->password));
}

static void
settle(struct write *write, bool done)
{
        if (done)
                log_info(LOG_ABOUT("user", write->user->jid.full), "has a new password");
}

static void
put(struct change *change)
{
        struct arena *arena = arena_new(1024);
        struct jid bare = jid_bare(&change->iq->from, arena);
        struct user *user = user_load(&bare);
        struct account account;

        if (user == NULL || !account_find(user_store, arena, &bare, &account)) {
                route_error(change->iq, ITEM_NOT_FOUND, "The account has been deleted.");
        } else if (account.sha1.rounds == 0 && account.sha256.rounds == 0) {
                route_error(change->iq, NOT_ALLOWED, "The password of this account is kept in a directory.");
        } else {
                struct write *write = write_new(user, change->iq);
                account.sha1 = change->sha1;
                account.sha256 = change->sha256;
                account_change(write->batch, &account);
                write->answer = stanza_result(change->iq);
                write->then = settle;
                write_commit(write);
        }
        arena_free(&arena);
}

static void
finish(struct offload *job)
{
        struct change *change = container_of(job, struct change, job);
        struct user *user = user_loaded(&change->iq->from);

        if (user != NULL)
                user->changes_password = false;
        if (change->is_allowed)
                put(change);
        else
                route_error(change->iq, NOT_ACCEPTABLE, "This password has characters that are not allowed.");
        stanza_unref(&change->iq);
        mem_wipe(change, sizeof(*change));
        mem_free(change);
}

void
password_change(struct stanza *iq, const char *password)
{
        size_t len = strlen(password);

        if (len == 0 || len > PASSWORD_MAX) {
                route_error(iq, NOT_ACCEPTABLE, "A password has 1 to 1023 bytes.");
                return;
        }
        struct user *user = user_load(&iq->from);
        if (user == NULL || user->changes_password) {
                route_error(iq, RESOURCE_CONSTRAINT, "The password is being changed already.");
                return;
        }
        user->changes_password = true;
        struct change *change = MEM_NEW(change);
        change->iq = stanza_ref(iq);
        memcpy(change->password, password, len);
        change->job.work = derive;
        change->job.done = finish;
        offload_start(&change->job);
}
