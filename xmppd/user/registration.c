/*
 * registration.c - accounts that users make and delete themselves
 *
 * Whether the name is free is decided by the batch: of two that want it at the same time one gets it. A client may leave while its account is
 * being made; the job then ends by itself.
 */
#include "xmppd/user/registration.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/offload.h"
#include "xmppd/route/route.h"
#include "xmppd/user/account.h"
#include "xmppd/user/mail.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/user_private.h"

#include <string.h>

/* ---- making ---- */

struct registration {
        struct offload job;
        struct arena *arena; /* holds this struct */
        struct jid bare;
        char *password;
        struct scram_keys sha1, sha256;
        bool is_allowed;
        registration_done *done; /* NULL: nobody waits */
        void *owner;
};

static void
end(struct registration *registration, enum registration_outcome outcome)
{
        struct arena *arena = registration->arena;

        if (registration->done != NULL)
                registration->done(registration->owner, outcome);
        mem_wipe(&registration->sha1, sizeof(registration->sha1));
        mem_wipe(&registration->sha256, sizeof(registration->sha256));
        arena_free(&arena);
}

static void
note_written(void *arg, enum store_outcome outcome)
{
        struct registration *registration = arg;

        if (outcome == STORE_DONE)
                log_info(LOG_ABOUT("user", registration->bare.full), "registered an account");
        end(registration,
                outcome == STORE_DONE               ? REGISTRATION_DONE
                        : outcome == STORE_CONFLICT ? REGISTRATION_NAME_TAKEN
                                                    : REGISTRATION_FAILED);
}

static void
derive(struct offload *job)
{
        struct registration *registration = container_of(job, struct registration, job);

        registration->is_allowed = scram_derive(&registration->sha1, DIGEST_SHA1, registration->password) &&
                scram_derive(&registration->sha256, DIGEST_SHA256, registration->password);
        mem_wipe(registration->password, strlen(registration->password));
}

static void
put(struct offload *job)
{
        struct registration *registration = container_of(job, struct registration, job);
        struct account account = { .jid = registration->bare.full, .created = clock_wall_ms() };
        struct err err;

        if (!registration->is_allowed) {
                end(registration, REGISTRATION_BAD_PASSWORD);
                return;
        }
        if (account_mail_is_taken(user_store, NULL, &account, &err)) {
                log_info(LOG_ABOUT("user", account.jid), "not registered: %s", err.text);
                end(registration, REGISTRATION_NAME_TAKEN);
                return;
        }
        account.sha1 = registration->sha1;
        account.sha256 = registration->sha256;
        struct batch *batch = batch_new(user_store);
        account_add(batch, &account);
        batch_commit(batch, note_written, registration);
}

struct registration *
registration_begin(const struct jid *bare, const char *password, registration_done *done, void *owner)
{
        struct arena *arena = arena_new(1024);
        struct registration *registration = ARENA_NEW(arena, registration);

        *registration = (struct registration){
                .job = { .work = derive, .done = put },
                .arena = arena,
                .bare = jid_copy(bare, arena),
                .password = arena_strdup(arena, password),
                .done = done,
                .owner = owner,
        };
        offload_start(&registration->job);
        return registration;
}

void
registration_forget(struct registration **registration)
{
        if (*registration != NULL)
                (*registration)->done = NULL;
        *registration = NULL;
}

/* ---- deleting ---- */

/* What must be told once the account is gone, since then nobody knows it any more. */
struct farewell {
        struct arena *arena; /* holds this struct */
        struct stanza *iq;
        struct jid bare;
        struct notice {
                struct notice *next;
                struct stanza *presence;
        } * notices;
};

static void
prepare(struct farewell *farewell, enum stanza_type type, const char *contact)
{
        struct notice *notice = ARENA_NEW(farewell->arena, notice);

        notice->presence = address_to(stanza_new(STANZA_PRESENCE, type, &farewell->bare, NULL), contact);
        if (mail_is_shown(&farewell->bare, notice->presence->to.domain))
                notice->presence = mail_leave(notice->presence); /* later nobody knows its mail address either */
        notice->next = farewell->notices;
        farewell->notices = notice;
}

/* 3.2: subscriptions end in both directions. Whom the user has blocked hears nothing. */
static void
prepare_notices(struct farewell *farewell, struct user *user)
{
        struct map *roster = roster_of(user);
        size_t at = 0;

        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                if (privacy_denies_contact(user, NULL, item, PRIVACY_SUBSCRIBE_IN))
                        continue;
                if (item->state & (SUBSCRIBED_TO | PENDING_OUT))
                        prepare(farewell, PRESENCE_UNSUBSCRIBE, item->jid);
                if (item->state & (SUBSCRIBED_FROM | PENDING_IN))
                        prepare(farewell, PRESENCE_UNSUBSCRIBED, item->jid);
        }
}

static void
finish(void *arg, enum store_outcome outcome)
{
        struct farewell *farewell = arg;
        struct arena *arena = farewell->arena;
        bool is_gone = outcome == STORE_DONE;

        if (is_gone) {
                route_result(farewell->iq);
                log_info(LOG_ABOUT("user", farewell->bare.full), "deleted the account");
                user_forget(&farewell->bare);
        } else {
                route_error(farewell->iq, INTERNAL_SERVER_ERROR, "The account could not be deleted.");
        }
        for (struct notice *notice = farewell->notices; notice != NULL; notice = notice->next) {
                if (is_gone)
                        route(notice->presence);
                else
                        stanza_unref(&notice->presence);
        }
        stanza_unref(&farewell->iq);
        arena_free(&arena);
}

void
registration_cancel(struct stanza *iq)
{
        struct arena *arena = arena_new(1024);
        struct farewell *farewell = ARENA_NEW(arena, farewell);
        struct user *user = user_load(&iq->from);
        struct account account;

        *farewell = (struct farewell){ .arena = arena, .bare = jid_bare(&iq->from, arena) };
        if (user == NULL || !account_find(user_store, arena, &farewell->bare, &account)) {
                route_error(iq, REGISTRATION_REQUIRED, NULL);
                arena_free(&arena);
                return;
        }
        farewell->iq = stanza_ref(iq);
        prepare_notices(farewell, user);
        struct batch *batch = batch_new(user_store);
        account_remove(batch, &account);
        batch_commit(batch, finish, farewell);
}
