/*
 * journal.c - writing: one buffer a turn, one file after another, one thread that syncs
 *
 * Nothing leaves before it is written, so where the disk takes no more, nothing may come in: some room ahead is always held in reserve, and its
 * owner hears in time when there is none to be had. A write that fails all the same ends the process. So does a sync: the kernel may call the
 * lost pages clean then, and the next sync would succeed without them. The next start reads what the disk really has.
 *
 * Mapped files would need no system call, but the first touch of each page of a file costs ten times what a write of the same bytes costs, and
 * again after every sync; a turn's records leave in one write instead.
 */
#include "shared/store/journal.h"

#include "shared/base/buf.h"
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/worker.h"
#include "shared/store/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 512, RESERVE = 4 * 1024 * 1024, EXIT_DISK_FAILED = 3 };

static const struct log_scope scope = { .room = "store.journal" };

/* A file; owned by the journal. One that has been dropped stays open until those who wait for it have been told. */
struct segment {
        struct link in_journal;
        unsigned waited_for;
        bool is_dropped;
        uint64_t start, end; /* positions; end: behind what has been written to the file */
        uint64_t reserved;   /* the file has room up to here */
        int fd;
        char path[PATH_BYTES];
};

/* Somebody who waits for the disk. Owned by the journal until its letter is opened; then, or when the journal has closed, it frees itself. */
struct waiter {
        struct letter letter;
        struct link in_journal; /* the owner's; out of it when the journal has closed */
        struct waiter *next;
        struct journal *journal; /* NULL: it has closed */
        void (*done)(void *arg);
        void *arg;
        struct segment *segment; /* had the end of the journal */
};

struct journal {
        struct worker *owner;
        char *dir;
        int dir_fd;
        int index;
        size_t segment_bytes;
        struct list segments; /* the oldest first; the last one is written to */
        struct buf pending;   /* appended, not written yet */
        uint64_t end;         /* behind the last record appended */
        uint64_t segment_number;
        struct chore flush;
        struct buf reading;
        bool is_full; /* there was no room to reserve */
        struct list waiters;

        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct waiter *first, **last; /* under the lock */
        bool has_new_file;            /* likewise: the directory is to be synced too */
        bool stop;
};

static atomic_uint sync_delay_ms;
static atomic_bool syncs_fail;

void
journal_make_slow(unsigned ms)
{
        atomic_store(&sync_delay_ms, ms);
}

void
journal_make_fail(void)
{
        atomic_store(&syncs_fail, true);
}

static _Noreturn void
end_process(const struct journal *journal)
{
        log_error(&scope,
                "%s: %s; what the disk does not take must not be acknowledged, the server stops: put the disk right, start it again",
                journal->dir, strerror(errno));
        _exit(EXIT_DISK_FAILED);
}

static void
free_segment(struct segment *segment)
{
        close(segment->fd);
        mem_free(segment);
}

static void
remove_segment(struct journal *journal, struct segment *segment, bool from_disk)
{
        list_remove(&journal->segments, &segment->in_journal);
        if (from_disk)
                unlink(segment->path);
        segment->is_dropped = true;
        if (segment->waited_for == 0)
                free_segment(segment);
}

static void
leave_segment(struct segment *segment)
{
        if (--segment->waited_for == 0 && segment->is_dropped)
                free_segment(segment);
}

static struct segment *
last_segment(const struct journal *journal)
{
        return container_of(journal->segments.last, struct segment, in_journal);
}

static int
add_segment(struct journal *journal, struct err *err)
{
        struct segment *segment = MEM_NEW(segment);
        struct segment_head head = { .magic = JOURNAL_MAGIC, .version = JOURNAL_VERSION, .start = journal->end };

        snprintf(segment->path, sizeof(segment->path), "%s/journal-%d-%llu", journal->dir, journal->index,
                (unsigned long long)journal->segment_number++);
        segment->fd = open(segment->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        journal_boot(head.boot);
        if (segment->fd < 0 || write(segment->fd, &head, sizeof(head)) != (ssize_t)sizeof(head)) {
                err_set(err, "%s: %s", segment->path,
                        segment->fd < 0 ? strerror(errno) : "cannot be written, the disk may be full");
                if (segment->fd >= 0)
                        close(segment->fd);
                unlink(segment->path);
                mem_free(segment);
                return -1;
        }
        segment->start = journal->end;
        journal->end += sizeof(head);
        segment->end = journal->end;
        list_append(&journal->segments, &segment->in_journal);
        pthread_mutex_lock(&journal->lock);
        journal->has_new_file = true;
        pthread_mutex_unlock(&journal->lock);
        return 0;
}

/* ---- the syncing thread ---- */

static void
tell(struct letter *letter)
{
        struct waiter *waiter = container_of(letter, struct waiter, letter);

        if (waiter->journal != NULL) {
                list_remove(&waiter->journal->waiters, &waiter->in_journal);
                leave_segment(waiter->segment);
                waiter->done(waiter->arg);
        }
        mem_free(waiter);
}

/* All that wait. *new_file: a file has been made since the last time. */
static struct waiter *
wait_for_waiters(struct journal *journal, bool *new_file)
{
        pthread_mutex_lock(&journal->lock);
        while (journal->first == NULL && !journal->stop)
                pthread_cond_wait(&journal->wake, &journal->lock);
        struct waiter *first = journal->stop ? NULL : journal->first;
        if (first != NULL) {
                journal->first = NULL;
                journal->last = &journal->first;
                *new_file = journal->has_new_file;
                journal->has_new_file = false;
        }
        pthread_mutex_unlock(&journal->lock);
        return first;
}

static void
sync_file(const struct journal *journal, int fd)
{
        unsigned delay = atomic_load_explicit(&sync_delay_ms, memory_order_relaxed);

        if (delay > 0)
                nanosleep(&(struct timespec){ .tv_sec = delay / 1000, .tv_nsec = delay % 1000 * 1000000L }, NULL);
        if (atomic_load_explicit(&syncs_fail, memory_order_relaxed)) {
                errno = EIO;
                end_process(journal);
        }
        if (fdatasync(fd) != 0)
                end_process(journal);
}

static void *
sync_thread(void *arg)
{
        struct journal *journal = arg;
        bool new_file;

        pthread_setname_np(pthread_self(), "journal");
        for (struct waiter *first; (first = wait_for_waiters(journal, &new_file)) != NULL;) {
                /* All that wait here asked before now, so one sync of each file serves all of its own. */
                for (struct waiter *waiter = first; waiter != NULL; waiter = waiter->next)
                        if (waiter->next == NULL || waiter->next->segment != waiter->segment)
                                sync_file(journal, waiter->segment->fd);
                /* A file whose name is not on disk would be lost with all that was synced into it. */
                if (new_file && fsync(journal->dir_fd) != 0)
                        end_process(journal);
                for (struct waiter *waiter = first, *next; waiter != NULL; waiter = next) {
                        next = waiter->next;
                        worker_post(journal->owner, &waiter->letter);
                }
        }
        return NULL;
}

/* ---- writing ---- */

static bool
write_all(struct segment *segment, const char *bytes, size_t len)
{
        size_t done = 0;

        while (done < len) {
                ssize_t n = pwrite(segment->fd, bytes + done, len - done, (off_t)(segment->end - segment->start + done));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        segment->end += len;
        return true;
}

/* Room for what waits and some more. Where the file system cannot promise any, writing is tried without. */
static void
reserve(struct journal *journal)
{
        struct segment *segment = last_segment(journal);
        uint64_t wanted = segment->end - segment->start + journal->pending.len + RESERVE;

        if (wanted <= segment->reserved)
                return;
        bool is_full = fallocate(segment->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)(wanted + RESERVE)) != 0 && errno != EOPNOTSUPP &&
                errno != EINTR;
        if (is_full && !journal->is_full)
                log_error(&scope, "%s: %s; nothing is read from clients until there is room", segment->path, strerror(errno));
        if (!is_full)
                segment->reserved = wanted + RESERVE;
        journal->is_full = is_full;
}

static void
flush(struct journal *journal)
{
        reserve(journal);
        if (journal->pending.len == 0)
                return;
        if (!write_all(last_segment(journal), buf_data(&journal->pending), journal->pending.len))
                end_process(journal);
        buf_clear(&journal->pending);
}

bool
journal_is_full(const struct journal *journal)
{
        return journal->is_full;
}

static void
flush_turn(struct chore *chore)
{
        flush(container_of(chore, struct journal, flush));
}

static void
free_journal(struct journal *journal)
{
        if (journal->dir_fd >= 0)
                close(journal->dir_fd);
        pthread_cond_destroy(&journal->wake);
        pthread_mutex_destroy(&journal->lock);
        buf_free(&journal->pending);
        buf_free(&journal->reading);
        mem_free(journal->dir);
        mem_free(journal);
}

struct journal *
journal_open(const char *dir, int index, size_t segment_bytes, struct err *err)
{
        if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
                err_set(err, "%s: %s", dir, strerror(errno));
                return NULL;
        }
        struct journal *journal = MEM_NEW(journal);
        journal->owner = worker_here();
        journal->dir = mem_strdup(dir);
        journal->index = index;
        journal->segment_bytes = segment_bytes;
        journal->end = JOURNAL_ALIGN; /* no record stands at 0 */
        journal->flush.run = flush_turn;
        journal->last = &journal->first;
        must(journal->owner != NULL);
        pthread_mutex_init(&journal->lock, NULL);
        pthread_cond_init(&journal->wake, NULL);
        journal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (journal->dir_fd < 0) {
                err_set(err, "%s: %s", dir, strerror(errno));
                free_journal(journal);
                return NULL;
        }
        if (add_segment(journal, err) != 0) {
                free_journal(journal);
                return NULL;
        }
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        must(pthread_create(&journal->thread, NULL, sync_thread, journal) == 0);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return journal;
}

void
journal_close(struct journal **closed)
{
        struct journal *journal = *closed;
        if (journal == NULL)
                return;
        *closed = NULL;
        worker_forget_chore(&journal->flush);
        flush(journal);
        pthread_mutex_lock(&journal->lock);
        journal->stop = true;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->lock);
        pthread_join(journal->thread, NULL);
        for (struct waiter *waiter = journal->first, *next; waiter != NULL; waiter = next) {
                next = waiter->next;
                list_remove(&journal->waiters, &waiter->in_journal);
                leave_segment(waiter->segment);
                mem_free(waiter);
        }
        /* The others have been served, their letters are on the way. */
        for (LIST_EACH(waiter, &journal->waiters, struct waiter, in_journal)) {
                list_remove(&journal->waiters, &waiter->in_journal);
                leave_segment(waiter->segment);
                waiter->journal = NULL;
        }
        for (LIST_EACH(segment, &journal->segments, struct segment, in_journal))
                remove_segment(journal, segment, false);
        free_journal(journal);
}

static void
do_nothing(void *arg)
{
}

/* A new file if there can be one; otherwise the present one grows on. */
static void
start_segment(struct journal *journal)
{
        struct err err;

        struct segment *old = last_segment(journal);

        flush(journal);
        /* Whoever asks for a sync later means this file too. */
        journal_sync(journal, do_nothing, NULL);
        if (add_segment(journal, &err) != 0)
                log_error(&scope, "%s; the present file is written on", err.text);
        else if (ftruncate(old->fd, (off_t)(old->end - old->start)) != 0) /* gives back what was reserved */
                log_debug(&scope, "%s: %s", old->path, strerror(errno));
}

static void
put_padding(struct buf *out, size_t len)
{
        static const char zeros[JOURNAL_ALIGN];

        buf_put(out, zeros, (JOURNAL_ALIGN - len % JOURNAL_ALIGN) % JOURNAL_ALIGN);
}

uint64_t
journal_append(struct journal *journal, const struct piece *pieces, int count)
{
        struct record_head head = { 0 };

        if (journal->end - last_segment(journal)->start >= journal->segment_bytes)
                start_segment(journal);
        uint64_t position = journal->end;
        size_t at = journal->pending.len;
        buf_put(&journal->pending, &head, sizeof(head));
        for (int i = 0; i < count; i++)
                buf_put(&journal->pending, pieces[i].bytes, pieces[i].len);
        size_t len = journal->pending.len - at - sizeof(head);
        must(len > 0 && len <= JOURNAL_RECORD_MAX);
        put_padding(&journal->pending, len);
        head.len = (uint32_t)len;
        head.check = journal_check(position, buf_data(&journal->pending) + at + sizeof(head), len);
        memcpy(buf_data(&journal->pending) + at, &head, sizeof(head));
        journal->end = position + (journal->pending.len - at);
        worker_before_turn_end(&journal->flush);
        return position;
}

static bool
read_exactly(int fd, void *out, size_t len, uint64_t offset)
{
        for (size_t done = 0; done < len;) {
                ssize_t n = pread(fd, (char *)out + done, len - done, (off_t)(offset + done));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        return true;
}

/* What has been appended and not written yet. */
static const void *
read_pending(struct journal *journal, uint64_t offset, size_t *len)
{
        struct record_head head;

        memcpy(&head, buf_data(&journal->pending) + offset, sizeof(head));
        buf_put(&journal->reading, buf_data(&journal->pending) + offset + sizeof(head), head.len);
        *len = head.len;
        return buf_data(&journal->reading);
}

static const void *
read_written(struct journal *journal, const struct segment *segment, uint64_t position, size_t *len)
{
        struct record_head head;

        must(read_exactly(segment->fd, &head, sizeof(head), position - segment->start));
        char *bytes = buf_reserve(&journal->reading, head.len);
        must(read_exactly(segment->fd, bytes, head.len, position - segment->start + sizeof(head)));
        *len = head.len;
        return bytes;
}

const void *
journal_read(struct journal *journal, uint64_t position, size_t *len)
{
        uint64_t written = last_segment(journal)->end;

        buf_clear(&journal->reading);
        if (position >= written)
                return read_pending(journal, position - written, len);
        for (LIST_EACH(segment, &journal->segments, struct segment, in_journal))
                if (position >= segment->start && position < segment->end)
                        return read_written(journal, segment, position, len);
        panic(__FILE__, __LINE__, "a record of a segment that was dropped");
}

uint64_t
journal_end(const struct journal *journal)
{
        return journal->end;
}

void
journal_sync(struct journal *journal, void (*done)(void *arg), void *arg)
{
        struct waiter *waiter = MEM_NEW(waiter);

        waiter->letter.open = tell;
        waiter->journal = journal;
        list_append(&journal->waiters, &waiter->in_journal);
        waiter->done = done;
        waiter->arg = arg;
        flush(journal);
        waiter->segment = last_segment(journal);
        waiter->segment->waited_for++;
        pthread_mutex_lock(&journal->lock);
        *journal->last = waiter;
        journal->last = &waiter->next;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->lock);
}

uint64_t
journal_begin_segment(struct journal *journal)
{
        start_segment(journal);
        return journal->end;
}

void
journal_drop_below(struct journal *journal, uint64_t position)
{
        for (LIST_EACH(segment, &journal->segments, struct segment, in_journal)) {
                if (segment->end > position || segment == last_segment(journal))
                        return;
                remove_segment(journal, segment, true);
        }
}
