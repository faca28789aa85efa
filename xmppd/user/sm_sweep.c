/*
 * sm_sweep.c - sessions whose client has not come back in time
 *
 * The store has hibernated sessions in the order in which they are to be given up; every second one looks at the first of them.
 */
#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "xmppd/route/home.h"
#include "xmppd/route/limits.h"
#include "xmppd/user/sm_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

enum { SWEEP_MS = 1000, SWEEP_MAX = 200 };

static _Thread_local struct timer timer;

struct due {
        unsigned char key[SM_END_KEY];
        char *jid;
};

struct search {
        int64_t now;
        size_t count;
        struct due found[SWEEP_MAX];
};

static bool
find_due(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct search *search = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(256);
        struct due *due = &search->found[search->count];
        int64_t ends;
        uint64_t id;
        struct jid jid;

        bool is_due = sm_end_key_read(key, key_len, &ends, &id) && ends <= search->now;
        const char *text = decode_text(&cursor, arena);
        if (is_due && text != NULL && jid_parse(&jid, arena, text) && on_home(home_of(&jid))) {
                memcpy(due->key, key, sizeof(due->key));
                due->jid = mem_strdup(text);
                search->count++;
        }
        arena_free(&arena);
        return is_due && search->count < SWEEP_MAX;
}

/* False: the session has been resumed since, or has ended, or its account is gone; the entry was left behind. */
static bool
give_up(const struct due *due)
{
        struct arena *arena = arena_new(256);
        struct jid jid;
        int64_t ends;
        uint64_t id;

        must(jid_parse(&jid, arena, due->jid) && sm_end_key_read(due->key, sizeof(due->key), &ends, &id));
        struct user *user = user_load(&jid);
        struct sm *sm = user != NULL ? hibernate_find(user, id) : NULL;
        arena_free(&arena);
        if (sm == NULL || !sm->is_stored || sm->stored_end != ends)
                return false;
        if (sm_is_at_rest(sm->session)) {
                struct session *session = sm->session;
                limit_note(LIMIT_UNACKED_TIME);
                session_close(&session, true);
        }
        return true;
}

static void
sweep(struct timer *unused)
{
        struct search *search = MEM_NEW(search);

        search->now = clock_wall_ms();
        store_scan(user_store, TABLE_SESSION_END, "", 0, 0, find_due, search);
        for (size_t i = 0; i < search->count; i++) {
                struct due *due = &search->found[i];
                if (!give_up(due)) {
                        struct batch *batch = batch_new(user_store);
                        batch_remove(batch, TABLE_SESSION_END, due->key, sizeof(due->key));
                        batch_commit(batch, NULL, NULL);
                }
                mem_free(due->jid);
        }
        mem_free(search);
        timer_start(&timer, SWEEP_MS, sweep);
}

void
sweep_start_here(void)
{
        timer_start(&timer, SWEEP_MS, sweep);
}

void
sweep_stop_here(void)
{
        timer_stop(&timer);
}
