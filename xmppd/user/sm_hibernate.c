/*
 * sm_hibernate.c - sessions that wait in the store for their client to come back
 *
 * A hibernated session costs no memory but an entry in a set: its account is dropped when it is idle and loaded again for whatever comes.
 */
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "xmppd/route/home.h"
#include "xmppd/user/sm_private.h"
#include "xmppd/user/tables.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 60 * 1000 };

/* Of this worker: hash of the bare JID -> how many of its sessions are in the store. */
static _Thread_local struct map *hibernated;
/* Resumed sessions that the store has still, until the journal is on disk. */
static _Thread_local struct list returned;
static _Thread_local uint64_t last_sync;

/* ---- which accounts have some ---- */

static void
count(const char *bare, size_t len, int change)
{
        uint64_t key = map_hash(bare, len);

        if (hibernated == NULL)
                hibernated = map_new();
        uintptr_t now = (uintptr_t)map_get(hibernated, &key, sizeof(key)) + (uintptr_t)change;
        if (now > 0)
                map_put(hibernated, &key, sizeof(key), (void *)now);
        else
                map_remove(hibernated, &key, sizeof(key));
}

bool
sm_has_hibernated(const struct jid *account)
{
        if (hibernated == NULL || map_count(hibernated) == 0)
                return false;
        uint64_t key = map_hash(account->full, account->bare_len);
        return map_get(hibernated, &key, sizeof(key)) != NULL;
}

static void
count_session(const struct sm *sm, int change)
{
        count(sm->user->jid.full, sm->user->jid.full_len, change);
}

/* ---- the edge of a session without a stream ---- */

static void
send_nothing(void *edge, const char *bytes, size_t len)
{
}

static void
deliver_nothing(void *edge, struct stanza *stanza)
{
        panic(__FILE__, __LINE__, "a hibernated session has no stream");
}

/* What comes for it is kept. */
static bool
is_open(void *edge)
{
        return true;
}

static void
end(void *edge, enum stream_condition condition, const char *text)
{
        struct session *session = edge;
        session_close(&session, true);
}

static uint64_t
last_heard(void *edge)
{
        return clock_mono_ms();
}

static void
lose(void *edge)
{
}

static void
describe(void *edge, char *text, size_t len)
{
        const struct session *session = edge;
        int64_t left = session->sm->ends - clock_wall_ms();

        snprintf(text, len, "hibernated, %lld min left", (long long)(left > 0 ? left / MINUTE_MS : 0));
}

const struct session_edge hibernated_edge = {
        .deliver = deliver_nothing,
        .send = send_nothing,
        .is_open = is_open,
        .end = end,
        .lose = lose,
        .last_heard = last_heard,
        .describe = describe,
};

/* ---- into the store ---- */

static void
put_session(struct write *write, struct sm *sm)
{
        struct arena *arena = arena_new(1024);
        struct buf value = { 0 };
        struct sm_record record;
        unsigned char key[SM_KEY];

        sm_record_of(&record, arena, sm);
        sm_record_write(&value, &record);
        sm_key(key, write->user->id, sm->id);
        batch_put(write->batch, TABLE_SESSION, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
        arena_free(&arena);
}

static void
put_end(struct write *write, const struct sm *sm)
{
        unsigned char key[SM_END_KEY];
        struct buf value = { 0 };

        sm_end_key(key, sm->ends, write->user->id, sm->id);
        encode_text(&value, write->user->jid.full);
        batch_put(write->batch, TABLE_SESSION_END, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

static void
put_sent(struct write *write, const struct sm *sm, uint64_t at, const struct sm_sent_record *record)
{
        unsigned char key[SM_SENT_KEY];
        struct buf value = { 0 };

        sm_sent_key(key, write->user->id, sm->id, at);
        sm_sent_record_write(&value, record);
        batch_put(write->batch, TABLE_SENT, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

struct sm *
hibernate_find(const struct user *user, uint64_t id)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->sm != NULL && session->sm->id == id)
                        return session->sm;
        return NULL;
}

/* The journal goes on until the store has also what came while the session was being moved. */
static void
finish_leaving(struct sm *sm)
{
        if (sm->place != LEAVING || !sm->has_left || sm->puts > 0)
                return;
        sm->has_left = false;
        journal_forget_session(sm);
        journal_note_end(sm->id);
        queue_free(sm);
        sm->synced = sm->sent;
        sm->place = IN_STORE;
        sm_go_on(sm);
}

static void
settle(struct write *write, bool done)
{
        struct sm *sm = hibernate_find(write->user, write->tag);

        if (sm == NULL || sm->place != LEAVING)
                return;
        if (!done) {
                log_error(LOG_ABOUT("user", sm->session->jid.full), "cannot be hibernated");
                sm->place = IN_JOURNAL;
                sm_give_up(sm);
                return;
        }
        sm->has_left = true;
        finish_leaving(sm);
}

void
hibernate_begin(struct sm *sm)
{
        if (sm->place != IN_JOURNAL)
                return;
        struct write *write = write_new(sm->user, NULL);

        put_session(write, sm);
        put_end(write, sm);
        for (uint64_t at = sm->acknowledged + 1; at <= sm->sent; at++) {
                struct sm_sent_record record;
                journal_read_sent(queue_at(sm, at), &record);
                put_sent(write, sm, at, &record);
        }
        if (!sm->is_stored)
                count_session(sm, 1);
        if (sm->leave_sync > 0)
                list_remove(&returned, &sm->in_returned);
        sm->leave_sync = 0;
        sm->is_stored = true;
        sm->stored_end = sm->ends;
        sm->place = LEAVING;
        write->then = settle;
        write->tag = sm->id;
        write_commit(write);
}

static void
note_put(struct write *write, bool done)
{
        struct sm *sm = hibernate_find(write->user, write->tag);

        if (sm == NULL)
                return;
        sm->puts--;
        if (!done)
                sm_give_up(sm); /* the client would count what it cannot get */
        else if (sm->place == LEAVING)
                finish_leaving(sm);
        else
                sm_go_on(sm);
}

void
hibernate_put_sent(struct sm *sm, struct stanza *stanza, const struct sm_sent_record *record)
{
        struct write *write = write_new(sm->user, stanza);

        put_sent(write, sm, sm->sent + 1, record);
        sm->puts++;
        write->then = note_put;
        write->tag = sm->id;
        if (sm->place == LEAVING) {
                /* Until all of it is in the store, the journal has all of it. */
                struct sent sent = { 0 };
                journal_note_sent(sm, &sent, record);
                queue_add(sm, &sent);
        } else {
                sm->sent++;
                sm->bytes += record->len;
        }
        write_commit(write);
}

/* ---- out of the store ---- */

struct walk {
        const struct sm *sm;
        hibernate_each *each;
        void *arg;
};

static bool
visit_sent(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct walk *walk = arg;
        struct sm_sent_record record;
        uint64_t at = sm_sent_key_count(key, key_len);

        if (at <= walk->sm->acknowledged)
                return true;
        if (!sm_sent_record_read(&record, value, value_len)) {
                log_error(LOG_ABOUT("user", walk->sm->user->jid.full), "a stanza of its queue cannot be read and is dropped");
                record = (struct sm_sent_record){ 0 };
        }
        return walk->each(walk->arg, at, &record);
}

void
hibernate_each_sent(const struct sm *sm, hibernate_each *each, void *arg)
{
        struct walk walk = { sm, each, arg };
        unsigned char key[SM_KEY];

        sm_key(key, sm->user->id, sm->id);
        store_scan(user_store, TABLE_SENT, key, sizeof(key), 0, visit_sent, &walk);
}

void
hibernate_erase(struct write *write, struct sm *sm)
{
        unsigned char key[SM_KEY], end_key[SM_END_KEY];

        sm_key(key, write->user->id, sm->id);
        batch_remove(write->batch, TABLE_SESSION, key, sizeof(key));
        batch_remove_prefix(write->batch, TABLE_SENT, key, sizeof(key));
        sm_end_key(end_key, sm->stored_end, write->user->id, sm->id);
        batch_remove(write->batch, TABLE_SESSION_END, end_key, sizeof(end_key));
        hibernate_forget(sm);
}

void
hibernate_forget(struct sm *sm)
{
        if (!sm->is_stored)
                return;
        sm->is_stored = false;
        count_session(sm, -1);
        if (sm->leave_sync > 0)
                list_remove(&returned, &sm->in_returned);
        sm->leave_sync = 0;
}

/* The message itself, as it was written when it was delivered; nothing if it is not there any more. */
static void
read_kept(struct user *user, uint64_t number, struct buf *wire)
{
        unsigned char key[16];
        const void *value;
        size_t len;
        struct kept_message kept;

        record_offline_key(key, user->id, number);
        if (!store_get(user_store, TABLE_OFFLINE, key, sizeof(key), &value, &len) || !record_read_message(&kept, value, len))
                return;
        struct stanza *message = offline_read(user, &kept);
        if (message != NULL)
                stanza_write(wire, message);
        stanza_unref(&message);
}

static void
queue_wire(struct sm *sm, struct sm_sent_record *record, const struct buf *wire)
{
        struct sent sent = { 0 };

        record->wire = buf_data(wire);
        record->len = wire->len;
        journal_note_sent(sm, &sent, record);
        queue_add(sm, &sent);
}

/* The client counts what it gets: something has to stand in the place of what cannot be read any more. */
static void
queue_nothing(struct sm *sm)
{
        struct sm_sent_record record = { .when = clock_wall_ms() };
        struct buf wire = { 0 };

        buf_printf(&wire, "<message from=\"%s\"/>", sm->user->jid.domain);
        queue_wire(sm, &record, &wire);
        buf_free(&wire);
}

static bool
queue_again(void *arg, uint64_t at, const struct sm_sent_record *stored)
{
        struct sm *sm = arg;
        struct sm_sent_record record = *stored;
        struct buf wire = { 0 };

        while (sm->sent + 1 < at)
                queue_nothing(sm);
        if (record.number > 0)
                read_kept(sm->user, record.number, &wire);
        else
                buf_put(&wire, record.wire, record.len);
        if (wire.len > 0)
                queue_wire(sm, &record, &wire);
        else
                queue_nothing(sm);
        buf_free(&wire);
        return true;
}

static void
erase_returned(void *arg)
{
        uint64_t sync = (uintptr_t)arg;

        for (LIST_EACH(sm, &returned, struct sm, in_returned)) {
                if (sm->leave_sync > sync)
                        continue;
                struct write *write = write_new(sm->user, NULL);
                hibernate_erase(write, sm);
                write_commit(write);
        }
}

void
hibernate_leave(struct sm *sm)
{
        uint64_t sent = sm->sent;

        journal_add_session(sm);
        sm->sent = sm->acknowledged;
        sm->bytes = 0;
        sm->low = sm->high = 0;
        hibernate_each_sent(sm, queue_again, sm);
        while (sm->sent < sent)
                queue_nothing(sm);
        sm->synced = sm->sent; /* nobody waits for what the store had */
        sm->leave_sync = ++last_sync;
        list_append(&returned, &sm->in_returned);
        journal_sync_here(erase_returned, (void *)(uintptr_t)sm->leave_sync);
}

/* ---- accounts that are loaded and dropped ---- */

static bool
measure(void *arg, uint64_t at, const struct sm_sent_record *record)
{
        struct sm *sm = arg;

        sm->sent = at > sm->sent ? at : sm->sent;
        sm->bytes += record->len;
        if (record->number > 0) {
                sm->low = sm->low == 0 ? record->number : sm->low;
                sm->high = record->number;
        }
        return true;
}

static bool
revive(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct user *user = arg;
        struct arena *arena = arena_new(1024);
        struct sm_record record;
        struct jid full;

        if (!sm_record_read(&record, arena, value, value_len) || !jid_parse(&full, arena, record.jid) || full.resource == NULL ||
                !jid_equal_bare(&full, &user->jid)) {
                log_error(LOG_ABOUT("user", user->jid.full), "the record of a session cannot be read and is left alone");
        } else if (!record.is_over && session_of(user, full.resource) == NULL) {
                struct session *session = session_revive(user, &full, record.opened);
                struct sm *sm = MEM_NEW(sm);
                session->sm = sm;
                sm->session = session;
                sm->user = user;
                sm_record_apply(&record, sm);
                sm->place = IN_STORE;
                sm->is_stored = true;
                sm->stored_end = sm->ends;
                sm->missed = true;
                hibernate_each_sent(sm, measure, sm);
                sm->synced = sm->sent;
        }
        arena_free(&arena);
        return true;
}

void
sm_load(struct user *user)
{
        if (sm_has_hibernated(&user->jid))
                store_scan(user_store, TABLE_SESSION, user->key, ACCOUNT_KEY, 0, revive, user);
}

bool
sm_is_at_rest(const struct session *session)
{
        const struct sm *sm = session->sm;

        return sm != NULL && !sm_is_connected(sm) && sm->place == IN_STORE && sm->puts == 0 && sm->next.ready == NULL;
}

/* They stay where they are: in the store, or, if that could not be reached when the server stopped, in the journal. */
void
sm_unload(struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                must(session->sm != NULL && !sm_is_connected(session->sm));
                if (session->sm->place != IN_STORE) {
                        journal_forget_session(session->sm);
                        hibernate_forget(session->sm);
                }
                session_unload(session);
        }
}

/* ---- start and stop ---- */

static bool
count_stored(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct arena *arena = arena_new(1024);
        struct sm_record record;
        struct jid jid;

        if (sm_record_read(&record, arena, value, value_len) && !record.is_over && jid_parse(&jid, arena, record.jid) &&
                on_home(home_of(&jid)))
                count(jid.full, jid.bare_len, 1);
        arena_free(&arena);
        return true;
}

void
hibernate_start_here(void)
{
        store_scan(user_store, TABLE_SESSION, "", 0, 0, count_stored, NULL);
}

void
hibernate_stop_here(void)
{
        map_free(&hibernated);
}
