/* store.h - records on disk: atomic batches in, asynchronous completion out, reads by key or prefix
 *
 * A batch is all or nothing. One writer thread takes all batches that wait and commits them together (group commit): a completion means "on
 * disk". No caller sees the engine behind. Keys are 1..500 bytes, so addresses never are keys: use the numeric ids of the account directory.
 */
#ifndef SHARED_STORE_STORE_H
#define SHARED_STORE_STORE_H

#include "shared/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct batch;

enum { STORE_KEY_MAX = 500 };

struct store_options {
        const char *dir;           /* made if absent, mode 0700 */
        const char *program;       /* "xmppd", "sipcomp": another program's store is refused */
        uint32_t format;           /* a newer one on disk is refused, named in the sentence */
        const char *const *tables; /* NULL-terminated names; the place in this list is the table's number */
        size_t map_mib;            /* address space */
        bool no_sync;              /* tests only */
        bool read_only;            /* another process may be writing: for xmppctl */
};

/* NULL with a sentence that says which file and what to do (in use by PID n, damaged, newer format, no space). Nothing is overwritten. */
struct store *store_open(const struct store_options *options, struct err *err);
/* Waits for the batches handed in so far. */
void store_close(struct store **store);
/* Consistent copy while running. Blocks: for the pool or xmppctl. */
int store_backup(struct store *store, const char *dir, struct err *err);

/* Writing, from any worker. Bytes are copied into the batch. */
struct batch *batch_new(struct store *store);
struct store *batch_store(const struct batch *batch);
void batch_put(struct batch *batch, int table, const void *key, size_t key_len, const void *value, size_t value_len);
void batch_remove(struct batch *batch, int table, const void *key, size_t key_len);
void batch_remove_prefix(struct batch *batch, int table, const void *prefix, size_t prefix_len);
/* The batch fails as a whole (STORE_CONFLICT) unless this key is absent / has these bytes just before the batch is written. */
void batch_expect_absent(struct batch *batch, int table, const void *key, size_t key_len);
void batch_expect(struct batch *batch, int table, const void *key, size_t key_len, const void *value, size_t value_len);

enum store_outcome { STORE_DONE, STORE_CONFLICT, STORE_FAILED };
/* Takes the batch; done(arg, outcome) runs on the worker that calls, in the order of its commits. done may be NULL. STORE_FAILED: the disk
 * refused; the store says so once in the log and refuses all later batches. An empty batch completes behind those before it: a barrier. */
void batch_commit(struct batch *batch, void (*done)(void *arg, enum store_outcome outcome), void *arg);
/* The same for what nobody waits for: it is written together with the next batch that cannot wait, at the latest after half a second. */
void batch_commit_later(struct batch *batch, void (*done)(void *arg, enum store_outcome outcome), void *arg);
/* The same for programs without a loop (xmppctl): waits. Ends this thread's reading, as store_read_end does. */
enum store_outcome batch_commit_wait(struct batch *batch);
/* Does it put something under this key? Looks through all of it. */
bool batch_puts(const struct batch *batch, int table, const void *key, size_t key_len);
void batch_free(struct batch **batch); /* of one that was not committed */

/* Reading, on a worker or any other thread. The bytes are the store's and stay until the end of this loop turn (threads without a loop: until
 * store_read_end): copy or decode before. A value committed before the call is seen. */
bool store_get(struct store *store, int table, const void *key, size_t key_len, const void **value, size_t *value_len);
/* Calls each(arg, key, value) in key order for keys with this prefix (at most limit; 0 = all) until it returns false. */
typedef bool store_each(void *arg, const void *key, size_t key_len, const void *value, size_t value_len);
void store_scan(struct store *store, int table, const void *prefix, size_t prefix_len, size_t limit, store_each *each, void *arg);
void store_read_end(struct store *store);
/* Much has been read that will not be needed soon: those pages of the files leave this process. The kernel still has them, and what is read
 * again comes from there. Costs about a millisecond for a hundred megabytes. */
void store_rest(struct store *store);

struct store_counters {
        uint64_t commits, batches, puts, failed, bytes;
        uint64_t waiting;       /* batches handed in and not completed yet */
        uint64_t commit_us_max; /* the longest since the last look */
};
void store_counters(struct store *store, struct store_counters *counters);
/* For tests, any thread: every commit takes so much longer. */
void store_make_slow(struct store *store, unsigned ms);
/* Any thread: batches handed in and not completed. Whoever takes work in should pause while they are many. */
size_t store_waiting(const struct store *store);

#endif
