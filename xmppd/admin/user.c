/*
 * user.c - accounts added, changed and removed while the server runs
 *
 * Each argument is one account as JSON, with the keys derived by xmppctl already: the server does no work for a password that someone
 * only types once. All accounts of one command are one batch: all or none.
 */
#include "shared/base/arena.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/account_json.h"
#include "xmppd/user/user.h"

#include <string.h>

struct job {
        struct control_request *request;
        struct arena *arena;
        const char *deed, *conflict; /* "added"; what a conflict means */
        const char *first;           /* JID of the first account */
        struct jid *forget;          /* accounts whose sessions must end, count of them */
        int forget_count, accounts;
};

/* The account's home must hear that it is gone or has new keys. */
struct notice {
        struct letter letter;
        struct arena *arena;
        struct jid jid;
};

static void
forget_here(struct letter *letter)
{
        struct notice *notice = container_of(letter, struct notice, letter);
        struct arena *arena = notice->arena;

        user_forget(&notice->jid);
        c2s_forget(&notice->jid);
        arena_free(&arena);
}

static void
send_notice(const struct jid *jid)
{
        struct arena *arena = arena_new(256);
        struct notice *notice = ARENA_NEW(arena, notice);

        *notice = (struct notice){ .letter = { .open = forget_here }, .arena = arena, .jid = jid_copy(jid, arena) };
        worker_post(home_of(jid), &notice->letter);
}

static struct job *
new_job(struct control_request *request, int argc, const char *deed, const char *conflict)
{
        struct arena *arena = arena_new(4096);
        struct job *job = ARENA_NEW(arena, job);

        *job = (struct job){ .request = request, .arena = arena, .deed = deed, .conflict = conflict };
        job->forget = arena_alloc(arena, ((size_t)argc + 1) * sizeof(struct jid));
        return job;
}

static void
free_job(struct job *job)
{
        struct arena *arena = job->arena;
        arena_free(&arena);
}

static void
finish(void *arg, enum store_outcome outcome)
{
        struct job *job = arg;
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        if (outcome == STORE_CONFLICT) {
                control_refuse(job->request, "%s", job->conflict);
        } else if (outcome == STORE_FAILED) {
                control_refuse(job->request, "the store refused the write; the server's log says why");
        } else {
                log_info(LOG_ABOUT("admin", job->first), "accounts %s count=%d", job->deed, job->accounts);
                for (int i = 0; i < job->forget_count; i++)
                        send_notice(&job->forget[i]);
                json_open_object(&json, NULL);
                json_put_number(&json, "accounts", job->accounts);
                json_close_object(&json);
                common_answer(job->request, &out);
        }
        free_job(job);
}

/* One argument into an account with keys; refuses the request itself. */
static bool
read_account(struct job *job, const char *text, struct account *account, struct jid *jid)
{
        const char *password;
        struct err err;
        struct json *json = json_parse(job->arena, text, strlen(text), &err);

        if (json == NULL || account_read_json(json, job->arena, account, &password, &err) != 0) {
                control_refuse(job->request, "%s", err.text);
                return false;
        }
        if (!jid_parse(jid, job->arena, account->jid) || password != NULL) {
                control_refuse(job->request, "%s: keys are expected", account->jid);
                return false;
        }
        const struct domain *domain = snapshot_domain(jid->domain);
        if (domain == NULL || domain->kind != DOMAIN_LOCAL) {
                control_refuse(job->request, "%s: %s is not a domain of this server; add a section domain \"%s\" first",
                        account->jid, jid->domain, jid->domain);
                return false;
        }
        return true;
}

static bool
is_mail_refused(const struct batch *batch, const struct account *account, struct err *err)
{
        return account_mail_is_taken(admin_store, batch, account, err) ||
                account_mail_is_elsewhere(config_top(snapshot_now()->config), account, err);
}

void
admin_user_add(struct control_request *request, int argc, char *const *argv)
{
        struct job *job = new_job(request, argc, "added",
                argc == 1 ? "the account exists; change it with user passwd or user set"
                          : "one of the accounts exists; none was added");
        struct batch *batch = batch_new(admin_store);
        struct account account;
        struct jid jid;
        struct err err;

        for (int i = 0; i < argc; i++) {
                if (!read_account(job, argv[i], &account, &jid)) {
                        batch_free(&batch);
                        free_job(job);
                        return;
                }
                if (is_mail_refused(batch, &account, &err)) {
                        control_refuse(request, "%s: %s", account.jid, err.text);
                        batch_free(&batch);
                        free_job(job);
                        return;
                }
                account_add(batch, &account);
                if (job->accounts++ == 0)
                        job->first = account.jid;
        }
        batch_commit(batch, finish, job);
}

/* user change JSON: members that are absent stay as they are; new keys end the sessions. */
void
admin_user_change(struct control_request *request, int argc, char *const *argv)
{
        struct job *job = new_job(request, 1, "changed", "the account was changed or removed at the same moment; try again");
        struct account given, account;
        struct jid jid;
        struct err err;
        struct json *json = argc == 1 ? json_parse(job->arena, argv[0], strlen(argv[0]), &err) : NULL;
        const char *name = json_member_text(json, "jid");

        if (name == NULL || !jid_parse(&jid, job->arena, name) || !account_find(admin_store, job->arena, &jid, &account)) {
                control_refuse(request, "%s: no such account", name == NULL ? "user change" : name);
                free_job(job);
                return;
        }
        if (json_member(json, "keys") != NULL) {
                if (!read_account(job, argv[0], &given, &jid)) {
                        free_job(job);
                        return;
                }
                account.sha1 = given.sha1;
                account.sha256 = given.sha256;
                job->forget[job->forget_count++] = jid;
        }
        if (json_member(json, "name") != NULL)
                account.name = json_member_text(json, "name");
        if (json_member(json, "mail") != NULL)
                account.mail = json_member_text(json, "mail");
        job->accounts = 1;
        job->first = account.jid;
        if (json_member(json, "mail") != NULL && is_mail_refused(NULL, &account, &err)) {
                control_refuse(request, "%s: %s", account.jid, err.text);
                free_job(job);
                return;
        }

        struct batch *batch = batch_new(admin_store);
        account_change(batch, &account);
        batch_commit(batch, finish, job);
}

void
admin_user_remove(struct control_request *request, int argc, char *const *argv)
{
        struct job *job = new_job(request, argc, "removed", "an account was changed at the same moment; try again");
        struct batch *batch = batch_new(admin_store);
        struct account account;
        struct jid jid;

        for (int i = 0; i < argc; i++) {
                if (!jid_parse(&jid, job->arena, argv[i]) || !account_find(admin_store, job->arena, &jid, &account)) {
                        control_refuse(request, "%s: no such account", argv[i]);
                        batch_free(&batch);
                        free_job(job);
                        return;
                }
                account_remove(batch, &account);
                job->forget[job->forget_count++] = jid;
                if (job->accounts++ == 0)
                        job->first = account.jid;
        }
        batch_commit(batch, finish, job);
}
