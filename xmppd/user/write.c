/*
 * write.c - what an account changes on disk, and what waits for it
 *
 * Completions come in the order of the commits, so pushes and results of one account keep theirs.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "xmppd/route/route.h"
#include "xmppd/user/user_private.h"

struct write *
write_new(struct user *user, struct stanza *cause)
{
        struct write *write = MEM_NEW(write);
        write->user = user;
        write->batch = batch_new(user_store);
        write->cause = cause != NULL ? stanza_ref(cause) : NULL;
        return write;
}

static bool
is_interested(const struct session *session, enum interest interest)
{
        switch (interest) {
        case IN_ROSTER:
                return session->wants_roster;
        case IN_BLOCKLIST:
                return session->wants_blocklist;
        case IN_PRIVACY:
                return session->wants_privacy;
        default:
                return true;
        }
}

static void
send_push(struct user *user, const struct push *push)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                if (!is_interested(session, push->interest))
                        continue;
                struct stanza *one = stanza_derive(push->stanza, NULL, &session->jid);
                char id[2 * 8 + 1];
                stanza_set_id(one, random_hex(id, 8));
                session_deliver(session, one);
                stanza_unref(&one);
        }
}

static void
free_write(struct write *write)
{
        stanza_unref(&write->cause);
        stanza_unref(&write->answer);
        for (unsigned i = 0; i < write->push_count; i++)
                stanza_unref(&write->pushes[i].stanza);
        mem_free(write);
}

static void
finish(void *arg, enum store_outcome outcome)
{
        struct write *write = arg;
        struct user *user = write->user;
        bool done = outcome == STORE_DONE;

        must(on_home(user->home));
        user->writes--;
        for (unsigned i = 0; done && i < write->push_count; i++)
                send_push(user, &write->pushes[i]);
        if (done && write->answer != NULL) {
                route(write->answer);
                write->answer = NULL;
        }
        if (!done)
                user_load_again(user);
        if (!done && write->cause != NULL && stanza_is_request(write->cause))
                route_error(write->cause, INTERNAL_SERVER_ERROR, "The server could not write this to its store.");
        if (write->then != NULL)
                write->then(write, done);
        free_write(write);
        user_note_use(user);
}

void
write_push(struct write *write, struct stanza *push, enum interest interest)
{
        must(write->push_count < PUSHES_MAX);
        write->pushes[write->push_count++] = (struct push){ push, interest };
}

void
write_commit(struct write *write)
{
        for (unsigned i = 0; i < write->push_count; i++)
                if (write->pushes[i].interest == IN_ROSTER)
                        roster_finish_push(write->user, write->pushes[i].stanza);
        write->user->writes++;
        user_note_use(write->user);
        batch_commit(write->batch, finish, write);
}

void
write_drop(struct write *write)
{
        batch_free(&write->batch);
        free_write(write);
}

void
write_answer(struct user *user, struct stanza *iq, struct stanza *answer)
{
        if (user->writes == 0) {
                route(answer);
                return;
        }
        struct write *barrier = write_new(user, iq);
        barrier->answer = answer;
        write_commit(barrier);
}
