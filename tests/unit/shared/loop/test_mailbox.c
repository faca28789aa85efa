/*
 * Letters between workers: none lost, none twice, each sender's order kept, also while the receiver stops.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/mem.h"
#include "shared/loop/loop_private.h"
#include "shared/loop/mailbox.h"
#include "shared/loop/offload.h"
#include "shared/loop/worker.h"

enum { SENDERS = 4, EACH = 20000 };

struct note {
        struct letter letter;
        int sender, number;
};

static struct worker *receiver;
static int next_number[SENDERS], received;

static void
open_note(struct letter *letter)
{
        struct note *note = container_of(letter, struct note, letter);

        assert_true(on_home(receiver));
        assert_int_equal(note->number, next_number[note->sender]++);
        received++;
        mem_free(note);
}

static void
send_all(void *arg)
{
        for (int i = 0; i < EACH; i++) {
                struct note *note = MEM_NEW(note);
                note->letter.open = open_note;
                note->sender = (int)(intptr_t)arg;
                note->number = i;
                worker_post(receiver, &note->letter);
        }
}

static void
send_from_several_threads(void)
{
        uv_thread_t threads[SENDERS];

        received = 0;
        memset(next_number, 0, sizeof(next_number));
        receiver = worker_new("receiver", 1);
        worker_start(receiver);
        for (intptr_t i = 0; i < SENDERS; i++)
                assert_int_equal(uv_thread_create(&threads[i], send_all, (void *)i), 0);
        for (int i = 0; i < SENDERS; i++)
                uv_thread_join(&threads[i]);
        worker_stop(receiver);
        worker_join(receiver);
        worker_free(&receiver); /* opens what came too late for the loop */
        assert_int_equal(received, SENDERS * EACH);
}

static void
keeps_the_order_of_each_sender(void **state)
{
        send_from_several_threads();
}

static void
keeps_it_when_letters_are_delayed(void **state)
{
        mailbox_delay_at_random(42);
        send_from_several_threads();
        mailbox_delay_at_random(0);
}

/* A letter that travels round all workers until its hops are used up. */
enum { RING = 4, LETTERS = 64, HOPS = 2000 };

struct traveller {
        struct letter letter;
        int hops, at;
};

static struct worker *ring[RING];
static atomic_int arrived;

static void
travel_on(struct letter *letter)
{
        struct traveller *traveller = container_of(letter, struct traveller, letter);

        assert_true(on_home(ring[traveller->at]));
        if (traveller->hops-- == 0) {
                mem_free(traveller);
                if (atomic_fetch_add(&arrived, 1) + 1 == LETTERS)
                        for (int i = 0; i < RING; i++)
                                worker_stop(ring[i]);
                return;
        }
        traveller->at = (traveller->at + 1) % RING;
        worker_post(ring[traveller->at], letter);
}

static void
letters_travel_round_a_ring(void **state)
{
        for (int i = 0; i < RING; i++)
                ring[i] = worker_new("ring", i);
        for (int i = 0; i < LETTERS; i++) {
                struct traveller *traveller = MEM_NEW(traveller);
                traveller->letter.open = travel_on;
                traveller->hops = HOPS;
                traveller->at = i % RING;
                worker_post(ring[i % RING], &traveller->letter);
        }
        for (int i = 0; i < RING; i++)
                worker_start(ring[i]);
        for (int i = 0; i < RING; i++)
                worker_join(ring[i]);
        for (int i = 0; i < RING; i++)
                worker_free(&ring[i]);
        assert_int_equal(arrived, LETTERS);
}

struct sum {
        struct letter letter;
        struct offload job;
        int n;
        long result;
};

static void
add_up(struct offload *job)
{
        struct sum *sum = container_of(job, struct sum, job);

        assert_null(worker_here());
        for (int i = 1; i <= sum->n; i++)
                sum->result += i;
}

static void
come_back(struct offload *job)
{
        assert_non_null(worker_here());
        worker_stop(worker_here());
}

static void
start_sum(struct letter *letter)
{
        offload_start(&container_of(letter, struct sum, letter)->job);
}

static void
offloaded_work_comes_back_to_its_worker(void **state)
{
        struct sum sum = { .letter.open = start_sum, .job = { .work = add_up, .done = come_back }, .n = 1000 };
        struct worker *worker = worker_new("test", 0);

        worker_post(worker, &sum.letter);
        worker_run(worker);
        worker_free(&worker);
        assert_int_equal(sum.result, 500500);
}

struct tidy {
        struct chore chore;
        struct chore *starts;
        int done;
};

static struct tidy first, second, forgotten;

static void
tidy_up(struct chore *chore)
{
        struct tidy *tidy = container_of(chore, struct tidy, chore);

        tidy->done++;
        if (tidy->starts != NULL)
                worker_at_turn_end(tidy->starts);
}

static void
ask_for_chores(struct letter *letter)
{
        first.chore.run = second.chore.run = forgotten.chore.run = tidy_up;
        first.starts = &second.chore;
        worker_at_turn_end(&first.chore);
        worker_at_turn_end(&first.chore);
        worker_at_turn_end(&forgotten.chore);
        worker_forget_chore(&forgotten.chore);
        assert_int_equal(first.done, 0);
        worker_stop(worker_here());
}

static void
chores_run_once_at_the_end_of_the_turn(void **state)
{
        struct letter letter = { .open = ask_for_chores };
        struct worker *worker = worker_new("test", 0);

        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        assert_int_equal(first.done, 1);
        assert_int_equal(second.done, 1);
        assert_int_equal(forgotten.done, 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keeps_the_order_of_each_sender),
                cmocka_unit_test(keeps_it_when_letters_are_delayed),
                cmocka_unit_test(letters_travel_round_a_ring),
                cmocka_unit_test(offloaded_work_comes_back_to_its_worker),
                cmocka_unit_test(chores_run_once_at_the_end_of_the_turn),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
