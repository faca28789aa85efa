/*
 * lmdb.c - the engine on one machine: an LMDB environment in the store's directory
 *
 * Files: data.mdb and lock.mdb are LMDB's; `owner` is locked while a process writes here and holds its PID, and once the store has been
 * stamped also program and format, so that an emptied data.mdb is not taken for a new store. LMDB maps data.mdb: a file shorter than its
 * last page would end the process at the first read, hence the check at the start and the room that is always kept behind the last page.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "shared/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
        TABLES_MAX = 64,
        READERS = 1024,
        LOCK_FILE_BYTES = (READERS + 8) * 64,
        ROOM_BYTES = 1 << 20, /* sparse; kept behind the last page */
};

struct engine {
        char *dir;
        int owner; /* the locked file; -1 when reading only */
        MDB_env *env;
        MDB_dbi tables[TABLES_MAX];
        bool there[TABLES_MAX]; /* false: reading only, and nobody has made this table yet */
        size_t count;
        MDB_txn *writing;
        size_t to_come;    /* about the bytes that the open transaction adds */
        size_t file_bytes; /* of data.mdb */
        size_t page_bytes;
};

struct view {
        struct engine *engine;
        MDB_txn *txn;
};

/* ---- what went wrong, as a sentence ---- */

static int
explain(struct err *err, const char *dir, int rc)
{
        switch (rc) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
                return err_set(err, "%s/data.mdb: no space left (%s); make room on that file system", dir, strerror(rc));
        case EIO: /* LMDB's word for a write that came out short, too */
                return err_set(
                        err, "%s/data.mdb: cannot be written: no space left, or the disk fails; look at that file system", dir);
        case MDB_MAP_FULL:
                return err_set(
                        err, "%s/data.mdb: the address space set aside for the store is used up; raise store { map-size }", dir);
        case ENOMEM:
                return err_set(err, "%s: the system gives no address space for the store; lower store { map-size }", dir);
        case MDB_INVALID:
        case MDB_CORRUPTED:
        case MDB_PAGE_NOTFOUND:
        case MDB_PANIC:
                return err_set(err,
                        "%s/data.mdb: damaged (%s); nothing was changed; restore a backup, or move the directory away to start anew",
                        dir, mdb_strerror(rc));
        case MDB_VERSION_MISMATCH:
                return err_set(err, "%s/data.mdb: written by another version of LMDB; restore a backup made with this one", dir);
        case EACCES:
        case EPERM:
        case EROFS:
                return err_set(
                        err, "%s: %s; the directory and its files must belong to the user this program runs as", dir, strerror(rc));
        default:
                return err_set(err, "%s: %s", dir, mdb_strerror(rc));
        }
}

/* ---- the directory, its lock and its stamp ---- */

struct owner_note {
        long pid;
        char program[32];
        unsigned format;
};

static void
read_owner(int fd, struct owner_note *note)
{
        char text[128] = "";
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        *note = (struct owner_note){ 0 };
        if (n > 0)
                sscanf(text, "%ld %31s %u", &note->pid, note->program, &note->format);
}

static int
write_owner(const struct engine *engine, const struct owner_note *note, struct err *err)
{
        char text[128];
        int len = snprintf(text, sizeof(text), "%ld %s %u\n", note->pid, note->program, note->format);

        if (pwrite(engine->owner, text, (size_t)len, 0) != len || ftruncate(engine->owner, len) != 0)
                return explain(err, engine->dir, errno == 0 ? ENOSPC : errno);
        return 0;
}

/* flock goes with the process, however it ends. */
static int
take_ownership(struct engine *engine, struct owner_note *note, struct err *err)
{
        char path[4096];
        snprintf(path, sizeof(path), "%s/owner", engine->dir);
        engine->owner = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (engine->owner < 0)
                return explain(err, engine->dir, errno);
        read_owner(engine->owner, note);
        if (flock(engine->owner, LOCK_EX | LOCK_NB) != 0) {
                if (errno != EWOULDBLOCK)
                        return err_set(err, "%s: %s", path, strerror(errno));
                return err_set(err, "%s: in use by PID %ld; stop that process first", engine->dir, note->pid);
        }
        note->pid = (long)getpid();
        return write_owner(engine, note, err);
}

static int
look_at_data_file(const struct engine *engine, const struct owner_note *note, struct err *err)
{
        char path[4096];
        struct stat st;

        snprintf(path, sizeof(path), "%s/data.mdb", engine->dir);
        if (stat(path, &st) != 0)
                return errno == ENOENT ? 0 : err_set(err, "%s: %s", path, strerror(errno));
        if (st.st_size == 0 && note->program[0] != '\0')
                return err_set(err,
                        "%s: damaged (emptied); nothing was changed; restore a backup, or move the directory away to start anew",
                        path);
        return 0;
}

/* A lock file with holes could not be written to on a full disk, and LMDB writes to it through memory. */
static int
set_lock_file_aside(const struct engine *engine, struct err *err)
{
        char path[4096];
        snprintf(path, sizeof(path), "%s/lock.mdb", engine->dir);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return explain(err, engine->dir, errno);
        int rc = posix_fallocate(fd, 0, LOCK_FILE_BYTES);
        close(fd);
        return rc == 0 || rc == EOPNOTSUPP ? 0 : explain(err, engine->dir, rc);
}

/* Readers see zeros behind the last page instead of the end of the file. Costs no disk space; where it cannot be had, writing says why. */
static void
keep_room(struct engine *engine)
{
        MDB_envinfo info;
        int fd;

        mdb_env_info(engine->env, &info);
        size_t used = (info.me_last_pgno + 1) * engine->page_bytes + engine->to_come;
        if (engine->file_bytes >= used + ROOM_BYTES / 2)
                return;
        if (mdb_env_get_fd(engine->env, &fd) == 0 && ftruncate(fd, (off_t)(used + ROOM_BYTES)) == 0)
                engine->file_bytes = used + ROOM_BYTES;
}

static int
check_length(struct engine *engine, struct err *err)
{
        MDB_envinfo info;
        MDB_stat stat_of_env;
        struct stat st;
        int fd;

        mdb_env_info(engine->env, &info);
        mdb_env_stat(engine->env, &stat_of_env);
        mdb_env_get_fd(engine->env, &fd);
        if (fstat(fd, &st) != 0)
                return explain(err, engine->dir, errno);
        engine->page_bytes = stat_of_env.ms_psize;
        engine->file_bytes = (size_t)st.st_size;
        size_t needed = (info.me_last_pgno + 1) * engine->page_bytes;
        if (engine->file_bytes < needed)
                return err_set(err,
                        "%s/data.mdb: damaged (%zu bytes of at least %zu are left); nothing was changed; restore a backup, or move the directory away "
                        "to start anew",
                        engine->dir, engine->file_bytes, needed);
        return 0;
}

static MDB_val
val(const void *bytes, size_t len)
{
        return (MDB_val){ .mv_size = len, .mv_data = (void *)(uintptr_t)bytes };
}

/* The stamp stands in LMDB's unnamed table beside the names of the others. */
static int
check_stamp(const struct engine *engine, MDB_txn *txn, MDB_dbi unnamed, const struct store_options *options, struct err *err)
{
        MDB_val key = val("stamp", 5), value;
        int rc = mdb_get(txn, unnamed, &key, &value);
        if (rc == MDB_NOTFOUND) {
                MDB_stat entries;
                if (mdb_stat(txn, unnamed, &entries) == 0 && entries.ms_entries == 0)
                        return 0;
                return err_set(err, "%s: not a store of %s; name another directory", engine->dir, options->program);
        }
        if (rc != 0)
                return explain(err, engine->dir, rc);

        struct cursor cursor = cursor_on(value.mv_data, value.mv_size);
        uint32_t format = decode_u32(&cursor);
        size_t len;
        const char *program = decode_bytes(&cursor, &len);
        if (cursor.broken)
                return explain(err, engine->dir, MDB_CORRUPTED);
        if (len != strlen(options->program) || memcmp(program, options->program, len) != 0)
                return err_set(err, "%s: this is the store of %.*s; %s needs a directory of its own", engine->dir,
                        (int)(len < 32 ? len : 32), program, options->program);
        if (format > options->format)
                return err_set(err,
                        "%s: its format %u is newer than format %u, which this %s knows; start a newer version or restore a backup",
                        engine->dir, format, options->format, options->program);
        return 0;
}

static int
write_stamp(const struct engine *engine, MDB_txn *txn, MDB_dbi unnamed, const struct store_options *options, struct err *err)
{
        struct buf stamp = { 0 };
        encode_u32(&stamp, options->format);
        encode_text(&stamp, options->program);
        encode_u64(&stamp, (uint64_t)time(NULL)); /* of the last start; writing it proves that writing works */
        MDB_val key = val("stamp", 5), value = val(buf_data(&stamp), stamp.len);
        int rc = mdb_put(txn, unnamed, &key, &value, 0);
        buf_free(&stamp);
        return rc == 0 ? 0 : explain(err, engine->dir, rc);
}

/* Where a table's root or leaf has been overwritten, this says so at the start. */
static int
look_into(const struct engine *engine, MDB_txn *txn, MDB_dbi table, struct err *err)
{
        MDB_cursor *cursor;
        MDB_val key, value;
        int rc = mdb_cursor_open(txn, table, &cursor);
        if (rc == 0) {
                rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
                if (rc == 0)
                        rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
                mdb_cursor_close(cursor);
        }
        return rc == 0 || rc == MDB_NOTFOUND ? 0 : explain(err, engine->dir, rc);
}

static int
open_tables(struct engine *engine, const struct store_options *options, struct err *err)
{
        MDB_txn *txn;
        MDB_dbi unnamed;
        int result = -1;

        int rc = mdb_txn_begin(engine->env, NULL, options->read_only ? MDB_RDONLY : 0, &txn);
        if (rc != 0)
                return explain(err, engine->dir, rc);
        if ((rc = mdb_dbi_open(txn, NULL, 0, &unnamed)) != 0) {
                explain(err, engine->dir, rc);
                goto out;
        }
        if (check_stamp(engine, txn, unnamed, options, err) != 0)
                goto out;
        for (; options->tables[engine->count] != NULL; engine->count++) {
                must(engine->count < TABLES_MAX);
                rc = mdb_dbi_open(
                        txn, options->tables[engine->count], options->read_only ? 0 : MDB_CREATE, &engine->tables[engine->count]);
                engine->there[engine->count] = rc == 0;
                if (rc != 0 && !(rc == MDB_NOTFOUND && options->read_only)) {
                        explain(err, engine->dir, rc);
                        goto out;
                }
                if (rc == 0 && look_into(engine, txn, engine->tables[engine->count], err) != 0)
                        goto out;
        }
        if (!options->read_only && write_stamp(engine, txn, unnamed, options, err) != 0)
                goto out;
        rc = mdb_txn_commit(txn);
        txn = NULL;
        result = rc == 0 ? 0 : explain(err, engine->dir, rc);
out:
        if (txn != NULL)
                mdb_txn_abort(txn);
        return result;
}

static int
open_environment(struct engine *engine, const struct store_options *options, struct err *err)
{
        unsigned flags = MDB_NOTLS | (options->no_sync ? MDB_NOSYNC : 0) | (options->read_only ? MDB_RDONLY : 0);
        int rc = mdb_env_create(&engine->env);
        must(rc == 0);
        mdb_env_set_maxdbs(engine->env, TABLES_MAX);
        mdb_env_set_maxreaders(engine->env, READERS);
        mdb_env_set_mapsize(engine->env, options->map_mib << 20);
        rc = mdb_env_open(engine->env, engine->dir, flags, 0600);
        if (rc != 0)
                return explain(err, engine->dir, rc);
        mdb_reader_check(engine->env, NULL);
        return check_length(engine, err);
}

static int
own_directory(struct engine *engine, const struct store_options *options, struct owner_note *note, struct err *err)
{
        if (mkdir(engine->dir, 0700) != 0 && errno != EEXIST)
                return errno == ENOENT ? err_set(err, "%s: the directory above it does not exist; make it first", engine->dir)
                                       : explain(err, engine->dir, errno);
        if (take_ownership(engine, note, err) != 0)
                return -1;
        if (look_at_data_file(engine, note, err) != 0)
                return -1;
        return set_lock_file_aside(engine, err);
}

/* The names of new files are on disk only when their directory is. */
static int
sync_directory(const struct engine *engine, struct err *err)
{
        int fd = open(engine->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return explain(err, engine->dir, errno);
        int rc = fsync(fd);
        close(fd);
        return rc == 0 || errno == EINVAL ? 0 : explain(err, engine->dir, errno);
}

struct engine *
engine_open(const struct store_options *options, struct err *err)
{
        struct engine *engine = MEM_NEW(engine);
        struct owner_note note = { 0 };

        engine->dir = mem_strdup(options->dir);
        engine->owner = -1;
        if (!options->read_only && own_directory(engine, options, &note, err) != 0)
                goto failed;
        if (open_environment(engine, options, err) != 0)
                goto failed;
        if (!options->read_only)
                keep_room(engine);
        if (open_tables(engine, options, err) != 0)
                goto failed;
        if (options->read_only)
                return engine;
        snprintf(note.program, sizeof(note.program), "%s", options->program);
        note.format = options->format;
        if (write_owner(engine, &note, err) != 0 || (!options->no_sync && sync_directory(engine, err) != 0))
                goto failed;
        return engine;
failed:
        engine_close(&engine);
        return NULL;
}

void
engine_close(struct engine **closed)
{
        struct engine *engine = *closed;
        if (engine == NULL)
                return;
        *closed = NULL;
        if (engine->env != NULL) {
                if (engine->owner >= 0)
                        mdb_env_sync(engine->env, 1);
                mdb_env_close(engine->env);
        }
        if (engine->owner >= 0)
                close(engine->owner);
        mem_free(engine->dir);
        mem_free(engine);
}

int
engine_backup(struct engine *engine, const char *dir, struct err *err)
{
        char path[4096];

        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
                return err_set(err, "%s: %s", dir, strerror(errno));
        snprintf(path, sizeof(path), "%s/data.mdb", dir);
        if (access(path, F_OK) == 0)
                return err_set(err, "%s: there is a store already; name an empty directory", dir);
        int rc = mdb_env_copy2(engine->env, dir, MDB_CP_COMPACT);
        return rc == 0 ? 0 : explain(err, dir, rc);
}

/* ---- writing ---- */

int
engine_begin(struct engine *engine, struct err *err)
{
        int rc = mdb_txn_begin(engine->env, NULL, 0, &engine->writing);
        return rc == 0 ? 0 : explain(err, engine->dir, rc);
}

static int
remove_prefix(MDB_txn *txn, MDB_dbi table, const void *prefix, size_t prefix_len)
{
        MDB_cursor *cursor;
        MDB_val key = val(prefix, prefix_len), value;
        int rc = mdb_cursor_open(txn, table, &cursor);
        if (rc != 0)
                return rc;

        /* Where a cursor stands after a removal depends on the page: look for the prefix anew each time. */
        while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)) == 0) {
                if (key.mv_size < prefix_len || memcmp(key.mv_data, prefix, prefix_len) != 0)
                        break;
                if ((rc = mdb_cursor_del(cursor, 0)) != 0)
                        break;
                key = val(prefix, prefix_len);
        }
        mdb_cursor_close(cursor);
        return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
write_one(MDB_txn *txn, MDB_dbi table, const struct operation *operation, const char *key_bytes, const char *value_bytes)
{
        MDB_val key = val(key_bytes, operation->key_len), value = val(value_bytes, operation->value_len);
        int rc;

        switch (operation->kind) {
        case PUT:
                return mdb_put(txn, table, &key, &value, 0);
        case REMOVE:
                rc = mdb_del(txn, table, &key, NULL);
                return rc == MDB_NOTFOUND ? 0 : rc;
        case REMOVE_PREFIX:
                return remove_prefix(txn, table, key_bytes, operation->key_len);
        default:
                return 0;
        }
}

/* 0: as expected, 1: not, otherwise an error of LMDB. */
static int
compare_one(MDB_txn *txn, MDB_dbi table, const struct operation *operation, const char *key_bytes, const char *value_bytes)
{
        MDB_val key = val(key_bytes, operation->key_len), value;

        if (operation->kind != EXPECT_ABSENT && operation->kind != EXPECT)
                return 0;
        int rc = mdb_get(txn, table, &key, &value);
        if (rc == MDB_NOTFOUND)
                return operation->kind == EXPECT;
        if (rc != 0)
                return rc;
        return operation->kind == EXPECT_ABSENT || value.mv_size != operation->value_len ||
                memcmp(value.mv_data, value_bytes, value.mv_size) != 0;
}

static int
compare_all(const struct engine *engine, const struct buf *operations)
{
        struct operation operation;
        const char *key, *value;

        for (size_t at = 0; operation_next(operations, &at, &operation, &key, &value);) {
                int rc = compare_one(engine->writing, engine->tables[operation.table], &operation, key, value);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int
write_all(const struct engine *engine, MDB_txn *txn, const struct buf *operations)
{
        struct operation operation;
        const char *key, *value;

        for (size_t at = 0; operation_next(operations, &at, &operation, &key, &value);) {
                int rc = write_one(txn, engine->tables[operation.table], &operation, key, value);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static int
write_sheltered(const struct engine *engine, const struct buf *operations)
{
        MDB_txn *shelter;
        int rc = mdb_txn_begin(engine->env, engine->writing, 0, &shelter);
        if (rc != 0)
                return rc;
        rc = write_all(engine, shelter, operations);
        if (rc == 0)
                return mdb_txn_commit(shelter);
        mdb_txn_abort(shelter);
        return rc;
}

enum store_outcome
engine_apply(struct engine *engine, const struct buf *operations, bool sheltered, struct err *err)
{
        int rc = compare_all(engine, operations);
        if (rc == 1)
                return STORE_CONFLICT;
        engine->to_come += operations->len * 2;
        keep_room(engine);
        if (rc == 0)
                rc = sheltered ? write_sheltered(engine, operations) : write_all(engine, engine->writing, operations);
        if (rc == 0)
                return STORE_DONE;
        explain(err, engine->dir, rc);
        return STORE_FAILED;
}

void
engine_abort(struct engine *engine)
{
        mdb_txn_abort(engine->writing);
        engine->writing = NULL;
        engine->to_come = 0;
}

int
engine_commit(struct engine *engine, struct err *err)
{
        int rc = mdb_txn_commit(engine->writing);
        engine->writing = NULL;
        engine->to_come = 0;
        return rc == 0 ? 0 : explain(err, engine->dir, rc);
}

/* LMDB does not tell where it has mapped the file, and where that is may change. */
void
engine_rest(struct engine *engine)
{
        FILE *maps = fopen("/proc/self/maps", "re");
        struct stat st;
        char line[PATH_MAX + 100];
        int fd;

        if (maps == NULL)
                return;
        bool is_known = mdb_env_get_fd(engine->env, &fd) == 0 && fstat(fd, &st) == 0;
        while (is_known && fgets(line, sizeof(line), maps) != NULL) {
                unsigned long from, to, inode;
                char shared;
                if (sscanf(line, "%lx-%lx %*3c%c %*x %*x:%*x %lu", &from, &to, &shared, &inode) == 4 && shared == 's' &&
                        inode == (unsigned long)st.st_ino)
                        madvise((void *)from, to - from, MADV_DONTNEED);
        }
        fclose(maps);
}

void
engine_tidy(struct engine *engine)
{
        mdb_reader_check(engine->env, NULL);
}

/* ---- reading ---- */

struct view *
view_new(struct engine *engine)
{
        MDB_txn *txn;
        if (mdb_txn_begin(engine->env, NULL, MDB_RDONLY, &txn) != 0)
                return NULL;
        struct view *view = MEM_NEW(view);
        view->engine = engine;
        view->txn = txn;
        return view;
}

bool
view_renew(struct view *view)
{
        return mdb_txn_renew(view->txn) == 0;
}

void
view_rest(struct view *view)
{
        mdb_txn_reset(view->txn);
}

void
view_free(struct view **view)
{
        if (*view == NULL)
                return;
        mdb_txn_abort((*view)->txn);
        mem_free(*view);
        *view = NULL;
}

bool
view_get(struct view *view, int table, const void *key_bytes, size_t key_len, const void **value_bytes, size_t *value_len)
{
        MDB_val key = val(key_bytes, key_len), value;

        if (!view->engine->there[table] || mdb_get(view->txn, view->engine->tables[table], &key, &value) != 0)
                return false;
        *value_bytes = value.mv_data;
        *value_len = value.mv_size;
        return true;
}

void
view_scan(struct view *view, int table, const void *prefix, size_t prefix_len, size_t limit, store_each *each, void *arg)
{
        MDB_cursor *cursor;
        MDB_val key = val(prefix, prefix_len), value;

        if (!view->engine->there[table] || mdb_cursor_open(view->txn, view->engine->tables[table], &cursor) != 0)
                return;
        int rc = mdb_cursor_get(cursor, &key, &value, prefix_len > 0 ? MDB_SET_RANGE : MDB_FIRST);
        for (size_t n = 0; rc == 0 && (limit == 0 || n < limit); n++) {
                if (key.mv_size < prefix_len || memcmp(key.mv_data, prefix, prefix_len) != 0)
                        break;
                if (!each(arg, key.mv_data, key.mv_size, value.mv_data, value.mv_size))
                        break;
                rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
}
