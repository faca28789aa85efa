/*
 * main.c - how many puts a second the store keeps, with fsync: store-bench DIR
 *
 * One line of JSON for each shape: `alone` waits for each batch before the next, `crowd` has 16 threads that do so, `stream` hands in
 * batches without waiting and ends with a barrier. Batches have three puts of 300 bytes under random keys.
 */
#include "shared/base/clock.h"
#include "shared/base/random.h"
#include "shared/store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PUTS = 3, CROWD = 16, SECONDS = 3, STREAM_BATCHES = 30000 };

struct writer {
        struct store *store;
        uint64_t until;
        size_t batches;
};

static struct batch *
make_batch(struct store *store)
{
        struct batch *batch = batch_new(store);
        char key[16], value[300] = "";
        for (int i = 0; i < PUTS; i++) {
                random_bytes(key, sizeof(key));
                batch_put(batch, 0, key, sizeof(key), value, sizeof(value));
        }
        return batch;
}

static void *
write_and_wait(void *arg)
{
        struct writer *writer = arg;
        for (; clock_mono_ms() < writer->until; writer->batches++)
                if (batch_commit_wait(make_batch(writer->store)) != STORE_DONE)
                        exit(1);
        return NULL;
}

static void
report(struct store *store, const char *shape, size_t batches, uint64_t ms)
{
        static struct store_counters before;
        struct store_counters now;
        store_counters(store, &now);
        printf("{\"bench\":\"store\",\"shape\":\"%s\",\"puts_per_second\":%.0f,\"batches_per_commit\":%.1f,\"longest_commit_ms\":%.1f}\n",
                shape, (double)batches * PUTS * 1000 / (double)(ms > 0 ? ms : 1),
                (double)batches / (double)(now.commits - before.commits), (double)now.commit_us_max / 1000);
        before = now;
}

static void
measure(struct store *store, const char *shape, int threads)
{
        struct writer writers[CROWD];
        pthread_t ids[CROWD];
        uint64_t start = clock_mono_ms();
        size_t batches = 0;
        for (int i = 0; i < threads; i++) {
                writers[i] = (struct writer){ .store = store, .until = start + SECONDS * 1000 };
                pthread_create(&ids[i], NULL, write_and_wait, &writers[i]);
        }
        for (int i = 0; i < threads; i++) {
                pthread_join(ids[i], NULL);
                batches += writers[i].batches;
        }
        report(store, shape, batches, clock_mono_ms() - start);
}

int
main(int argc, char **argv)
{
        static const char *const tables[] = { "bench", NULL };
        struct store_options options = { .dir = argv[1], .program = "bench", .format = 1, .tables = tables, .map_mib = 4096 };
        struct err err;

        if (argc != 2) {
                fprintf(stderr, "usage: %s DIR\n", argv[0]);
                return 2;
        }
        struct store *store = store_open(&options, &err);
        if (store == NULL) {
                fprintf(stderr, "%s\n", err.text);
                return 1;
        }
        measure(store, "alone", 1);
        measure(store, "crowd", CROWD);
        uint64_t start = clock_mono_ms();
        for (int i = 0; i < STREAM_BATCHES; i++)
                batch_commit(make_batch(store), NULL, NULL);
        if (batch_commit_wait(batch_new(store)) != STORE_DONE)
                return 1;
        report(store, "stream", STREAM_BATCHES, clock_mono_ms() - start);
        store_close(&store);
        return 0;
}
