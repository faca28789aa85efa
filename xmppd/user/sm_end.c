/*
 * sm_end.c - the end of a session that was not told all
 *
 * What its client has not acknowledged goes where it would have gone if the client had not been there: messages into the offline store, with the
 * time at which they came; requests are refused; the rest is of no use to anybody else. The store learns of it in one batch, so that a crash in
 * the middle loses nothing and doubles nothing: until the journal knows of the end too, a record in the store says that it is over.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/user/sm_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

struct ending {
        struct write *write;
        size_t kept;
};

static bool
put_away(void *arg, uint64_t at, const struct sm_sent_record *record)
{
        struct ending *ending = arg;
        struct buf document = { 0 };

        if (record->number > 0 || record->len == 0) /* the offline store has it already */
                return true;
        stanza_wire_to_document(&document, record->wire, record->len);
        struct stanza *stanza = stanza_read_document(buf_data(&document), document.len);
        buf_free(&document);
        if (stanza == NULL || stanza->from.full == NULL || stanza->to.full == NULL) {
                stanza_unref(&stanza);
                return true;
        }
        stanza->origin = record->origin;
        stanza->origin_count = record->origin_count;
        if (offline_is_worth_keeping(stanza))
                ending->kept += offline_put(ending->write, stanza, record->when);
        else if (stanza_is_request(stanza) || stanza->type == MESSAGE_GROUPCHAT)
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
        stanza_unref(&stanza);
        return true;
}

static void
put_all_away(struct sm *sm, struct ending *ending)
{
        if (sm->place == IN_STORE) {
                hibernate_each_sent(sm, put_away, ending);
                return;
        }
        for (uint64_t at = sm->acknowledged + 1; at <= sm->sent; at++) {
                struct sm_sent_record record;
                journal_read_sent(queue_at(sm, at), &record);
                put_away(ending, at, &record);
        }
}

/* The record that says: do not believe the journal, it is over. */
static void
put_over(struct write *write, const struct sm *sm)
{
        struct sm_record record = { .account = write->user->id, .id = sm->id, .jid = write->user->jid.full, .is_over = true };
        unsigned char key[SM_KEY];
        struct buf value = { 0 };

        sm_record_write(&value, &record);
        sm_key(key, write->user->id, sm->id);
        batch_put(write->batch, TABLE_SESSION, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

/* What replaces it is on disk. */
static void
end_in_journal(struct write *barrier, bool done)
{
        struct sm *sm = barrier->arg;
        struct write *write = write_new(barrier->user, NULL);
        unsigned char key[SM_KEY];

        journal_note_end(sm->id);
        journal_forget_session(sm);
        sm_key(key, barrier->user->id, sm->id);
        batch_remove(write->batch, TABLE_SESSION, key, sizeof(key));
        write_commit(write);
        sm_free(&sm);
}

static void
end_with_queue(struct sm *sm, struct user *user)
{
        struct ending ending = { .write = write_new(user, NULL) };

        if (!user->is_deleted)
                put_all_away(sm, &ending);
        if (sm->is_stored)
                hibernate_erase(ending.write, sm);
        bool is_journaled = sm->place != IN_STORE;
        if (is_journaled) {
                put_over(ending.write, sm);
                journal_end_session(sm);
        }
        write_commit(ending.write);
        if (sm->low > 0)
                offline_count_again(user);
        if (!is_journaled) {
                sm_free(&sm);
                return;
        }
        struct write *barrier = write_new(user, NULL);
        barrier->then = end_in_journal;
        barrier->arg = sm;
        write_commit(barrier);
}

/* What was on its way to the store has arrived there. */
static void
end_late(struct write *barrier, bool done)
{
        end_with_queue(barrier->arg, barrier->user);
        offline_offer(barrier->user);
}

void
sm_end(struct session *session, struct user *user)
{
        struct sm *sm = session->sm;

        if (sm == NULL)
                return;
        sm_refuse_next(sm);
        worker_forget_chore(&sm->give_up);
        ask_forget(sm);
        session->sm = NULL;
        sm->session = NULL;
        if (sm->place == IN_STORE && sm->puts > 0) {
                struct write *barrier = write_new(user, NULL);
                barrier->then = end_late;
                barrier->arg = sm;
                write_commit(barrier);
        } else if (sm->sent > sm->acknowledged || sm->is_stored) {
                end_with_queue(sm, user);
                offline_offer(user);
        } else {
                journal_forget_session(sm);
                journal_note_end(sm->id);
                sm_free(&sm);
        }
}

static void
give_up(struct chore *chore)
{
        struct sm *sm = container_of(chore, struct sm, give_up);
        struct session *session = sm->session;
        const struct session_edge *edge = session->edge;
        void *owner = session->edge_owner;

        bool has_many = sm->sent - sm->acknowledged > (uint64_t)limit_value(LIMIT_UNACKED);

        limit_note(has_many ? LIMIT_UNACKED : LIMIT_UNACKED_BYTES);
        log_info(LOG_ABOUT("user", session->jid.full), "more than limits.max-unacked%s allows; the session ends",
                has_many ? "" : "-bytes");
        session_detach(session);
        edge->end(owner, STREAM_RESOURCE_CONSTRAINT, "too much is not acknowledged");
}

void
sm_give_up(struct sm *sm)
{
        sm->give_up.run = give_up;
        worker_at_turn_end(&sm->give_up);
}

void
sm_free(struct sm **freed)
{
        struct sm *sm = *freed;

        if (sm == NULL)
                return;
        *freed = NULL;
        if (sm->pledge != NULL)
                pledge_forget(&sm->pledge);
        pledge_forget_owner(sm);
        worker_forget_chore(&sm->give_up);
        ask_forget(sm);
        queue_free(sm);
        mem_free(sm->taken);
        mem_free(sm);
}
