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

static void
send_push(struct user *user, struct stanza *push, enum interest interest)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                if (!(interest == IN_ROSTER ? session->wants_roster : session->wants_blocklist))
                        continue;
                struct stanza *one = stanza_derive(push, NULL, &session->jid);
                char id[2 * 8 + 1];
                stanza_set_id(one, random_hex(id, 8));
                session_deliver(session, one);
                stanza_unref(&one);
        }
}

static void
finish(void *arg, enum store_outcome outcome)
{
        struct write *write = arg;
        struct user *user = write->user;
        bool done = outcome == STORE_DONE;

        must(on_home(user->home));
        user->writes--;
        if (done && write->push != NULL)
                send_push(user, write->push, write->interest);
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
        stanza_unref(&write->cause);
        stanza_unref(&write->answer);
        stanza_unref(&write->push);
        mem_free(write);
        user_note_use(user);
}

void
write_commit(struct write *write)
{
        if (write->push != NULL && write->interest == IN_ROSTER)
                roster_finish_push(write->user, write->push);
        write->user->writes++;
        user_note_use(write->user);
        batch_commit(write->batch, finish, write);
}

void
write_drop(struct write *write)
{
        batch_free(&write->batch);
        stanza_unref(&write->cause);
        stanza_unref(&write->answer);
        stanza_unref(&write->push);
        mem_free(write);
}
