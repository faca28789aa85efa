/*
 * sm_journal.c - what a worker notes about its sessions, so that a killed server knows it again
 *
 * The notes of a turn are written before anything of that turn leaves, so whatever a client has seen is noted. The disk is asked only where
 * somebody waits for an acknowledgement that this worker's clients have not made superfluous: a stanza that its client acknowledges within a
 * few milliseconds is never waited for.
 */
#include "xmppd/user/sm_journal.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/alarm.h"
#include "shared/store/journal.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/sm_private.h"

#include <stdatomic.h>
#include <string.h>

enum {
        LOOK_MS = 2, /* whoever has not acknowledged in one to two of these is waited for no longer */
        LOOKED_AT_MAX = 100,
        FULL_LOOK_MS = 100,
        STATE_BLOCK = 1024,
};

static _Thread_local struct {
        struct journal *journal;
        struct list sessions;
        struct list ending;   /* the store is still to learn what became of them */
        struct list unsynced; /* have stanzas that somebody waits for */
        struct list changed;
        struct chore note_changes;
        struct alarm *look;
        uint64_t looked_to;  /* where the journal ended when it was looked at last */
        uint64_t syncing_to; /* 0: no sync is under way */
} here;

static atomic_int full_count; /* workers for whose journal there is no more room */
static _Thread_local bool is_full;

static void look(void *unused);

void
journal_open_here(const char *dir)
{
        size_t segment_bytes = (size_t)config_number(snapshot_section("store"), "journal-segment");
        struct err err;

        here.journal = journal_open(dir, worker_index(worker_here()), segment_bytes, &err);
        if (here.journal == NULL)
                log_error(&user_log, "streams cannot be resumed: %s", err.text);
        rewrite_start_here(here.journal, segment_bytes);
        here.look = alarm_new(look, NULL);
}

void
journal_close_here(void)
{
        worker_forget_chore(&here.note_changes);
        alarm_free(&here.look);
        rewrite_stop_here();
        journal_close(&here.journal);
}

bool
journal_is_open(void)
{
        return here.journal != NULL;
}

/* Somebody has to see that there is room again. */
static void
watch_disk(void)
{
        bool now = here.journal != NULL && journal_is_full(here.journal);

        if (now != is_full)
                atomic_fetch_add_explicit(&full_count, now ? 1 : -1, memory_order_relaxed);
        is_full = now;
        if (now)
                alarm_set(here.look, FULL_LOOK_MS);
}

bool
sm_is_pressed(void)
{
        return atomic_load_explicit(&full_count, memory_order_relaxed) > 0;
}

/* ---- notes ---- */

static uint64_t
note(const struct sm *sm, enum sm_news news, uint64_t count, const void *bytes, size_t len)
{
        struct sm_note head = { .id = sm->id, .count = count, .news = news };
        struct piece pieces[] = { { &head, sizeof(head) }, { bytes, len } };

        return journal_append(here.journal, pieces, len > 0 ? 2 : 1);
}

static void
note_state(struct sm *sm)
{
        struct arena *arena = arena_new(STATE_BLOCK);
        struct buf bytes = { 0 };
        struct sm_record record;

        sm_record_of(&record, arena, sm);
        sm_record_write(&bytes, &record);
        note(sm, SM_STATE, 0, buf_data(&bytes), bytes.len);
        buf_free(&bytes);
        arena_free(&arena);
}

static void
note_changes(struct chore *chore)
{
        for (LIST_EACH(sm, &here.changed, struct sm, in_changed)) {
                list_remove(&here.changed, &sm->in_changed);
                sm->is_changed = false;
                note_state(sm);
        }
}

void
journal_note_change(struct sm *sm)
{
        if (sm->place != IN_JOURNAL || sm->is_changed)
                return;
        sm->is_changed = true;
        list_append(&here.changed, &sm->in_changed);
        here.note_changes.run = note_changes;
        worker_at_turn_end(&here.note_changes);
}

static void
forget_unsynced(struct sm *sm)
{
        if (sm->is_unsynced)
                list_remove(&here.unsynced, &sm->in_unsynced);
        sm->is_unsynced = false;
}

/* ---- what is noted ---- */

void
journal_add_session(struct sm *sm)
{
        must(here.journal != NULL);
        sm->place = IN_JOURNAL;
        list_append(&here.sessions, &sm->in_journal);
        note_state(sm);
}

void
journal_note_handled(struct sm *sm)
{
        if (sm->place == IN_JOURNAL)
                note(sm, SM_HANDLED, sm->handled, NULL, 0);
        rewrite_see_handled(sm);
        rewrite_if_large();
}

void
journal_note_sent(struct sm *sm, struct sent *sent, const struct sm_sent_record *record)
{
        struct sm_note head = { .id = sm->id, .count = sm->sent + 1, .news = SM_SENT, .origin_count = record->origin_count };
        struct sm_sent_note more = { record->when, record->number, record->origin };
        struct piece pieces[] = { { &head, sizeof(head) }, { &more, sizeof(more) }, { record->wire, record->len } };

        watch_disk();
        rewrite_if_large();
        sent->at = journal_append(here.journal, pieces, 3);
        sent->number = record->number;
        sent->len = record->len;
}

void
journal_note_acknowledged(struct sm *sm)
{
        note(sm, SM_ACKNOWLEDGED, sm->acknowledged, NULL, 0);
}

void
journal_forget_session(struct sm *sm)
{
        if (sm->is_changed)
                list_remove(&here.changed, &sm->in_changed);
        sm->is_changed = false;
        forget_unsynced(sm);
        rewrite_forget(sm);
        list_remove(sm->is_ending ? &here.ending : &here.sessions, &sm->in_journal);
}

void
journal_end_session(struct sm *sm)
{
        journal_forget_session(sm);
        sm->is_ending = true;
        list_append(&here.ending, &sm->in_journal);
}

void
journal_each_session(void (*each)(struct sm *sm))
{
        for (LIST_EACH(sm, &here.sessions, struct sm, in_journal))
                each(sm);
}

void
journal_each_ending(void (*each)(struct sm *sm))
{
        for (LIST_EACH(sm, &here.ending, struct sm, in_journal))
                each(sm);
}

void
journal_note_again(struct sm *sm)
{
        note_state(sm);
        for (uint64_t count = sm->acknowledged + 1; count <= sm->sent; count++) {
                struct sent *sent = queue_at(sm, count);
                size_t len;
                const void *record = journal_read(here.journal, sent->at, &len);

                sent->at = journal_append(here.journal, &(struct piece){ record, len }, 1);
        }
}

void
journal_note_end(uint64_t id)
{
        struct sm_note head = { .id = id, .news = SM_END };

        journal_append(here.journal, &(struct piece){ &head, sizeof(head) }, 1);
}

void
journal_read_sent(const struct sent *sent, struct sm_sent_record *record)
{
        struct sm_note head;
        struct sm_sent_note more;
        size_t len;
        const char *bytes = journal_read(here.journal, sent->at, &len);

        must(len > sizeof(head) + sizeof(more));
        memcpy(&head, bytes, sizeof(head));
        memcpy(&more, bytes + sizeof(head), sizeof(more));
        *record = (struct sm_sent_record){
                .when = more.when,
                .number = more.number,
                .origin = more.origin,
                .origin_count = head.origin_count,
                .wire = bytes + sizeof(head) + sizeof(more),
                .len = len - sizeof(head) - sizeof(more),
        };
}

/* ---- the disk ---- */

static void
end_sync(void *unused)
{
        uint64_t to = here.syncing_to;

        here.syncing_to = 0;
        for (LIST_EACH(sm, &here.unsynced, struct sm, in_unsynced))
                queue_release_pledges(sm, to);
}

/* Does somebody wait for a stanza that was here at the last look already? Where there are very many, it is supposed. */
static bool
is_awaited(struct sm *sm)
{
        while (sm->synced < sm->sent && queue_at(sm, sm->synced + 1)->pledge == NULL)
                sm->synced++;
        for (uint64_t count = sm->synced + 1; count <= sm->sent; count++) {
                const struct sent *sent = queue_at(sm, count);
                if (sent->at >= here.looked_to)
                        return false;
                if (count > sm->synced + LOOKED_AT_MAX || (sent->pledge != NULL && pledge_is_awaited(sent->pledge)))
                        return true;
        }
        if (sm->synced == sm->sent)
                forget_unsynced(sm);
        return false;
}

static void
look(void *unused)
{
        bool must_sync = false;

        for (LIST_EACH(sm, &here.unsynced, struct sm, in_unsynced))
                must_sync |= is_awaited(sm);
        here.looked_to = journal_end(here.journal);
        if ((must_sync || is_full) && here.syncing_to == 0) {
                here.syncing_to = here.looked_to;
                journal_sync(here.journal, end_sync, NULL);
        }
        if (!list_is_empty(&here.unsynced))
                alarm_set(here.look, LOOK_MS);
        watch_disk();
}

void
journal_want_synced(struct sm *sm)
{
        if (!sm->is_unsynced)
                list_append(&here.unsynced, &sm->in_unsynced);
        sm->is_unsynced = true;
        alarm_set(here.look, LOOK_MS);
}

void
journal_sync_here(void (*done)(void *arg), void *arg)
{
        journal_sync(here.journal, done, arg);
        watch_disk();
}
