/*
 * sm_replay.c - at start: from the journals of a server that was killed into the store
 *
 * Every session the journals speak of becomes a hibernated one. What its client had sent and the server had not yet called handled is looked
 * for where it may have arrived: the client will send it again, and what has taken effect must not do so twice.
 */
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "shared/store/journal.h"
#include "xmppd/user/account.h"
#include "xmppd/user/sm_journal.h"
#include "xmppd/user/sm_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

enum { BLOCK = 64 * 1024, PUTS_MANY = 500 };

struct taken_note {
        struct taken_note *next;
        uint32_t count;
};

struct sent_note {
        struct sent_note *next; /* of the same session */
        struct sent_note *next_of_all;
        uint64_t count;
        struct sm_sent_record record;
};

struct found {
        uint64_t id;
        struct sm_record state;
        struct jid jid;
        uint64_t handled, sent, acknowledged;
        struct taken_note *taken;
        uint32_t taken_count;
        struct sent_note *first, *last;
};

struct replay_state {
        struct arena *arena;
        struct map *sessions; /* id -> struct found */
        struct sent_note *all;
        bool machine_died;
        struct batch *batch;
        size_t puts, resumable;
        bool failed;
};

/* ---- reading ---- */

static void
raise(uint64_t *number, uint64_t to)
{
        if (*number < to)
                *number = to;
}

static struct found *
find(struct replay_state *replay, uint64_t id)
{
        return map_get(replay->sessions, &id, sizeof(id));
}

static void
see_state(struct replay_state *replay, uint64_t id, const void *bytes, size_t len)
{
        struct found *found = find(replay, id);
        struct sm_record state;
        struct jid jid;

        if (!sm_record_read(&state, replay->arena, bytes, len) || !jid_parse(&jid, replay->arena, state.jid) ||
                jid.resource == NULL)
                return;
        if (found == NULL) {
                found = ARENA_NEW(replay->arena, found);
                found->id = id;
                map_put(replay->sessions, &id, sizeof(id), found);
        }
        found->state = state;
        found->jid = jid;
        raise(&found->handled, state.handled);
        raise(&found->sent, state.sent);
        raise(&found->acknowledged, state.acknowledged);
}

static void
see_sent(struct replay_state *replay, struct found *found, const struct sm_note *head, const char *bytes, size_t len)
{
        struct sent_note *note = ARENA_NEW(replay->arena, note);
        struct sm_sent_note more;

        if (len < sizeof(more))
                return;
        memcpy(&more, bytes, sizeof(more));
        note->record = (struct sm_sent_record){
                .when = more.when,
                .number = more.number,
                .origin = more.origin,
                .origin_count = head->origin_count,
                .wire = bytes + sizeof(more),
                .len = len - sizeof(more),
        };
        note->count = head->count;
        raise(&found->sent, head->count);
        if (found->last != NULL)
                found->last->next = note;
        else
                found->first = note;
        found->last = note;
        note->next_of_all = replay->all;
        replay->all = note;
}

static void
see_record(void *arg, const void *bytes, size_t len)
{
        struct replay_state *replay = arg;
        struct sm_note head;

        if (len < sizeof(head))
                return;
        memcpy(&head, bytes, sizeof(head));
        const char *rest = (const char *)bytes + sizeof(head);
        size_t rest_len = len - sizeof(head);
        struct found *found = find(replay, head.id);

        if (head.news == SM_STATE) {
                see_state(replay, head.id, rest, rest_len);
                return;
        }
        if (found == NULL)
                return;
        switch (head.news) {
        case SM_HANDLED:
                raise(&found->handled, head.count);
                break;
        case SM_SENT:
                see_sent(replay, found, &head, rest, rest_len);
                break;
        case SM_ACKNOWLEDGED:
                raise(&found->acknowledged, head.count);
                break;
        case SM_END:
                map_remove(replay->sessions, &head.id, sizeof(head.id));
                break;
        default:
                break;
        }
}

/* ---- what took effect ---- */

static void
take(struct replay_state *replay, struct found *found, uint64_t count)
{
        struct taken_note *note = ARENA_NEW(replay->arena, note);

        for (const struct taken_note *other = found->taken; other != NULL; other = other->next)
                if (other->count == (uint32_t)count)
                        return;
        *note = (struct taken_note){ found->taken, (uint32_t)count };
        found->taken = note;
        found->taken_count++;
}

/* Something that came of the origin's stanza has been found. */
static void
see_effect(struct replay_state *replay, uint64_t origin, uint32_t count)
{
        struct found *found = origin != 0 ? find(replay, origin) : NULL;

        if (found != NULL && count > (uint32_t)found->handled)
                take(replay, found, count);
}

static bool
see_kept(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct kept_message kept;

        if (record_read_message(&kept, value, value_len))
                see_effect(arg, kept.origin, kept.origin_count);
        return true;
}

static bool
see_stored_sent(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct sm_sent_record sent;

        if (sm_sent_record_read(&sent, value, value_len))
                see_effect(arg, sent.origin, sent.origin_count);
        return true;
}

/* Delivered to somebody's session, or in the store for somebody. All of the store is looked at: the addressee's worker, or the disk, may have
 * been faster than any note of the sender's. */
static void
see_effects(struct replay_state *replay)
{
        if (map_count(replay->sessions) == 0)
                return;
        for (const struct sent_note *note = replay->all; note != NULL; note = note->next_of_all)
                see_effect(replay, note->record.origin, note->record.origin_count);
        store_scan(user_store, TABLE_OFFLINE, "", 0, 0, see_kept, replay);
        store_scan(user_store, TABLE_SENT, "", 0, 0, see_stored_sent, replay);
}

/* All that is known to have taken effect, as the session's record has it. */
static void
find_taken(struct replay_state *replay, struct found *found)
{
        struct sm_record *state = &found->state;

        for (uint32_t i = 0; i < state->taken_count; i++)
                if (state->taken[i] > (uint32_t)found->handled)
                        take(replay, found, state->taken[i]);
        state->taken = arena_alloc(replay->arena, found->taken_count * sizeof(*state->taken));
        state->taken_count = 0;
        for (const struct taken_note *note = found->taken; note != NULL; note = note->next)
                state->taken[state->taken_count++] = note->count;
}

/* ---- into the store ---- */

static void
hand_in(struct replay_state *replay, bool is_last)
{
        if (!is_last && replay->puts < PUTS_MANY)
                return;
        if (batch_commit_wait(replay->batch) != STORE_DONE)
                replay->failed = true;
        replay->puts = 0;
        replay->batch = is_last ? NULL : batch_new(user_store);
}

/* A message that was delivered while it was on its way to the offline store may not have got there. */
static bool
is_kept(const struct found *found, uint64_t number)
{
        unsigned char key[16];
        const void *value;
        size_t len;

        record_offline_key(key, found->state.account, number);
        return number > 0 && store_get(user_store, TABLE_OFFLINE, key, sizeof(key), &value, &len);
}

static void
put_sent(struct replay_state *replay, const struct found *found, const struct sent_note *note)
{
        struct sm_sent_record record = note->record;
        struct buf value = { 0 };
        unsigned char key[SM_SENT_KEY];

        if (!is_kept(found, record.number))
                record.number = 0;
        sm_sent_key(key, found->state.account, found->id, note->count);
        sm_sent_record_write(&value, &record);
        batch_put(replay->batch, TABLE_SENT, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
        replay->puts++;
}

/* The client has it; the batch that was to remove it may not have been written. */
static void
remove_kept(struct replay_state *replay, const struct found *found, const struct sent_note *note)
{
        unsigned char key[16];

        if (note->record.number == 0)
                return;
        record_offline_key(key, found->state.account, note->record.number);
        batch_remove(replay->batch, TABLE_OFFLINE, key, sizeof(key));
        replay->puts++;
}

struct arrived {
        struct replay_state *replay;
        uint64_t acknowledged;
};

static bool
remove_if_arrived(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct arrived *arrived = arg;

        if (sm_sent_key_count(key, key_len) <= arrived->acknowledged) {
                batch_remove(arrived->replay->batch, TABLE_SENT, key, key_len);
                arrived->replay->puts++;
        }
        return true;
}

/* A session that was being resumed is in the store as well, and the journal may not have all of it yet: what has not arrived stays. */
static void
forget_acknowledged(struct replay_state *replay, const struct found *found)
{
        struct arrived arrived = { replay, found->state.acknowledged };
        unsigned char key[SM_KEY];

        sm_key(key, found->state.account, found->id);
        store_scan(user_store, TABLE_SENT, key, sizeof(key), 0, remove_if_arrived, &arrived);
}

static void
put_session(struct replay_state *replay, struct found *found)
{
        struct sm_record *record = &found->state;
        unsigned char key[SM_KEY], end_key[SM_END_KEY];
        struct buf value = { 0 };
        bool can_resume = !replay->machine_died && record->seconds > 0;

        record->handled = found->handled;
        record->received = found->handled;
        record->sent = found->sent;
        record->acknowledged = found->acknowledged < found->sent ? found->acknowledged : found->sent;
        record->ends = clock_wall_ms() + (can_resume ? (int64_t)record->seconds * 1000 : 0);

        sm_key(key, record->account, found->id);
        sm_record_write(&value, record);
        batch_put(replay->batch, TABLE_SESSION, key, sizeof(key), buf_data(&value), value.len);
        buf_clear(&value);
        sm_end_key(end_key, record->ends, record->account, found->id);
        encode_text(&value, jid_bare(&found->jid, replay->arena).full);
        batch_put(replay->batch, TABLE_SESSION_END, end_key, sizeof(end_key), buf_data(&value), value.len);
        buf_free(&value);
        forget_acknowledged(replay, found);
        for (const struct sent_note *note = found->first; note != NULL; note = note->next)
                if (note->count > record->acknowledged)
                        put_sent(replay, found, note);
                else
                        remove_kept(replay, found, note);
        replay->puts += 3;
        replay->resumable += can_resume;
        hand_in(replay, false);
}

static bool
is_over(struct replay_state *replay, const struct found *found)
{
        unsigned char key[SM_KEY];
        const void *value;
        size_t len;
        struct sm_record record;

        sm_key(key, found->state.account, found->id);
        if (!store_get(user_store, TABLE_SESSION, key, sizeof(key), &value, &len) ||
                !sm_record_read(&record, replay->arena, value, len) || !record.is_over)
                return false;
        batch_remove(replay->batch, TABLE_SESSION, key, sizeof(key));
        return true;
}

int
sm_replay(const char *dir, struct err *err)
{
        struct replay_state replay = { .arena = arena_new(BLOCK), .sessions = map_new() };
        struct replay *files = NULL;
        size_t at = 0;
        int result = -1;

        if (journal_replay(dir, &files, &replay.machine_died, see_record, &replay, err) != 0)
                goto out;
        replay.batch = batch_new(user_store);
        see_effects(&replay);
        /* All reading first: what is written must not be taken for what was there. */
        for (struct found *found; (found = map_next(replay.sessions, &at)) != NULL;)
                find_taken(&replay, found);
        at = 0;
        for (struct found *found; (found = map_next(replay.sessions, &at)) != NULL;) {
                struct jid bare = jid_bare(&found->jid, replay.arena);
                if (account_id(user_store, &bare) == found->state.account && !is_over(&replay, found))
                        put_session(&replay, found);
        }
        hand_in(&replay, true);
        store_read_end(user_store);
        if (replay.failed) {
                err_set(err, "the journals in %s cannot be taken over: the store refuses to write; see its message above", dir);
                goto out;
        }
        if (map_count(replay.sessions) > 0)
                log_info(&user_log, "the server was killed: streams=%zu resumable=%zu", map_count(replay.sessions),
                        replay.resumable);
        result = 0;
out:
        journal_replay_end(&files, result == 0);
        map_free(&replay.sessions);
        arena_free(&replay.arena);
        return result;
}
