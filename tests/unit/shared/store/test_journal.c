/* test_journal.c - what was appended comes back, whole and in order, whatever happened to the process or to the end of the file */
#include "shared/store/journal.h"

#include "shared/base/mem.h"
#include "shared/loop/worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SEGMENT = 4096 };

static char dir[64];
static struct worker *worker;

static int
begin(void **state)
{
        strcpy(dir, "/tmp/test-journal-XXXXXX");
        assert_non_null(mkdtemp(dir));
        worker = worker_new("test", 0);
        worker_enter(worker);
        return 0;
}

static void
run_worker(void)
{
        worker_stop(worker);
        worker_run(worker);
}

static int
end(void **state)
{
        char command[128];

        run_worker();
        worker_free(&worker);
        snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

static struct journal *
open_journal(int index)
{
        struct err err;
        struct journal *journal = journal_open(dir, index, SEGMENT, &err);

        assert_non_null(journal);
        return journal;
}

static uint64_t
append(struct journal *journal, uint32_t number, size_t len)
{
        char *bytes = mem_new(len);
        struct piece pieces[] = { { &number, sizeof(number) }, { bytes, len } };

        memset(bytes, (int)number, len);
        uint64_t position = journal_append(journal, pieces, len > 0 ? 2 : 1);
        mem_free(bytes);
        return position;
}

struct seen {
        uint32_t count, next;
        bool in_order;
};

static void
see(void *arg, const void *bytes, size_t len)
{
        struct seen *seen = arg;
        uint32_t number;

        assert_true(len >= sizeof(number));
        memcpy(&number, bytes, sizeof(number));
        for (size_t i = sizeof(number); i < len; i++)
                assert_int_equal(((const unsigned char *)bytes)[i], (unsigned char)number);
        seen->in_order &= number == seen->next;
        seen->next = number + 1;
        seen->count++;
}

static struct seen
replay(bool discard)
{
        struct seen seen = { .in_order = true };
        struct replay *files = NULL;
        struct err err;
        bool machine_died;

        assert_int_equal(journal_replay(dir, &files, &machine_died, see, &seen, &err), 0);
        assert_false(machine_died);
        journal_replay_end(&files, discard);
        return seen;
}

static void
records_come_back_over_several_segments(void **state)
{
        struct journal *journal = open_journal(0);

        for (uint32_t i = 0; i < 500; i++)
                append(journal, i, i % 97);
        append(journal, 500, 3 * SEGMENT);
        append(journal, 501, 0);
        journal_close(&journal);
        struct seen seen = replay(true);
        assert_int_equal(seen.count, 502);
        assert_true(seen.in_order);
        assert_int_equal(replay(false).count, 0);
}

static void
a_record_is_read_by_its_position(void **state)
{
        struct journal *journal = open_journal(0);
        uint64_t positions[300];
        uint32_t number;
        size_t len;

        for (uint32_t i = 0; i < 300; i++) {
                positions[i] = append(journal, i, 40);
                assert_true(positions[i] > 0 && positions[i] < journal_end(journal));
        }
        for (uint32_t i = 0; i < 300; i++) {
                memcpy(&number, journal_read(journal, positions[i], &len), sizeof(number));
                assert_int_equal(number, i);
                assert_int_equal(len, 44);
        }
        journal_close(&journal);
}

static void
dropped_segments_are_gone_and_the_rest_stays(void **state)
{
        struct journal *journal = open_journal(0);

        for (uint32_t i = 0; i < 200; i++)
                append(journal, i, 100);
        uint64_t from = journal_begin_segment(journal);
        for (uint32_t i = 200; i < 210; i++)
                append(journal, i, 100);
        journal_drop_below(journal, from);
        journal_close(&journal);
        struct seen seen = replay(true);
        assert_int_equal(seen.count, 10);
        assert_int_equal(seen.next, 210);
}

static int synced[3], sync_count;

static void
note_sync(void *arg)
{
        synced[sync_count++] = (int)(intptr_t)arg;
        if (sync_count == 3)
                worker_stop(worker);
}

static void
syncs_are_answered_in_order(void **state)
{
        struct journal *journal = open_journal(0);

        for (intptr_t i = 0; i < 3; i++) {
                append(journal, (uint32_t)i, 10);
                journal_sync(journal, note_sync, (void *)i);
        }
        assert_int_equal(sync_count, 0);
        worker_run(worker);
        assert_int_equal(sync_count, 3);
        assert_true(synced[0] == 0 && synced[1] == 1 && synced[2] == 2);
        journal_close(&journal);
        worker_free(&worker);
        worker = worker_new("test", 0);
        worker_enter(worker);
}

static void
change_file(const char *name, long cut, long flip)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (cut > 0)
                assert_int_equal(truncate(path, cut), 0);
        if (flip > 0) {
                int fd = open(path, O_RDWR);
                char byte;
                assert_int_equal(pread(fd, &byte, 1, flip), 1);
                byte ^= 1;
                assert_int_equal(pwrite(fd, &byte, 1, flip), 1);
                close(fd);
        }
}

static void
a_damaged_end_leaves_what_was_before_it(void **state)
{
        int noticed = 0;

        for (long at = 64; at < 1200; at += 37) {
                struct journal *journal = open_journal(0);
                for (uint32_t i = 0; i < 20; i++)
                        append(journal, i, 40);
                journal_close(&journal);
                change_file("journal-0-0", at % 2 == 0 ? at : 0, at % 2 != 0 ? at : 0);
                struct seen seen = replay(true);
                assert_true(seen.count < 20 || at % 2 != 0);
                assert_true(seen.in_order);
                noticed += seen.count < 20;
        }
        assert_true(noticed > 20); /* of 31; padding may say what it likes */
}

static void
journals_of_other_workers_are_replayed_too(void **state)
{
        struct journal *one = open_journal(0), *other = open_journal(7);

        append(one, 1, 10);
        append(other, 2, 10);
        journal_close(&one);
        journal_close(&other);
        assert_int_equal(replay(true).count, 2);
}

/* What the child says it has written at the end of a turn is there, however it ends. */
static void
a_killed_writer_leaves_what_it_wrote(void **state)
{
        for (int round = 0; round < 20; round++) {
                int ends[2];
                uint32_t told = 0, number;
                assert_int_equal(pipe(ends), 0);
                pid_t child = fork();
                if (child == 0) {
                        struct journal *journal = open_journal(0);
                        size_t len;
                        for (uint32_t i = 0;; i++) {
                                uint64_t position = append(journal, i, 60);
                                if (i % 8 != 7)
                                        continue;
                                journal_sync(journal, note_sync, NULL); /* writes; nobody listens to the answer */
                                journal_read(journal, position, &len);
                                if (write(ends[1], &i, sizeof(i)) < 0)
                                        _exit(0);
                        }
                }
                close(ends[1]);
                nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 * (round + 1) }, NULL);
                kill(child, SIGKILL);
                waitpid(child, NULL, 0);
                while (read(ends[0], &number, sizeof(number)) == (ssize_t)sizeof(number))
                        told = number + 1;
                close(ends[0]);
                struct seen seen = replay(true);
                assert_true(seen.in_order);
                assert_true(seen.count >= told);
        }
}

static void
must_not_be_called(void *arg)
{
        fail();
}

/* Also those whose answer is on its way already. */
static void
who_waits_for_a_closed_journal_hears_nothing(void **state)
{
        for (int round = 0; round < 20; round++) {
                struct journal *journal = open_journal(0);
                for (uint32_t i = 0; i < 5; i++) {
                        append(journal, i, 10);
                        journal_sync(journal, must_not_be_called, NULL);
                        if (i == 2)
                                nanosleep(&(struct timespec){ .tv_nsec = 1000L * 1000 * round }, NULL);
                }
                journal_close(&journal);
                replay(true);
        }
}

/* The kernel may forget what could not be written: who went on would vouch for what is lost. */
static void
a_disk_that_fails_to_sync_ends_the_process(void **state)
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                journal_make_fail();
                struct journal *journal = open_journal(0);
                append(journal, 0, 10);
                journal_sync(journal, must_not_be_called, NULL);
                worker_run(worker);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* What cannot be written must not be followed by anything that leaves. */
static void
a_disk_that_refuses_to_write_ends_the_process(void **state)
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                struct journal *journal = open_journal(0);
                signal(SIGXFSZ, SIG_IGN);
                setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 2000, 2000 });
                for (uint32_t i = 0; i < 20; i++)
                        append(journal, i, 100);
                run_worker();
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* Killed in the middle of discarding: all of it is there, or nothing counts any more. */
static void
what_was_discarded_halfway_does_not_come_back(void **state)
{
        struct journal *journal = open_journal(0);
        char name[128];

        for (uint32_t i = 0; i < 200; i++)
                append(journal, i, 100);
        journal_close(&journal);
        snprintf(name, sizeof(name), "%s.discarded", dir);
        assert_int_equal(rename(dir, name), 0);
        assert_int_equal(replay(false).count, 0);
        assert_int_equal(access(name, F_OK), -1);
        assert_int_equal(mkdir(dir, 0700), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(records_come_back_over_several_segments, begin, end),
                cmocka_unit_test_setup_teardown(a_record_is_read_by_its_position, begin, end),
                cmocka_unit_test_setup_teardown(dropped_segments_are_gone_and_the_rest_stays, begin, end),
                cmocka_unit_test_setup_teardown(syncs_are_answered_in_order, begin, end),
                cmocka_unit_test_setup_teardown(a_damaged_end_leaves_what_was_before_it, begin, end),
                cmocka_unit_test_setup_teardown(journals_of_other_workers_are_replayed_too, begin, end),
                cmocka_unit_test_setup_teardown(a_killed_writer_leaves_what_it_wrote, begin, end),
                cmocka_unit_test_setup_teardown(who_waits_for_a_closed_journal_hears_nothing, begin, end),
                cmocka_unit_test_setup_teardown(a_disk_that_fails_to_sync_ends_the_process, begin, end),
                cmocka_unit_test_setup_teardown(a_disk_that_refuses_to_write_ends_the_process, begin, end),
                cmocka_unit_test_setup_teardown(what_was_discarded_halfway_does_not_come_back, begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
