/* journal.h - what a worker must know again after the process was killed: an append-only log of its own
 *
 * What is appended during a loop turn is written at its end, in one system call, before anything that was sent in that turn leaves (worker.h):
 * so whoever has seen an effect finds its cause in the journal, whenever the process is killed. Against the end of the machine it is safe once
 * it has been synced. Positions grow for ever and name a record as long as the segment that holds it has not been dropped: the owner writes
 * what is still alive into a new segment from time to time and drops the old ones. At the next start all journals of the directory are
 * replayed, whatever the number of workers was, and discarded.
 *
 * A record that was only half written, or that a crash of the machine damaged, ends the replay of its journal: what comes out is always a
 * prefix of what went in, and holds everything that was synced.
 */
#ifndef SHARED_STORE_JOURNAL_H
#define SHARED_STORE_JOURNAL_H

#include "shared/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

enum { JOURNAL_RECORD_MAX = 32 * 1024 * 1024 };

/* One part of a record. */
struct piece {
        const void *bytes;
        size_t len;
};

/* On the worker that will write it. The directory is made if absent (mode 0700). Files of an earlier run with this index must have been
 * discarded. segment_bytes: size of one file. NULL with a sentence. */
struct journal *journal_open(const char *dir, int index, size_t segment_bytes, struct err *err);
/* Writes what waits, ends the syncing thread; calls no further done. The files stay, for journal_replay. */
void journal_close(struct journal **journal);

/* Appends a record made of these pieces (together 1..JOURNAL_RECORD_MAX bytes); returns its position, never 0. A disk that does not take it at
 * the end of the turn ends the process with status 3. */
uint64_t journal_append(struct journal *journal, const struct piece *pieces, int count);
/* The bytes of a record; valid until the next call for this journal. */
const void *journal_read(struct journal *journal, uint64_t position, size_t *len);
/* The position behind the last record. */
uint64_t journal_end(const struct journal *journal);

/* Less than a few megabytes are left for what is appended, and the disk has no more: whoever takes work in should pause. Looked at with every
 * write and every sync. */
bool journal_is_full(const struct journal *journal);

/* When everything appended so far is on disk (fdatasync on a thread of the journal's own; one sync serves all that ask meanwhile), done(arg)
 * runs on the owner's worker, in the order of asking. Never from inside this call. A disk that fails to sync ends the process with status 3. */
void journal_sync(struct journal *journal, void (*done)(void *arg), void *arg);

/* What is appended from now on goes into a new segment. Returns the first position of it. */
uint64_t journal_begin_segment(struct journal *journal);
/* Records below are no longer needed: segments that end at or before this position are removed. The owner has synced what replaces them. */
void journal_drop_below(struct journal *journal, uint64_t position);

/* At start, before any worker: calls each(arg, bytes, len) for all records of all journals of the directory, those of one journal in order,
 * journal after journal; the bytes stay valid until journal_replay_end. *machine_died tells that the files were written before the machine's
 * last boot (they may then be older than what peers have seen). -1 with a sentence if a file cannot be read; a directory that is not there
 * has no journals. */
struct replay;
int journal_replay(const char *dir, struct replay **replay, bool *machine_died,
        void (*each)(void *arg, const void *bytes, size_t len), void *arg, struct err *err);
/* discard: the files are removed, all or none, what they said is in the store now. */
void journal_replay_end(struct replay **replay, bool discard);

/* For tests, before journals are opened: every sync takes so much longer; every sync fails. */
void journal_make_slow(unsigned ms);
void journal_make_fail(void);

#endif
