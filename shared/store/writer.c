/*
 * writer.c - group commit: one thread takes the batches that wait and puts them on disk with one transaction
 *
 * While the disk works on one commit the next batches gather, so nobody waits for company and a busy store still pays one fsync for
 * hundreds of puts. A transaction takes batches until it has GROUP_PUTS puts or has lasted GROUP_MS. Outcomes go back in the order in which
 * the batches came, also those of batches that failed.
 */
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "shared/store/store_private.h"

#include <time.h>

enum { GROUP_PUTS = 256, GROUP_MS = 2, TIDY_SECONDS = 60 };

static const struct log_scope scope = { .room = "store", .whom = "writer" };

static uint64_t
now_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Sleeps until there is something to write that somebody waits for, or whose time has come; NULL: nothing is left and the store closes. All that
 * waits is taken at once. */
static struct batch *
wait_for_batches(struct store *store)
{
        struct batch *all = NULL;

        pthread_mutex_lock(&store->lock);
        while (!store->urgent && !store->stop) {
                struct timespec until = store->due;
                if (store->first == NULL) {
                        clock_gettime(CLOCK_REALTIME, &until);
                        until.tv_sec += TIDY_SECONDS;
                }
                if (pthread_cond_timedwait(&store->wake, &store->lock, &until) != 0) {
                        if (store->first != NULL)
                                break;
                        pthread_mutex_unlock(&store->lock);
                        engine_tidy(store->engine);
                        pthread_mutex_lock(&store->lock);
                }
        }
        if (store->first != NULL)
                all = container_of(store->first, struct batch, letter);
        store->first = NULL;
        store->last = &store->first;
        store->urgent = false;
        pthread_mutex_unlock(&store->lock);
        return all;
}

static struct batch *
after(const struct batch *batch)
{
        return batch->letter.next == NULL ? NULL : container_of(batch->letter.next, struct batch, letter);
}

static void
refuse(struct store *store, const struct err *err)
{
        if (!store->refused)
                log_error(&scope, "writing stopped: %s; nothing is accepted until it is put right and the program started again",
                        err->text);
        store->refused = true;
}

/* How the batches of one transaction came out, for the counters. */
struct tally {
        uint64_t commits, batches, puts, failed, bytes, us;
};

/* Applies batches from `from` on and returns the first one that must wait for the next transaction. Ends with the first that fails: its
 * outcome is STORE_FAILED and *err says why. */
static struct batch *
fill_transaction(struct store *store, struct batch *from, bool sheltered, struct tally *tally, struct err *err)
{
        uint64_t started = now_us();
        size_t puts = 0;

        *tally = (struct tally){ 0 };
        for (struct batch *batch = from; batch != NULL; batch = after(batch)) {
                puts += batch->puts;
                if (batch != from && (puts > GROUP_PUTS || now_us() - started > GROUP_MS * 1000))
                        return batch;
                batch->outcome = batch->puts == 0 ? STORE_DONE : engine_apply(store->engine, &batch->operations, sheltered, err);
                if (batch->outcome == STORE_FAILED)
                        return after(batch);
                if (batch->outcome == STORE_DONE) {
                        tally->puts += batch->puts;
                        tally->bytes += batch->operations.len;
                }
        }
        return NULL;
}

static bool
has_failed(const struct batch *from, const struct batch *end)
{
        for (; from != end; from = after(from))
                if (from->outcome == STORE_FAILED)
                        return true;
        return false;
}

static void
fail_all(struct batch *from, const struct batch *end)
{
        for (; from != end; from = after(from))
                from->outcome = STORE_FAILED;
}

/* Barriers alone need no transaction: what they stand behind is on disk already. */
static struct batch *
skip_barriers(struct batch *from)
{
        for (; from != NULL && from->puts == 0; from = after(from))
                from->outcome = STORE_DONE;
        return from;
}

static void
be_slow(struct store *store)
{
        unsigned ms = atomic_load_explicit(&store->delay_ms, memory_order_relaxed);

        if (ms > 0)
                nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

static struct batch *
write_transaction(struct store *store, struct batch *from, struct tally *tally)
{
        struct err err;
        struct batch *end = skip_barriers(from);
        if (end != from)
                return end;

        uint64_t started = now_us();
        if (engine_begin(store->engine, &err) != 0)
                goto failed;
        end = fill_transaction(store, from, false, tally, &err);
        if (has_failed(from, end)) {
                /* The disk or the map is full. The neighbours go in once more, each batch sheltered from the others. */
                engine_abort(store->engine);
                if (engine_begin(store->engine, &err) != 0)
                        goto failed;
                end = fill_transaction(store, from, true, tally, &err);
                if (has_failed(from, end))
                        refuse(store, &err);
        }
        be_slow(store);
        if (engine_commit(store->engine, &err) != 0) {
                refuse(store, &err);
                fail_all(from, end);
                tally->puts = tally->bytes = 0;
                return end;
        }
        atomic_fetch_add(&store->sequence, 1);
        tally->commits++;
        tally->us = now_us() - started;
        return end;
failed:
        refuse(store, &err);
        fail_all(from, NULL);
        return NULL;
}

/* Sends the outcomes home; the batches belong to their receivers afterwards. */
static void
complete(struct store *store, struct batch *from, const struct batch *end, struct tally *tally)
{
        for (const struct batch *batch = from; batch != end; batch = after(batch)) {
                tally->batches++;
                tally->failed += batch->outcome == STORE_FAILED;
        }
        pthread_mutex_lock(&store->lock);
        struct store_counters *counters = &store->counters;
        counters->commits += tally->commits;
        counters->batches += tally->batches;
        counters->puts += tally->puts;
        counters->failed += tally->failed;
        counters->bytes += tally->bytes;
        atomic_fetch_sub(&store->waiting, tally->batches);
        if (tally->us > counters->commit_us_max)
                counters->commit_us_max = tally->us;
        pthread_mutex_unlock(&store->lock);

        for (struct batch *next; from != end; from = next) {
                next = after(from);
                if (from->waited_for) {
                        pthread_mutex_lock(&store->lock);
                        from->completed = true;
                        pthread_cond_broadcast(&store->completed);
                        pthread_mutex_unlock(&store->lock);
                } else if (from->done != NULL) {
                        buf_free(&from->operations);
                        worker_post(from->from, &from->letter);
                } else {
                        batch_free(&from);
                }
        }
}

void *
writer_run(void *arg)
{
        struct store *store = arg;

        pthread_setname_np(pthread_self(), "store");
        for (struct batch *batch; (batch = wait_for_batches(store)) != NULL;) {
                while (batch != NULL) {
                        struct tally tally = { 0 };
                        struct batch *end = NULL;
                        if (store->refused)
                                fail_all(batch, NULL);
                        else
                                end = write_transaction(store, batch, &tally);
                        complete(store, batch, end, &tally);
                        batch = end;
                }
        }
        return NULL;
}
