/*
 * store.c - the interface: batches being filled, reading threads and their views
 *
 * A thread that reads holds a view from its first read of a loop turn to the end of that turn, so what it was shown stays where it is.
 * When a commit is completed in between, the next read takes a newer view beside the first: whoever heard that a batch is on disk finds
 * it there.
 */
#include "shared/store/store.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/worker.h"
#include "shared/store/store_private.h"

#include <signal.h>
#include <string.h>

enum { VIEWS_MAX = 64, VIEWS_KEPT = 2 };

/* One thread's view on one store; owned by the store. */
struct reader {
        struct reader *next;
        struct store *store;
        pthread_t thread;
        struct chore turn_end;
        struct view *views[VIEWS_MAX]; /* [0 .. used) are in use, the last one is the newest; [used .. made) rest */
        size_t used, made;
        uint64_t sequence; /* of the newest */
};

static atomic_uint_least64_t serials;
static _Thread_local struct {
        uint64_t serial;
        struct reader *reader;
} recent;

struct store *
store_open(const struct store_options *options, struct err *err)
{
        struct engine *engine = engine_open(options, err);
        if (engine == NULL)
                return NULL;

        struct store *store = MEM_NEW(store);
        store->engine = engine;
        store->serial = atomic_fetch_add(&serials, 1) + 1;
        store->read_only = options->read_only;
        store->dir = mem_strdup(options->dir);
        while (options->tables[store->tables] != NULL)
                store->tables++;
        store->last = &store->first;
        pthread_mutex_init(&store->lock, NULL);
        pthread_cond_init(&store->wake, NULL);
        pthread_cond_init(&store->completed, NULL);
        if (store->read_only)
                return store;

        /* Signals are the main thread's business. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int rc = pthread_create(&store->writer, NULL, writer_run, store);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        must(rc == 0);
        return store;
}

void
store_close(struct store **closed)
{
        struct store *store = *closed;
        if (store == NULL)
                return;
        *closed = NULL;
        if (!store->read_only) {
                pthread_mutex_lock(&store->lock);
                store->stop = true;
                pthread_cond_signal(&store->wake);
                pthread_mutex_unlock(&store->lock);
                pthread_join(store->writer, NULL);
        }
        for (struct reader *reader = store->readers, *next; reader != NULL; reader = next) {
                next = reader->next;
                if (reader->turn_end.waiting && pthread_equal(reader->thread, pthread_self()))
                        worker_forget_chore(&reader->turn_end);
                for (size_t i = 0; i < reader->made; i++)
                        view_free(&reader->views[i]);
                mem_free(reader);
        }
        engine_close(&store->engine);
        pthread_cond_destroy(&store->completed);
        pthread_cond_destroy(&store->wake);
        pthread_mutex_destroy(&store->lock);
        mem_free(store->dir);
        mem_free(store);
}

void
store_make_slow(struct store *store, unsigned ms)
{
        atomic_store(&store->delay_ms, ms);
}

int
store_backup(struct store *store, const char *dir, struct err *err)
{
        return engine_backup(store->engine, dir, err);
}

struct batch *
batch_new(struct store *store)
{
        must(!store->read_only);
        struct batch *batch = MEM_NEW(batch);
        batch->store = store;
        return batch;
}

struct store *
batch_store(const struct batch *batch)
{
        return batch->store;
}

static void
add(struct batch *batch, enum operation_kind kind, int table, const void *key, size_t key_len, const void *value, size_t value_len)
{
        must(table >= 0 && (size_t)table < batch->store->tables);
        must(key_len > 0 && key_len <= STORE_KEY_MAX);
        must(value_len <= UINT32_MAX);
        struct operation operation = {
                .kind = (uint8_t)kind, .table = (uint8_t)table, .key_len = (uint16_t)key_len, .value_len = (uint32_t)value_len
        };
        buf_put(&batch->operations, &operation, sizeof(operation));
        buf_put(&batch->operations, key, key_len);
        if (value_len > 0)
                buf_put(&batch->operations, value, value_len);
        batch->puts++;
}

bool
operation_next(const struct buf *operations, size_t *at, struct operation *operation, const char **key, const char **value)
{
        if (*at == operations->len)
                return false;
        const char *bytes = buf_data(operations) + *at;
        memcpy(operation, bytes, sizeof(*operation));
        *key = bytes + sizeof(*operation);
        *value = *key + operation->key_len;
        *at += sizeof(*operation) + operation->key_len + operation->value_len;
        must(*at <= operations->len);
        return true;
}

void
batch_put(struct batch *batch, int table, const void *key, size_t key_len, const void *value, size_t value_len)
{
        add(batch, PUT, table, key, key_len, value, value_len);
}

void
batch_remove(struct batch *batch, int table, const void *key, size_t key_len)
{
        add(batch, REMOVE, table, key, key_len, NULL, 0);
}

void
batch_remove_prefix(struct batch *batch, int table, const void *prefix, size_t prefix_len)
{
        add(batch, REMOVE_PREFIX, table, prefix, prefix_len, NULL, 0);
}

void
batch_expect_absent(struct batch *batch, int table, const void *key, size_t key_len)
{
        add(batch, EXPECT_ABSENT, table, key, key_len, NULL, 0);
}

void
batch_expect(struct batch *batch, int table, const void *key, size_t key_len, const void *value, size_t value_len)
{
        add(batch, EXPECT, table, key, key_len, value, value_len);
}

bool
batch_puts(const struct batch *batch, int table, const void *key, size_t key_len)
{
        struct operation operation;
        const char *other, *value;

        for (size_t at = 0; operation_next(&batch->operations, &at, &operation, &other, &value);)
                if (operation.kind == PUT && operation.table == table && operation.key_len == key_len &&
                        memcmp(other, key, key_len) == 0)
                        return true;
        return false;
}

static struct timespec
half_a_second_from_now(void)
{
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += at.tv_nsec >= 500000000;
        at.tv_nsec += at.tv_nsec >= 500000000 ? -500000000 : 500000000;
        return at;
}

/* The writer is woken when there is something to look at: the first batch, or the first that cannot wait. */
static void
hand_in(struct batch *batch, bool urgent)
{
        struct store *store = batch->store;

        batch->letter.next = NULL;
        atomic_fetch_add(&store->waiting, 1);
        pthread_mutex_lock(&store->lock);
        must(!store->stop);
        bool is_news = store->first == NULL || (urgent && !store->urgent);
        if (store->first == NULL && !urgent)
                store->due = half_a_second_from_now();
        store->urgent |= urgent;
        *store->last = &batch->letter;
        store->last = &batch->letter.next;
        if (is_news)
                pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
}

static void
bring_back(struct letter *letter)
{
        struct batch *batch = container_of(letter, struct batch, letter);

        batch->done(batch->arg, batch->outcome);
        batch_free(&batch);
}

static void
commit(struct batch *batch, bool urgent, void (*done)(void *arg, enum store_outcome outcome), void *arg)
{
        batch->from = worker_here();
        must(done == NULL || batch->from != NULL);
        batch->done = done;
        batch->arg = arg;
        batch->letter.open = bring_back;
        hand_in(batch, urgent);
}

void
batch_commit(struct batch *batch, void (*done)(void *arg, enum store_outcome outcome), void *arg)
{
        commit(batch, true, done, arg);
}

void
batch_commit_later(struct batch *batch, void (*done)(void *arg, enum store_outcome outcome), void *arg)
{
        commit(batch, false, done, arg);
}

enum store_outcome
batch_commit_wait(struct batch *batch)
{
        struct store *store = batch->store;

        store_read_end(store);
        batch->waited_for = true;
        hand_in(batch, true);
        pthread_mutex_lock(&store->lock);
        while (!batch->completed)
                pthread_cond_wait(&store->completed, &store->lock);
        pthread_mutex_unlock(&store->lock);
        enum store_outcome outcome = batch->outcome;
        batch_free(&batch);
        return outcome;
}

void
batch_free(struct batch **freed)
{
        struct batch *batch = *freed;
        if (batch == NULL)
                return;
        buf_free(&batch->operations);
        mem_free(batch);
        *freed = NULL;
}

static struct reader *
find_reader(struct store *store)
{
        pthread_t self = pthread_self();
        struct reader *reader;

        pthread_mutex_lock(&store->lock);
        for (reader = store->readers; reader != NULL; reader = reader->next)
                if (pthread_equal(reader->thread, self))
                        break;
        if (reader == NULL) {
                reader = MEM_NEW(reader);
                reader->store = store;
                reader->thread = self;
                reader->next = store->readers;
                store->readers = reader;
        }
        pthread_mutex_unlock(&store->lock);
        return reader;
}

static struct reader *
reader_here(struct store *store)
{
        if (recent.serial != store->serial) {
                recent.reader = find_reader(store);
                recent.serial = store->serial;
        }
        return recent.reader;
}

static void
end_reading(struct reader *reader)
{
        while (reader->used > 0)
                view_rest(reader->views[--reader->used]);
        while (reader->made > VIEWS_KEPT)
                view_free(&reader->views[--reader->made]);
}

static void
end_turn(struct chore *chore)
{
        end_reading(container_of(chore, struct reader, turn_end));
}

static bool
take_view(struct reader *reader)
{
        if (reader->used < reader->made)
                return view_renew(reader->views[reader->used]);
        struct view *view = view_new(reader->store->engine);
        if (view == NULL)
                return false;
        reader->views[reader->made++] = view;
        return true;
}

/* Where there is no place for a further view, the thread goes on with the newest it has until its turn ends. */
static struct view *
newest_view(struct store *store)
{
        struct reader *reader = reader_here(store);
        uint64_t sequence = atomic_load(&store->sequence);

        if (reader->used == 0 || (reader->sequence != sequence && reader->used < VIEWS_MAX)) {
                if (take_view(reader)) {
                        reader->used++;
                        reader->sequence = sequence;
                }
                must(reader->used > 0);
                if (worker_here() != NULL) {
                        reader->turn_end.run = end_turn;
                        worker_at_turn_end(&reader->turn_end);
                }
        }
        return reader->views[reader->used - 1];
}

bool
store_get(struct store *store, int table, const void *key, size_t key_len, const void **value, size_t *value_len)
{
        must(table >= 0 && (size_t)table < store->tables);
        must(key_len > 0 && key_len <= STORE_KEY_MAX);
        return view_get(newest_view(store), table, key, key_len, value, value_len);
}

void
store_scan(struct store *store, int table, const void *prefix, size_t prefix_len, size_t limit, store_each *each, void *arg)
{
        must(table >= 0 && (size_t)table < store->tables);
        must(prefix_len <= STORE_KEY_MAX);
        view_scan(newest_view(store), table, prefix, prefix_len, limit, each, arg);
}

void
store_read_end(struct store *store)
{
        end_reading(reader_here(store));
}

void
store_rest(struct store *store)
{
        engine_rest(store->engine);
}

void
store_counters(struct store *store, struct store_counters *counters)
{
        pthread_mutex_lock(&store->lock);
        *counters = store->counters;
        store->counters.commit_us_max = 0;
        pthread_mutex_unlock(&store->lock);
        counters->waiting = atomic_load(&store->waiting);
}

size_t
store_waiting(const struct store *store)
{
        return atomic_load_explicit(&store->waiting, memory_order_relaxed);
}
