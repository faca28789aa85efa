/* test_fanout.c - a stanza to many: everybody gets his copy at his home, in order, whoever keeps one, with letters that are delayed at random */
#include "xmppd/route/fanout.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { WORKERS = 3, ACCOUNTS = 400, ROUNDS = 40, PATIENCE_S = 20 };

#define INSIDE "<show>dnd</show><status>a &lt; b</status>"

static struct worker *workers[WORKERS], *self;
static struct snapshot *snapshot;
static sem_t done;

/* By number of the account; each place is touched by the account's home only. */
static struct {
        unsigned presences, messages;
        struct stanza *kept;
} seen[ACCOUNTS];
static atomic_uint wrong_home, wrong_bytes, out_of_order, arrived, to_server, to_component, to_foreign;
static atomic_bool keeps;

static void
check_bytes(struct stanza *stanza)
{
        char expected[300];
        struct buf out = { 0 };

        snprintf(expected, sizeof(expected),
                "<presence id=\"p1\" from=\"romeo@verona.example/orchard\" to=\"%s\" xml:lang=\"it\">" INSIDE "</presence>",
                stanza->to.full);
        stanza_write(&out, stanza);
        atomic_fetch_add(&wrong_bytes, strcmp(buf_text(&out), expected) != 0);
        buf_free(&out);
}

static void
come_to_account(struct stanza *stanza)
{
        int number = atoi(stanza->to.local + 1);

        must(number >= 0 && number < ACCOUNTS);
        atomic_fetch_add(&wrong_home, !on_home(home_of(&stanza->to)));
        if (stanza->kind == STANZA_PRESENCE) {
                check_bytes(stanza);
                seen[number].presences++;
                if (atomic_load(&keeps) && number % 3 == 0 && seen[number].kept == NULL)
                        seen[number].kept = stanza_ref(stanza);
        } else {
                seen[number].messages++;
        }
        /* Behind each presence goes a message. */
        unsigned ahead = seen[number].presences - seen[number].messages;
        atomic_fetch_add(&out_of_order, ahead > 1);
        stanza_unref(&stanza);
        atomic_fetch_add(&arrived, 1);
}

static void
count(struct stanza *stanza, atomic_uint *counter, bool is_home)
{
        atomic_fetch_add(&wrong_home, !is_home);
        check_bytes(stanza);
        stanza_unref(&stanza);
        atomic_fetch_add(counter, 1);
        atomic_fetch_add(&arrived, 1);
}

static void
come_to_server(struct stanza *stanza)
{
        count(stanza, &to_server, on_home(workers[0]));
}

static void
come_to_component(struct stanza *stanza)
{
        count(stanza, &to_component, on_home(home_of_domain(stanza->to.domain)));
}

static void
come_to_foreign(struct stanza *stanza)
{
        count(stanza, &to_foreign, on_home(home_of_domain(stanza->to.domain)));
}

static void
say_done(void *unused)
{
        sem_post(&done);
}

struct errand {
        struct letter letter;
        void (*run)(void);
};

static void
run_errand(struct letter *letter)
{
        container_of(letter, struct errand, letter)->run();
        sem_post(&done);
}

static void
on_worker(struct worker *worker, void (*run)(void))
{
        struct errand errand = { .letter.open = run_errand, .run = run };

        worker_post(worker, &errand.letter);
        sem_wait(&done);
}

static void
put_in_force(void)
{
        snapshot_put_in_force(snapshot, say_done, NULL);
}

static int
open_house(void **state)
{
        static const struct route_doors doors = { come_to_server, come_to_account, come_to_component, come_to_foreign };

        sem_init(&done, 0, 0);
        snapshot = snapshot_new(NULL);
        snapshot_add_domain(snapshot, DOMAIN_LOCAL, "capulet.example");
        snapshot_add_domain(snapshot, DOMAIN_COMPONENT, "echo.example");
        for (int i = 0; i < WORKERS; i++)
                workers[i] = worker_new("worker", i);
        home_set_workers(workers, WORKERS);
        route_set_doors(&doors);
        mailbox_delay_at_random(7);
        self = worker_new("main", -1);
        for (int i = 0; i < WORKERS; i++)
                worker_start(workers[i]);
        worker_start(self);
        on_worker(self, put_in_force);
        sem_wait(&done);
        return 0;
}

static int
close_house(void **state)
{
        mailbox_delay_at_random(0);
        for (int i = 0; i < WORKERS; i++)
                on_worker(workers[i], snapshot_leave);
        on_worker(self, snapshot_leave);
        for (int i = 0; i < WORKERS; i++)
                worker_stop(workers[i]);
        worker_stop(self);
        for (int i = 0; i < WORKERS; i++)
                worker_join(workers[i]);
        worker_join(self);
        for (int i = 0; i < WORKERS; i++)
                worker_free(&workers[i]);
        worker_free(&self);
        snapshot_unref(&snapshot);
        sem_destroy(&done);
        return 0;
}

static void
begin(bool keep)
{
        memset(seen, 0, sizeof(seen));
        wrong_home = wrong_bytes = out_of_order = arrived = to_server = to_component = to_foreign = 0;
        atomic_store(&keeps, keep);
}

static void
wait_for(unsigned count)
{
        for (int i = 0; i < PATIENCE_S * 1000 && atomic_load(&arrived) < count; i++)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        assert_int_equal(atomic_load(&arrived), count);
        assert_int_equal(atomic_load(&wrong_home), 0);
        assert_int_equal(atomic_load(&wrong_bytes), 0);
        assert_int_equal(atomic_load(&out_of_order), 0);
}

static struct jid
address(struct arena *arena, const char *text)
{
        struct jid jid;

        must(jid_parse(&jid, arena, text));
        return jid;
}

static struct stanza *
make_presence(const struct jid *from)
{
        struct stanza *presence = stanza_new(STANZA_PRESENCE, PRESENCE_AVAILABLE, from, NULL);

        stanza_set_id(presence, "p1");
        presence->lang = arena_strdup(presence->arena, "it");
        element_add_text(presence->arena, presence->element, "show", XML_CONTENT_NS, "dnd");
        element_add_text(presence->arena, presence->element, "status", XML_CONTENT_NS, "a < b");
        return presence;
}

static void
add_accounts(struct fanout *fanout, struct arena *arena)
{
        for (int i = 0; i < ACCOUNTS; i++) {
                struct jid to = address(arena, arena_printf(arena, "u%d@capulet.example%s", i, i % 5 == 0 ? "/balcony" : ""));
                fanout_add(fanout, &to);
        }
}

/* One round; pledge NULL: none. */
static void
send_round(struct pledge *pledge, bool others, bool messages)
{
        struct arena *arena = arena_new(1024);
        struct jid romeo = address(arena, "romeo@verona.example/orchard");
        struct stanza *presence = make_presence(&romeo);
        static const char *const strangers[] = { "a@echo.example", "b@echo.example/x", "tybalt@rome.example", "capulet.example" };

        if (pledge != NULL)
                pledge_take(pledge, presence);
        struct fanout *fanout = fanout_new(presence, &romeo);
        add_accounts(fanout, arena);
        for (size_t i = 0; others && i < array_len(strangers); i++) {
                struct jid to = address(arena, strangers[i]);
                fanout_add(fanout, &to);
        }
        fanout_send(&fanout);
        assert_null(fanout);
        stanza_unref(&presence);
        for (int i = 0; messages && i < ACCOUNTS; i++) {
                struct jid to = address(arena, arena_printf(arena, "u%d@capulet.example", i));
                route(stanza_new(STANZA_MESSAGE, MESSAGE_CHAT, &romeo, &to));
        }
        arena_free(&arena);
}

static void
send_to_all_kinds(void)
{
        send_round(NULL, true, false);
}

static void
each_gets_one_copy_at_his_home(void **state)
{
        begin(false);
        on_worker(workers[0], send_to_all_kinds);
        wait_for(ACCOUNTS + 4);
        for (int i = 0; i < ACCOUNTS; i++)
                assert_int_equal(seen[i].presences, 1);
        assert_int_equal(to_component, 2);
        assert_int_equal(to_foreign, 1);
        assert_int_equal(to_server, 1);
}

static void
send_with_messages(void)
{
        for (int i = 0; i < ROUNDS; i++)
                send_round(NULL, false, true);
}

static void
what_follows_arrives_behind_it(void **state)
{
        begin(false);
        on_worker(workers[1], send_with_messages);
        wait_for(2 * ACCOUNTS * ROUNDS);
        for (int i = 0; i < ACCOUNTS; i++) {
                assert_int_equal(seen[i].presences, ROUNDS);
                assert_int_equal(seen[i].messages, ROUNDS);
        }
}

static struct pledge *pledge;
static atomic_bool is_kept;

static void
hear_of_pledge(void *owner, void *cookie)
{
        atomic_store(&is_kept, true);
}

static void
send_pledged(void)
{
        pledge = pledge_new(hear_of_pledge, &pledge);
        send_round(pledge, false, false);
        pledge_close(pledge, NULL);
}

static void
do_nothing(void)
{
}

/* Who keeps a copy has it for himself, also when the next recipient has been served; and its pledge is not kept before he lets go. */
static void
a_kept_copy_stays_what_it_is(void **state)
{
        begin(true);
        on_worker(workers[2], send_pledged);
        wait_for(ACCOUNTS);
        for (int i = 0; i < WORKERS; i++)
                on_worker(workers[i], do_nothing);
        for (int i = 0; i < ACCOUNTS; i += 3) {
                char expected[60];
                snprintf(expected, sizeof(expected), "u%d@capulet.example%s", i, i % 5 == 0 ? "/balcony" : "");
                assert_string_equal(seen[i].kept->to.full, expected);
                check_bytes(seen[i].kept);
                assert_false(atomic_load(&is_kept));
                struct stanza *again = stanza_derive(seen[i].kept, &seen[i].kept->to, &seen[i].kept->from);
                assert_string_equal(again->inside, INSIDE);
                assert_string_equal(again->lang, "it");
                stanza_unref(&again);
                stanza_unref(&seen[i].kept);
        }
        assert_int_equal(wrong_bytes, 0);
        for (int i = 0; i < PATIENCE_S * 1000 && !atomic_load(&is_kept); i++)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        assert_true(atomic_load(&is_kept));
}

static void
send_to_nobody(void)
{
        struct arena *arena = arena_new(256);
        struct jid romeo = address(arena, "romeo@verona.example/orchard");
        struct stanza *presence = make_presence(&romeo);
        struct fanout *fanout = fanout_new(presence, &romeo);

        fanout_send(&fanout);
        stanza_unref(&presence);
        arena_free(&arena);
}

static void
without_recipients_nothing_happens(void **state)
{
        begin(false);
        on_worker(workers[0], send_to_nobody);
        wait_for(0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_gets_one_copy_at_his_home),
                cmocka_unit_test(what_follows_arrives_behind_it),
                cmocka_unit_test(a_kept_copy_stays_what_it_is),
                cmocka_unit_test(without_recipients_nothing_happens),
        };
        return cmocka_run_group_tests(tests, open_house, close_house);
}
