/* store_private.h - what the files of this room share: the engine behind the interface and the queue of the writer
 *
 * A second engine implements the functions of the first half; the writer and the readers above it stay as they are.
 */
#ifndef SHARED_STORE_STORE_PRIVATE_H
#define SHARED_STORE_STORE_PRIVATE_H

#include "shared/base/buf.h"
#include "shared/loop/mailbox.h"
#include "shared/store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* One operation inside a batch: this head, then the key, then the value. */
enum operation_kind { PUT, REMOVE, REMOVE_PREFIX, EXPECT_ABSENT, EXPECT };
struct operation {
        uint8_t kind;
        uint8_t table;
        uint16_t key_len;
        uint32_t value_len;
};
/* Takes the operation at *at and moves behind it; false at the end. */
bool operation_next(const struct buf *operations, size_t *at, struct operation *operation, const char **key, const char **value);

struct engine;

/* NULL with the sentence of store_open. */
struct engine *engine_open(const struct store_options *options, struct err *err);
void engine_close(struct engine **engine);
int engine_backup(struct engine *engine, const char *dir, struct err *err);

/* The writer's thread only. begin, any number of applies, commit; after a failed begin nothing is open. */
int engine_begin(struct engine *engine, struct err *err);
/* One batch: its expectations are looked at first, so after STORE_CONFLICT nothing of it is there. After STORE_FAILED that holds only if it was
 * sheltered (a transaction inside the transaction, which costs as much as the writing itself); otherwise all must be aborted. */
enum store_outcome engine_apply(struct engine *engine, const struct buf *operations, bool sheltered, struct err *err);
void engine_abort(struct engine *engine);
int engine_commit(struct engine *engine, struct err *err);
/* Now and then: forgets readers of processes that died. */
void engine_tidy(struct engine *engine);
/* Any thread: see store_rest. */
void engine_rest(struct engine *engine);

/* A consistent view for one thread. */
struct view;
struct view *view_new(struct engine *engine); /* NULL: too many at once */
bool view_renew(struct view *view);           /* after rest */
void view_rest(struct view *view);            /* holds no old pages any more */
void view_free(struct view **view);
bool view_get(struct view *view, int table, const void *key, size_t key_len, const void **value, size_t *value_len);
void view_scan(struct view *view, int table, const void *prefix, size_t prefix_len, size_t limit, store_each *each, void *arg);

/* Owned by the caller until it is handed in, then by the queue, then by the letter that brings it back. */
struct batch {
        struct letter letter; /* its next also links the writer's queue */
        struct store *store;
        struct worker *from;
        struct buf operations;
        size_t puts;
        void (*done)(void *arg, enum store_outcome outcome);
        void *arg;
        enum store_outcome outcome;
        bool waited_for; /* batch_commit_wait sleeps on store->completed; the writer does not free it */
        bool completed;
};

struct reader;

struct store {
        struct engine *engine;
        uint64_t serial; /* no other store of this process has it */
        bool read_only;
        size_t tables;
        char *dir;

        pthread_mutex_t lock; /* everything down to counters */
        pthread_cond_t wake, completed;
        struct letter *first, **last; /* batches that wait, oldest first */
        bool urgent;                  /* one of them is waited for */
        struct timespec due;          /* when they are written all the same */
        bool stop;
        struct store_counters counters;
        struct reader *readers;

        atomic_uint delay_ms;           /* of every commit, for tests */
        atomic_size_t waiting;          /* batches handed in and not completed */
        atomic_uint_least64_t sequence; /* counts the commits; a view older than it is renewed before it is read */
        bool refused;                   /* the writer's own: the disk has said no */
        pthread_t writer;
};

/* The life of the writer's thread. */
void *writer_run(void *store);

#endif
