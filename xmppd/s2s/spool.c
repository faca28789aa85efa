/*
 * spool.c - stanzas for other domains that have not left yet, on disk
 *
 * Who has sent a stanza hears that it was taken when the other server has acknowledged it, or when it stands here: whichever comes first. So only
 * what has waited for a moment is written, and a server that answers at once costs no write. A row goes when its stanza has; what is found at the
 * start goes on waiting.
 */
#include "shared/base/clock.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/store/codec.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"
#include "xmppd/user/tables.h"

#include <stdatomic.h>

enum { ROW_VERSION = 1, KEY = 8, SPOOL_MS = 500, AFTER_START_MS = 10 * 1000 };

static struct store *store;
static atomic_uint_least64_t last_row;

static _Thread_local struct map *by_row; /* row -> struct held, while its write is under way */

static void
write_key(unsigned char key[KEY], uint64_t row)
{
        struct buf out = { 0 };

        encode_u64(&out, row);
        memcpy(key, buf_data(&out), KEY);
        buf_free(&out);
}

/* A message, or what changes a subscription: everything else is of the moment. */
static bool
is_durable(const struct stanza *stanza)
{
        switch (stanza->type) {
        case MESSAGE_NORMAL:
        case MESSAGE_CHAT:
        case MESSAGE_GROUPCHAT:
        case PRESENCE_SUBSCRIBE:
        case PRESENCE_SUBSCRIBED:
        case PRESENCE_UNSUBSCRIBE:
        case PRESENCE_UNSUBSCRIBED:
                return true;
        default:
                return false;
        }
}

/* ---- what is held ---- */

struct held *
held_new(struct stanza *stanza, uint64_t due)
{
        struct held *held = MEM_NEW(held);

        held->stanza = stanza;
        held->due = due;
        return held;
}

static void
erase(struct held *held)
{
        unsigned char key[KEY];
        struct batch *batch;

        if (held->row == 0)
                return;
        if (by_row != NULL)
                map_remove(by_row, &held->row, sizeof(held->row));
        write_key(key, held->row);
        batch = batch_new(store);
        batch_remove(batch, TABLE_S2S, key, KEY);
        batch_commit(batch, NULL, NULL);
        held->row = 0;
}

struct stanza *
held_take(struct held *held)
{
        struct stanza *stanza = held->stanza;

        erase(held);
        mem_free(held);
        return stanza;
}

void
held_drop(struct held *held, bool keep_row)
{
        if (keep_row && held->row != 0) {
                if (by_row != NULL)
                        map_remove(by_row, &held->row, sizeof(held->row));
                held->row = 0;
        }
        struct stanza *stanza = held_take(held);
        stanza_unref(&stanza);
}

/* Whoever waits for the stanza to be safe waits no longer: what goes on is a copy without the pledge. */
static void
release_pledge(struct held *held)
{
        if (held->stanza->pledge == NULL)
                return;
        struct stanza *copy = stanza_keep(held->stanza);
        stanza_unref(&held->stanza);
        held->stanza = copy;
}

/* ---- writing ---- */

struct written {
        size_t count;
        uint64_t rows[];
};

static void
note_written(void *arg, enum store_outcome outcome)
{
        struct written *written = arg;

        for (size_t i = 0; i < written->count; i++) {
                struct held *held = by_row == NULL ? NULL : map_remove(by_row, &written->rows[i], sizeof(uint64_t));
                if (held != NULL && outcome == STORE_DONE)
                        release_pledge(held);
        }
        if (by_row != NULL && map_count(by_row) == 0)
                map_free(&by_row);
        mem_free(written);
}

static void
put(struct batch *batch, struct held *held)
{
        unsigned char key[KEY];
        struct buf value = { 0 }, document = { 0 };
        uint64_t now = worker_now();

        stanza_write_document(&document, held->stanza);
        encode_u8(&value, ROW_VERSION);
        encode_u64(&value, (uint64_t)clock_wall_ms() + (held->due > now ? held->due - now : 0));
        encode_text(&value, held->stanza->to.domain);
        encode_bytes(&value, buf_data(&document), document.len);
        held->row = atomic_fetch_add(&last_row, 1) + 1;
        write_key(key, held->row);
        batch_put(batch, TABLE_S2S, key, KEY, buf_data(&value), value.len);
        buf_free(&document);
        buf_free(&value);
}

static size_t
count_unwritten(const struct list *list)
{
        size_t count = 0;

        for (LIST_EACH(held, list, struct held, in_list))
                count += held->row == 0 && is_durable(held->stanza);
        return count;
}

static void
write_list(const struct list *list)
{
        size_t count = count_unwritten(list);
        struct written *written = mem_new(sizeof(*written) + count * sizeof(uint64_t));
        struct batch *batch = batch_new(store);

        for (LIST_EACH(held, list, struct held, in_list)) {
                if (!is_durable(held->stanza)) {
                        release_pledge(held);
                } else if (held->row == 0) {
                        put(batch, held);
                        if (by_row == NULL)
                                by_row = map_new();
                        map_put(by_row, &held->row, sizeof(held->row), held);
                        written->rows[written->count++] = held->row;
                }
        }
        if (written->count > 0) {
                batch_commit(batch, note_written, written);
                return;
        }
        batch_free(&batch);
        mem_free(written);
}

void
spool_write(struct remote *remote)
{
        timer_stop(&remote->spooling);
        write_list(&remote->waiting);
        ledger_each_list(remote, write_list);
}

static void
write_in_time(struct timer *timer)
{
        spool_write(container_of(timer, struct remote, spooling));
}

void
spool_in_time(struct remote *remote)
{
        if (!timer_is_running(&remote->spooling))
                timer_start(&remote->spooling, SPOOL_MS, write_in_time);
}

/* ---- the start ---- */

/* Rows are read on the main thread, before workers run, and go to their homes as letters. */
struct found {
        struct letter letter;
        struct stanza *stanza;
        uint64_t row;
        int64_t due; /* wall ms */
};

/* The clock may have been set meanwhile, and the row be damaged: no longer than any other. */
static uint64_t
still_waits(int64_t due)
{
        int64_t now = clock_wall_ms(), most = config_number(snapshot_section("s2s"), "max-wait") * 1000;
        int64_t left = due > now ? due - now : 0;

        if (left > most)
                left = most;
        return (uint64_t)(left > AFTER_START_MS ? left : AFTER_START_MS);
}

static void
bring(struct letter *letter)
{
        struct found *found = container_of(letter, struct found, letter);
        struct held *held = held_new(found->stanza, worker_now() + still_waits(found->due));

        held->row = found->row;
        remote_take_up(held);
        mem_free(found);
}

static bool
read_row(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct arena *arena = arena_new(512);
        struct cursor at = cursor_on(key, key_len), in = cursor_on(value, value_len);
        uint64_t row = decode_u64(&at);
        uint8_t version = decode_u8(&in);
        int64_t due = (int64_t)decode_u64(&in);
        const char *domain = decode_text(&in, arena);
        size_t len;
        const char *document = decode_bytes(&in, &len);
        struct stanza *stanza = !decode_ok(&in) || !decode_ok(&at) || version != ROW_VERSION || domain == NULL
                ? NULL
                : stanza_read_document(document, len);

        if (decode_ok(&at) && row > atomic_load(&last_row) && row < UINT64_MAX)
                atomic_store(&last_row, row);
        if (stanza != NULL && stanza->from.full != NULL && stanza->to.full != NULL) {
                struct found *found = MEM_NEW(found);
                stanza_seal(stanza);
                *found = (struct found){ .letter.open = bring, .stanza = stanza, .row = row, .due = due };
                worker_post(home_of_domain(stanza->to.domain), &found->letter);
        } else {
                stanza_unref(&stanza);
        }
        arena_free(&arena);
        return true;
}

void
s2s_start(struct store *the_store)
{
        store = the_store;
        store_scan(store, TABLE_S2S, "", 0, 0, read_row, NULL);
        store_read_end(store);
}

void
spool_stop_here(void)
{
        if (by_row != NULL)
                map_free(&by_row);
}
