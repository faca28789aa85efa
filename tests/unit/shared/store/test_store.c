/* test_store.c - batches, reading, opening what is there, and a kill in the middle of writing */
#include "shared/store/store.h"

#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "shared/store/codec.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { FIRST, SECOND };
static const char *const tables[] = { "first", "second", NULL };
static char dir[64];

static struct store_options
usual_options(void)
{
        return (struct store_options){
                .dir = dir, .program = "test", .format = 3, .tables = tables, .map_mib = 64, .no_sync = true
        };
}

static struct store *
open_store(void)
{
        struct store_options options = usual_options();
        struct err err = { "" };
        struct store *store = store_open(&options, &err);
        if (store == NULL)
                fail_msg("%s", err.text);
        return store;
}

static void
put(struct store *store, int table, const char *key, const char *value)
{
        struct batch *batch = batch_new(store);
        batch_put(batch, table, key, strlen(key), value, strlen(value));
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
}

static bool
has(struct store *store, int table, const char *key, const char *value)
{
        const void *found;
        size_t len;
        if (!store_get(store, table, key, strlen(key), &found, &len))
                return false;
        assert_non_null(value);
        assert_int_equal(len, strlen(value));
        assert_memory_equal(found, value, len);
        return true;
}

static int
make_dir(void **state)
{
        snprintf(dir, sizeof(dir), "/tmp/test_store.XXXXXX");
        return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
        static const char *const names[] = { "data.mdb", "lock.mdb", "owner", "copy/data.mdb", "copy/lock.mdb", "copy/owner" };
        char path[128];
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                unlink(path);
        }
        snprintf(path, sizeof(path), "%s/copy", dir);
        rmdir(path);
        return rmdir(dir);
}

static void
finds_what_was_put_in_its_table_only(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "juliet", "capulet");
        assert_true(has(store, FIRST, "juliet", "capulet"));
        assert_false(has(store, SECOND, "juliet", NULL));
        assert_false(has(store, FIRST, "julie", NULL));
        store_close(&store);
        assert_null(store);
}

static void
keeps_everything_over_a_restart(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "key", "value");
        put(store, SECOND, "empty", "");
        store_close(&store);
        store = open_store();
        assert_true(has(store, FIRST, "key", "value"));
        assert_true(has(store, SECOND, "empty", ""));
        store_close(&store);
}

static void
removes_keys_and_prefixes(void **state)
{
        struct store *store = open_store();
        struct batch *batch = batch_new(store);
        char key[16];
        for (int i = 0; i < 2000; i++) {
                int len = snprintf(key, sizeof(key), "%c%05d", i % 2 ? 'a' : 'b', i);
                batch_put(batch, FIRST, key, (size_t)len, "value", 5);
        }
        batch_put(batch, FIRST, "c", 1, "stays", 5);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);

        batch = batch_new(store);
        batch_remove_prefix(batch, FIRST, "b", 1);
        batch_remove(batch, FIRST, "a00001", 6);
        batch_remove(batch, FIRST, "nobody", 6);
        batch_remove_prefix(batch, FIRST, "nothing", 7);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_false(has(store, FIRST, "b00000", NULL));
        assert_false(has(store, FIRST, "b01998", NULL));
        assert_false(has(store, FIRST, "a00001", NULL));
        assert_true(has(store, FIRST, "a00003", "value"));
        assert_true(has(store, FIRST, "a01999", "value"));
        assert_true(has(store, FIRST, "c", "stays"));
        store_close(&store);
}

static bool
note_keys(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct buf *out = arg;
        buf_put(out, key, key_len);
        buf_putc(out, '=');
        buf_put(out, value, value_len);
        buf_putc(out, ' ');
        return memcmp(key, "stop", key_len < 4 ? key_len : 4) != 0;
}

static void
scans_a_prefix_in_order(void **state)
{
        struct store *store = open_store();
        struct buf seen = { 0 };
        put(store, FIRST, "b2", "4");
        put(store, FIRST, "b", "2");
        put(store, FIRST, "a", "1");
        put(store, FIRST, "b1", "3");
        put(store, FIRST, "c", "5");
        store_scan(store, FIRST, "b", 1, 0, note_keys, &seen);
        assert_string_equal(buf_text(&seen), "b=2 b1=3 b2=4 ");
        buf_clear(&seen);
        store_scan(store, FIRST, "b", 1, 2, note_keys, &seen);
        assert_string_equal(buf_text(&seen), "b=2 b1=3 ");
        buf_clear(&seen);
        store_scan(store, FIRST, "", 0, 0, note_keys, &seen);
        assert_string_equal(buf_text(&seen), "a=1 b=2 b1=3 b2=4 c=5 ");
        put(store, SECOND, "start", "");
        put(store, SECOND, "stop", "");
        put(store, SECOND, "stopped", "");
        buf_clear(&seen);
        store_scan(store, SECOND, "st", 2, 0, note_keys, &seen);
        assert_string_equal(buf_text(&seen), "start= stop= ");
        buf_free(&seen);
        store_close(&store);
}

static void
a_failed_expectation_undoes_the_whole_batch(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "there", "one");

        struct batch *batch = batch_new(store);
        batch_put(batch, FIRST, "new", 3, "x", 1);
        batch_expect_absent(batch, FIRST, "there", 5);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);
        assert_false(has(store, FIRST, "new", NULL));

        batch = batch_new(store);
        batch_put(batch, FIRST, "new", 3, "x", 1);
        batch_expect(batch, FIRST, "there", 5, "two", 3);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);
        batch = batch_new(store);
        batch_expect(batch, FIRST, "absent", 6, "two", 3);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);

        batch = batch_new(store);
        batch_expect(batch, FIRST, "there", 5, "one", 3);
        batch_expect_absent(batch, FIRST, "absent", 6);
        batch_put(batch, FIRST, "there", 5, "two", 3);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_true(has(store, FIRST, "there", "two"));
        store_close(&store);
}

static void
an_empty_batch_is_a_barrier(void **state)
{
        struct store_options options = usual_options();
        struct err err;
        options.no_sync = false;
        struct store *store = store_open(&options, &err);
        assert_non_null(store);
        for (int i = 0; i < 1000; i++) {
                struct batch *batch = batch_new(store);
                char key[16];
                int len = snprintf(key, sizeof(key), "%d", i);
                batch_put(batch, FIRST, key, (size_t)len, "x", 1);
                batch_commit(batch, NULL, NULL);
        }
        assert_int_equal(batch_commit_wait(batch_new(store)), STORE_DONE);
        assert_true(has(store, FIRST, "999", "x"));
        struct store_counters counters;
        store_counters(store, &counters);
        assert_int_equal(counters.batches, 1001);
        assert_int_equal(counters.puts, 1000);
        assert_int_equal(counters.waiting, 0);
        assert_in_range(counters.commits, 2, 999);
        store_close(&store);
}

static void
closing_waits_for_what_was_handed_in(void **state)
{
        struct store *store = open_store();
        struct batch *batch = batch_new(store);
        batch_put(batch, FIRST, "last", 4, "words", 5);
        batch_commit(batch, NULL, NULL);
        store_close(&store);
        store = open_store();
        assert_true(has(store, FIRST, "last", "words"));
        store_close(&store);
}

/* Several threads with batches of which every third conflicts: all others are whole. */
struct crowd {
        struct store *store;
        int number;
};

static void *
write_in_a_crowd(void *arg)
{
        struct crowd *crowd = arg;
        for (int i = 0; i < 200; i++) {
                char a[32], b[32];
                int a_len = snprintf(a, sizeof(a), "%d-%d-a", crowd->number, i),
                    b_len = snprintf(b, sizeof(b), "%d-%d-b", crowd->number, i);
                struct batch *batch = batch_new(crowd->store);
                batch_put(batch, FIRST, a, (size_t)a_len, "1", 1);
                if (i % 3 == 0)
                        batch_expect_absent(batch, FIRST, "taken", 5);
                batch_put(batch, FIRST, b, (size_t)b_len, "2", 1);
                assert_int_equal(batch_commit_wait(batch), i % 3 == 0 ? STORE_CONFLICT : STORE_DONE);
                assert_int_equal(has(crowd->store, FIRST, a, "1"), i % 3 != 0);
                assert_int_equal(has(crowd->store, FIRST, b, "2"), i % 3 != 0);
        }
        store_read_end(crowd->store);
        return NULL;
}

static void
a_failed_batch_does_not_spoil_its_neighbours(void **state)
{
        struct store *store = open_store();
        pthread_t threads[4];
        struct crowd crowd[4];
        put(store, FIRST, "taken", "yes");
        for (int i = 0; i < 4; i++) {
                crowd[i] = (struct crowd){ store, i };
                pthread_create(&threads[i], NULL, write_in_a_crowd, &crowd[i]);
        }
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        store_close(&store);
}

static void
what_was_read_stays_while_others_write(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "key", "before");
        const void *before, *after;
        size_t len;
        assert_true(store_get(store, FIRST, "key", 3, &before, &len));
        struct batch *batch = batch_new(store);
        batch_put(batch, FIRST, "key", 3, "after!", 6);
        batch_commit(batch, NULL, NULL);
        struct store_counters counters;
        do {
                store_counters(store, &counters);
        } while (counters.waiting > 0);
        assert_true(store_get(store, FIRST, "key", 3, &after, &len));
        assert_memory_equal(before, "before", 6);
        assert_memory_equal(after, "after!", 6);
        store_read_end(store);
        store_close(&store);
}

/* A worker that writes 500 batches in one turn and reads each when it hears of it. */
struct diligent {
        struct letter letter;
        struct store *store;
        struct worker *worker;
        uint32_t heard;
        int wrong;
};

static void
hear(void *arg, enum store_outcome outcome)
{
        struct diligent *diligent = arg;
        const void *value;
        size_t len;
        uint32_t at = diligent->heard++;

        diligent->wrong += worker_here() != diligent->worker || outcome != STORE_DONE;
        diligent->wrong += !store_get(diligent->store, FIRST, &at, sizeof(at), &value, &len) || len != sizeof(at) ||
                memcmp(value, &at, len) != 0;
        if (diligent->heard == 500)
                worker_stop(diligent->worker);
}

static void
begin(struct letter *letter)
{
        struct diligent *diligent = container_of(letter, struct diligent, letter);
        const void *value;
        size_t len;

        diligent->wrong += store_get(diligent->store, FIRST, "none", 4, &value, &len);
        for (uint32_t i = 0; i < 500; i++) {
                struct batch *batch = batch_new(diligent->store);
                batch_put(batch, FIRST, &i, sizeof(i), &i, sizeof(i));
                batch_commit(batch, hear, diligent);
        }
}

static void
workers_hear_in_order_and_find_what_they_hear_of(void **state)
{
        struct store *store = open_store();
        struct diligent diligent[3];
        for (int i = 0; i < 3; i++) {
                diligent[i] = (struct diligent){ .store = store, .worker = worker_new("diligent", i) };
                diligent[i].letter.open = begin;
                worker_post(diligent[i].worker, &diligent[i].letter);
                worker_start(diligent[i].worker);
        }
        for (int i = 0; i < 3; i++) {
                worker_join(diligent[i].worker);
                assert_int_equal(diligent[i].heard, 500);
                assert_int_equal(diligent[i].wrong, 0);
                worker_free(&diligent[i].worker);
        }
        store_close(&store);
}

static void
expect_refusal(const struct store_options *options, const char *part)
{
        struct err err = { "" };
        struct store *store = store_open(options, &err);
        assert_null(store);
        if (strstr(err.text, part) == NULL || strstr(err.text, dir) == NULL)
                fail_msg("\"%s\" does not say \"%s\"", err.text, part);
}

static void
write_file(const char *name, const void *bytes, size_t len, off_t cut)
{
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        if (cut >= 0)
                assert_int_equal(ftruncate(fd, cut), 0);
        if (len > 0)
                assert_int_equal(write(fd, bytes, len), len);
        close(fd);
}

static off_t
file_size(const char *name)
{
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static void
refuses_a_second_writer_and_names_the_first(void **state)
{
        struct store *store = open_store();
        struct store_options options = usual_options();
        char pid[32];
        snprintf(pid, sizeof(pid), "in use by PID %ld", (long)getpid());
        expect_refusal(&options, pid);
        put(store, FIRST, "still", "fine");
        store_close(&store);
}

static void
refuses_a_newer_format_and_another_program(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "key", "value");
        store_close(&store);
        struct store_options options = usual_options();
        options.format = 2;
        expect_refusal(&options, "format 3 is newer than format 2");
        options = usual_options();
        options.program = "other";
        expect_refusal(&options, "this is the store of test");
        store = open_store();
        assert_true(has(store, FIRST, "key", "value"));
        store_close(&store);
}

static void
refuses_what_is_damaged_and_leaves_it_alone(void **state)
{
        struct store_options options = usual_options();
        char garbage[8192];
        memset(garbage, 'x', sizeof(garbage));

        struct store *store = open_store();
        put(store, FIRST, "key", "value");
        store_close(&store);
        write_file("data.mdb", garbage, sizeof(garbage), -1);
        off_t size = file_size("data.mdb");
        expect_refusal(&options, "damaged");
        assert_int_equal(file_size("data.mdb"), size);

        write_file("data.mdb", garbage, 100, 0);
        expect_refusal(&options, "damaged");
        assert_int_equal(file_size("data.mdb"), 100);

        write_file("data.mdb", NULL, 0, 0);
        expect_refusal(&options, "damaged (emptied)");
        assert_int_equal(file_size("data.mdb"), 0);
}

static void
refuses_what_was_cut_off(void **state)
{
        struct store_options options = usual_options();
        struct store *store = open_store();
        struct batch *batch = batch_new(store);
        for (int i = 0; i < 1000; i++) {
                char key[16];
                int len = snprintf(key, sizeof(key), "%d", i);
                batch_put(batch, FIRST, key, (size_t)len, "a value of some length, so that pages are used", 46);
        }
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        store_close(&store);
        write_file("data.mdb", NULL, 0, 16384);
        expect_refusal(&options, "damaged (16384 bytes");
        assert_int_equal(file_size("data.mdb"), 16384);
}

static void
refuses_a_directory_it_cannot_use(void **state)
{
        struct store_options options = usual_options();
        char path[128];
        snprintf(path, sizeof(path), "%s/not/there", dir);
        options.dir = path;
        expect_refusal(&options, "the directory above it does not exist");
        write_file("owner", NULL, 0, -1);
        snprintf(path, sizeof(path), "%s/owner", dir);
        expect_refusal(&options, "Not a directory");
}

static void
another_process_may_read_while_one_writes(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "key", "value");
        pid_t pid = fork();
        if (pid == 0) {
                struct store_options options = usual_options();
                options.read_only = true;
                const void *value;
                size_t len;
                char program[128];
                snprintf(program, sizeof(program), "%s", dir);
                struct store *view = store_open(&options, NULL);
                int ok = view != NULL && store_get(view, FIRST, "key", 3, &value, &len) && len == 5 &&
                        memcmp(value, "value", 5) == 0;
                _exit(ok ? 0 : 1);
        }
        int status;
        waitpid(pid, &status, 0);
        assert_int_equal(status, 0);
        put(store, FIRST, "more", "value");
        store_close(&store);
}

static void
a_backup_opens_as_a_store(void **state)
{
        struct store *store = open_store();
        struct err err = { "" };
        char copy[128];
        snprintf(copy, sizeof(copy), "%s/copy", dir);
        put(store, FIRST, "key", "value");
        assert_int_equal(store_backup(store, copy, &err), 0);
        assert_int_equal(store_backup(store, copy, &err), -1);
        assert_non_null(strstr(err.text, "there is a store already"));
        store_close(&store);

        struct store_options options = usual_options();
        options.dir = copy;
        store = store_open(&options, &err);
        assert_non_null(store);
        assert_true(has(store, FIRST, "key", "value"));
        store_close(&store);
}

static void
says_when_the_map_is_full_and_accepts_nothing_more(void **state)
{
        struct store_options options = usual_options();
        struct err err;
        options.map_mib = 1;
        struct store *store = store_open(&options, &err);
        assert_non_null(store);
        put(store, FIRST, "key", "value");
        char *large = calloc(1, 2 << 20);
        struct batch *batch = batch_new(store);
        batch_put(batch, FIRST, "large", 5, large, 2 << 20);
        assert_int_equal(batch_commit_wait(batch), STORE_FAILED);
        free(large);
        batch = batch_new(store);
        batch_put(batch, FIRST, "small", 5, "", 0);
        assert_int_equal(batch_commit_wait(batch), STORE_FAILED);
        assert_true(has(store, FIRST, "key", "value"));
        assert_false(has(store, FIRST, "large", NULL));
        store_close(&store);
        store = open_store();
        assert_true(has(store, FIRST, "key", "value"));
        store_close(&store);
}

static void
says_when_there_is_no_address_space(void **state)
{
        struct store_options options = usual_options();
        options.map_mib = (size_t)1 << 40;
        expect_refusal(&options, "lower store { map-size }");
}

/* In a child, since the limit on the size of files cannot be taken back there. */
static int
write_until_the_disk_is_full(void)
{
        struct store_options options = usual_options();
        struct rlimit limit = { 3 << 20, 3 << 20 };
        char value[65536] = "";
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
                return 2;
        struct store *store = store_open(&options, NULL);
        if (store == NULL)
                return 3;
        for (uint32_t i = 0; i < 1000; i++) {
                struct batch *batch = batch_new(store);
                batch_put(batch, FIRST, &i, sizeof(i), value, sizeof(value));
                enum store_outcome outcome = batch_commit_wait(batch);
                if (outcome != STORE_DONE)
                        return outcome == STORE_FAILED && i > 10 ? 0 : 4;
        }
        return 5;
}

static void
a_full_disk_fails_batches_and_spoils_nothing(void **state)
{
        struct store *store = open_store();
        put(store, FIRST, "key", "value");
        store_close(&store);
        int status;
        pid_t pid = fork();
        if (pid == 0)
                _exit(write_until_the_disk_is_full());
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        store = open_store();
        assert_true(has(store, FIRST, "key", "value"));
        store_close(&store);
}

/* Writes batches of three puts from two threads and reports each one that is acknowledged as four bytes. */
struct reporter {
        struct store *store;
        int out;
        uint32_t number;
};

static void *
write_and_report(void *arg)
{
        struct reporter *reporter = arg;
        for (uint32_t i = reporter->number;; i += 2) {
                struct batch *batch = batch_new(reporter->store);
                for (unsigned char part = 0; part < 3; part++) {
                        struct buf key = { 0 };
                        encode_u32(&key, i);
                        encode_u8(&key, part);
                        char value[300];
                        memset(value, (int)(i + part), sizeof(value));
                        batch_put(batch, part == 2 ? SECOND : FIRST, buf_data(&key), key.len, value, sizeof(value));
                        buf_free(&key);
                }
                if (batch_commit_wait(batch) != STORE_DONE || write(reporter->out, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static void
write_until_killed(int out, uint32_t from)
{
        struct store_options options = usual_options();
        options.no_sync = false;
        struct store *store = store_open(&options, NULL);
        if (store == NULL)
                _exit(1);
        struct reporter reporters[2] = { { store, out, from }, { store, out, from + 1 } };
        pthread_t thread;
        pthread_create(&thread, NULL, write_and_report, &reporters[0]);
        write_and_report(&reporters[1]);
}

static bool
is_whole(struct store *store, uint32_t i)
{
        int parts = 0;
        for (unsigned char part = 0; part < 3; part++) {
                struct buf key = { 0 };
                encode_u32(&key, i);
                encode_u8(&key, part);
                const void *value;
                size_t len;
                if (store_get(store, part == 2 ? SECOND : FIRST, buf_data(&key), key.len, &value, &len)) {
                        assert_int_equal(len, 300);
                        assert_int_equal(((const unsigned char *)value)[299], (unsigned char)(i + part));
                        parts++;
                }
                buf_free(&key);
        }
        assert_true(parts == 0 || parts == 3);
        return parts == 3;
}

static void
what_was_acknowledged_survives_a_kill(void **state)
{
        static uint32_t acknowledged[1 << 20];
        size_t count = 0;
        uint32_t highest = 0;

        srand((unsigned)time(NULL));
        for (int round = 0; round < 20; round++) {
                int ends[2];
                assert_int_equal(pipe(ends), 0);
                pid_t pid = fork();
                if (pid == 0) {
                        close(ends[0]);
                        write_until_killed(ends[1], highest + 100);
                }
                close(ends[1]);
                /* It writes as soon as the first acknowledgement is there. */
                struct pollfd first = { .fd = ends[0], .events = POLLIN };
                assert_int_equal(poll(&first, 1, 60000), 1);
                struct timespec while_writing = { 0, (5 + rand() % 60) * 1000000L };
                nanosleep(&while_writing, NULL);
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                uint32_t i;
                while (read(ends[0], &i, sizeof(i)) == sizeof(i) && count < sizeof(acknowledged) / sizeof(acknowledged[0])) {
                        acknowledged[count++] = i;
                        highest = i > highest ? i : highest;
                }
                close(ends[0]);

                struct store *store = open_store();
                for (size_t at = 0; at < count; at++)
                        if (!is_whole(store, acknowledged[at]))
                                fail_msg("batch %u of round %d is lost", acknowledged[at], round);
                for (uint32_t one = 0; one <= highest + 10; one++)
                        is_whole(store, one);
                store_close(&store);
        }
        assert_true(count >= 20);
}

/* How much of the data file stands in this process's memory. */
static long
mapped_kib(void)
{
        FILE *smaps = fopen("/proc/self/smaps", "re");
        char line[400];
        long kib = -1;
        bool is_ours = false;

        assert_non_null(smaps);
        while (fgets(line, sizeof(line), smaps) != NULL) {
                if (strchr(line, '-') != NULL && strchr(line, '/') != NULL)
                        is_ours = strstr(line, dir) != NULL && strstr(line, "data.mdb") != NULL;
                if (is_ours && sscanf(line, "Rss: %ld kB", &kib) == 1)
                        break;
        }
        fclose(smaps);
        return kib;
}

static void
what_was_read_leaves_memory_and_is_still_there(void **state)
{
        static char value[200 * 1024];
        struct store *store = open_store();
        char key[20];

        memset(value, 'v', sizeof(value) - 1);
        for (int i = 0; i < 10; i++) {
                snprintf(key, sizeof(key), "key%d", i);
                put(store, FIRST, key, value);
                assert_true(has(store, FIRST, key, value));
        }
        assert_true(mapped_kib() > 1000);
        const void *found;
        size_t len;
        assert_true(store_get(store, FIRST, "key3", 4, &found, &len));
        store_rest(store);
        assert_in_range(mapped_kib(), 0, 100);
        assert_memory_equal(found, value, len); /* what was lent before stays good */
        assert_true(has(store, FIRST, "key9", value));
        store_read_end(store);
        store_close(&store);
}

static uint64_t
commits_of(struct store *store)
{
        struct store_counters counters;
        store_counters(store, &counters);
        return counters.commits;
}

static void
put_later(struct store *store, const char *value)
{
        struct batch *batch = batch_new(store);
        batch_put(batch, FIRST, "patient", 7, value, strlen(value));
        batch_commit_later(batch, NULL, NULL);
}

static void
what_nobody_waits_for_goes_with_the_next(void **state)
{
        struct store *store = open_store();
        uint64_t before = commits_of(store);
        put_later(store, "one");
        put_later(store, "two");
        put(store, FIRST, "hasty", "three");
        assert_int_equal(commits_of(store), before + 1);
        assert_true(has(store, FIRST, "patient", "two"));
        store_read_end(store);
        put_later(store, "four");
        store_close(&store);
        store = open_store();
        assert_true(has(store, FIRST, "patient", "four"));
        store_close(&store);
}

static void
what_nobody_waits_for_goes_alone_after_a_while(void **state)
{
        struct store *store = open_store();
        uint64_t before = commits_of(store);
        put_later(store, "one");
        assert_int_equal(commits_of(store), before);
        for (int i = 0; i < 1000 && commits_of(store) == before; i++)
                nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
        assert_true(has(store, FIRST, "patient", "one"));
        store_close(&store);
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int
main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_DIRECTORY(what_was_read_leaves_memory_and_is_still_there),
                IN_A_DIRECTORY(finds_what_was_put_in_its_table_only),
                IN_A_DIRECTORY(keeps_everything_over_a_restart),
                IN_A_DIRECTORY(removes_keys_and_prefixes),
                IN_A_DIRECTORY(scans_a_prefix_in_order),
                IN_A_DIRECTORY(a_failed_expectation_undoes_the_whole_batch),
                IN_A_DIRECTORY(an_empty_batch_is_a_barrier),
                IN_A_DIRECTORY(what_nobody_waits_for_goes_with_the_next),
                IN_A_DIRECTORY(what_nobody_waits_for_goes_alone_after_a_while),
                IN_A_DIRECTORY(closing_waits_for_what_was_handed_in),
                IN_A_DIRECTORY(a_failed_batch_does_not_spoil_its_neighbours),
                IN_A_DIRECTORY(what_was_read_stays_while_others_write),
                IN_A_DIRECTORY(workers_hear_in_order_and_find_what_they_hear_of),
                IN_A_DIRECTORY(refuses_a_second_writer_and_names_the_first),
                IN_A_DIRECTORY(refuses_a_newer_format_and_another_program),
                IN_A_DIRECTORY(refuses_what_is_damaged_and_leaves_it_alone),
                IN_A_DIRECTORY(refuses_what_was_cut_off),
                IN_A_DIRECTORY(refuses_a_directory_it_cannot_use),
                IN_A_DIRECTORY(another_process_may_read_while_one_writes),
                IN_A_DIRECTORY(a_backup_opens_as_a_store),
                IN_A_DIRECTORY(says_when_the_map_is_full_and_accepts_nothing_more),
                IN_A_DIRECTORY(says_when_there_is_no_address_space),
                IN_A_DIRECTORY(a_full_disk_fails_batches_and_spoils_nothing),
                IN_A_DIRECTORY(what_was_acknowledged_survives_a_kill),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
