/* test_privacy_store.c - an account whose store is that of an earlier version: its blocking list becomes the default privacy list */
#include "xmppd/user/privacy_private.h"

#include "shared/base/mem.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/account.h"
#include "xmppd/user/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static char dir[64];
static struct store *store;
static struct worker *self;
static struct arena *arena;
static struct jid juliet;
static struct timer timer;
static struct user *user;
static bool is_blocked, is_one_list;
static int old_left;

static int
open_house(void **state)
{
        struct err err = { "" };
        snprintf(dir, sizeof(dir), "/tmp/test_privacy.XXXXXX");
        if (mkdtemp(dir) == NULL)
                return -1;
        struct store_options options = user_store_options(dir);
        options.map_mib = 64;
        options.no_sync = true;
        store = store_open(&options, &err);
        if (store == NULL)
                return -1;
        struct snapshot *snapshot = snapshot_new(NULL);
        arena = arena_new(4096);
        self = worker_new("test", 0);
        worker_enter(self);
        home_set_workers(&self, 1);
        snapshot_put_in_force(snapshot, NULL, NULL);
        snapshot_unref(&snapshot);
        user_start(store);
        return 0;
}

static int
close_house(void **state)
{
        static const char *const names[] = { "data.mdb", "lock.mdb", "owner" };
        char path[128];

        worker_free(&self);
        store_close(&store);
        arena_free(&arena);
        for (size_t i = 0; i < array_len(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                unlink(path);
        }
        return rmdir(dir);
}

static void
put_old_block(struct batch *batch, uint64_t account, const char *jid)
{
        unsigned char key[RECORD_KEY], value[64] = { 1, 0, 0, 0, (unsigned char)strlen(jid) };

        record_key(key, account, jid);
        memcpy(value + 5, jid, strlen(jid));
        batch_put(batch, TABLE_BLOCKED, key, sizeof(key), value, 5 + strlen(jid));
}

static bool
count(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        ++*(int *)arg;
        return true;
}

/* What the store has when the account is on disk as one list. */
static void
look(struct timer *waiting)
{
        struct privacy_list *list = NULL;
        unsigned char key[RECORD_KEY];
        const void *value;
        size_t len;
        bool is_default = false;

        if (user->writes > 0) {
                timer_start(waiting, 5, look);
                return;
        }
        store_scan(store, TABLE_BLOCKED, user->key, ACCOUNT_KEY, 0, count, &old_left);
        record_key(key, user->id, user->default_list->name);
        if (store_get(store, TABLE_PRIVACY, key, sizeof(key), &value, &len))
                list = privacy_record_read(value, len, &is_default);
        is_one_list = list != NULL && is_default && list->count == 2 && privacy_list_blocks(list, "romeo@montague.example") &&
                privacy_list_blocks(list, "verona.example");
        privacy_list_free(&list);
        store_read_end(store);
        user_stop();
        snapshot_leave();
        worker_stop(self);
}

static void
the_blocking_list_of_an_earlier_version_is_taken_over(void **state)
{
        struct account account = { .jid = "juliet@capulet.example", .created = 1 };
        struct batch *batch = batch_new(store);
        struct jid romeo;

        account_add(batch, &account);
        put_old_block(batch, account.id, "romeo@montague.example");
        put_old_block(batch, account.id, "verona.example");
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_true(jid_parse(&juliet, arena, account.jid) && jid_parse(&romeo, arena, "romeo@montague.example/orchard"));
        user = user_load(&juliet);
        assert_non_null(user);
        is_blocked = privacy_denies(user, NULL, &romeo, PRIVACY_MESSAGE_IN);
        timer_start(&timer, 5, look);
        worker_run(self);
        assert_true(is_blocked);
        assert_true(is_one_list);
        assert_int_equal(old_left, 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_blocking_list_of_an_earlier_version_is_taken_over),
        };
        return cmocka_run_group_tests(tests, open_house, close_house);
}
