/* test_account.c - accounts on disk */
#include "xmppd/user/account.h"

#include "shared/base/mem.h"
#include "shared/store/codec.h"
#include "xmppd/user/account_private.h"
#include "xmppd/user/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static char dir[64];
static struct store *store;
static struct arena *arena;

static int
open_store(void **state)
{
        struct err err = { "" };
        snprintf(dir, sizeof(dir), "/tmp/test_account.XXXXXX");
        if (mkdtemp(dir) == NULL)
                return -1;
        struct store_options options = user_store_options(dir);
        options.map_mib = 64;
        options.no_sync = true;
        store = store_open(&options, &err);
        arena = arena_new(4096);
        return store == NULL ? -1 : 0;
}

static int
close_store(void **state)
{
        static const char *const names[] = { "data.mdb", "lock.mdb", "owner" };
        char path[128];
        store_close(&store);
        arena_free(&arena);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                unlink(path);
        }
        return rmdir(dir);
}

static struct jid
jid(const char *text)
{
        struct jid parsed;
        assert_true(jid_parse(&parsed, arena, text));
        return parsed;
}

static struct account
add(const char *address)
{
        struct account account = { .jid = address, .mail = "juliet@capulet.example", .created = 1234567890123 };
        assert_true(scram_derive(&account.sha1, DIGEST_SHA1, "r0m30myr0m30"));
        assert_true(scram_derive(&account.sha256, DIGEST_SHA256, "r0m30myr0m30"));
        struct batch *batch = batch_new(store);
        account_add(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_true(account.id != 0);
        return account;
}

static void
brings_back_an_account(void **state)
{
        struct account written = add("juliet@capulet.example"), read;
        struct jid juliet = jid("juliet@capulet.example"), nurse = jid("nurse@capulet.example");
        assert_true(account_find(store, arena, &juliet, &read));
        assert_true(read.id == written.id);
        assert_string_equal(read.jid, "juliet@capulet.example");
        assert_string_equal(read.mail, "juliet@capulet.example");
        assert_null(read.name);
        assert_true(read.created == 1234567890123);
        assert_int_equal(read.sha1.rounds, 10000);
        assert_int_equal(read.sha1.salt_len, SCRAM_SALT);
        assert_memory_equal(&read.sha1, &written.sha1, sizeof(read.sha1));
        assert_memory_equal(&read.sha256, &written.sha256, sizeof(read.sha256));
        assert_memory_not_equal(read.sha1.salt, read.sha256.salt, SCRAM_SALT);
        assert_true(account_id(store, &juliet) == written.id);
        assert_true(account_id(store, &nurse) == 0);
        assert_false(account_find(store, arena, &nurse, &read));
}

static void
a_name_is_given_once(void **state)
{
        struct account first = add("juliet@capulet.example"), second = { .jid = "juliet@capulet.example" };
        struct batch *batch = batch_new(store);
        account_add(batch, &second);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);
        struct jid juliet = jid("juliet@capulet.example");
        assert_true(account_id(store, &juliet) == first.id);
}

static void
changes_only_what_is_still_there(void **state)
{
        struct account account = add("juliet@capulet.example"), read;
        struct jid juliet = jid("juliet@capulet.example");
        account.name = "Juliet Capulet";
        account.mail = NULL;
        struct batch *batch = batch_new(store);
        account_change(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_true(account_find(store, arena, &juliet, &read));
        assert_string_equal(read.name, "Juliet Capulet");
        assert_null(read.mail);

        batch = batch_new(store);
        account_remove(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_false(account_find(store, arena, &juliet, &read));
        struct account anew = add("juliet@capulet.example");
        assert_true(anew.id != account.id);
        batch = batch_new(store);
        account_change(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);
        batch = batch_new(store);
        account_remove(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_CONFLICT);
        assert_true(account_id(store, &juliet) == anew.id);
}

static bool
count(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        ++*(int *)arg;
        return true;
}

static void
removing_takes_everything_of_the_account_and_nothing_else(void **state)
{
        struct account juliet = add("juliet@capulet.example"), nurse = add("nurse@capulet.example");
        static const int tables[] = { TABLE_ROSTER, TABLE_BLOCKED, TABLE_OFFLINE };
        struct batch *batch = batch_new(store);
        for (size_t i = 0; i < array_len(tables); i++)
                for (int who = 0; who < 2; who++)
                        for (uint32_t n = 0; n < 10; n++) {
                                struct buf key = { 0 };
                                encode_u64(&key, who ? juliet.id : nurse.id);
                                encode_u32(&key, n);
                                batch_put(batch, tables[i], buf_data(&key), key.len, "x", 1);
                                buf_free(&key);
                        }
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        batch = batch_new(store);
        account_remove(batch, &juliet);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        for (size_t i = 0; i < array_len(tables); i++) {
                int left = 0;
                store_scan(store, tables[i], "", 0, 0, count, &left);
                assert_int_equal(left, 10);
        }
        struct jid address = jid("nurse@capulet.example");
        assert_true(account_id(store, &address) == nurse.id);
}

static bool
note(void *arg, const struct account *account)
{
        int *seen = arg;
        assert_true(account->id != 0);
        assert_non_null(account->jid);
        return ++*seen < 3;
}

static void
walks_the_accounts_of_a_domain(void **state)
{
        add("juliet@capulet.example");
        add("nurse@capulet.example");
        add("romeo@montague.example");
        int seen = 0;
        account_each(store, "capulet.example", note, &seen);
        assert_int_equal(seen, 2);
        seen = 0;
        account_each(store, "example", note, &seen);
        assert_int_equal(seen, 0);
        account_each(store, NULL, note, &seen);
        assert_int_equal(seen, 3);
        add("benvolio@montague.example");
        seen = 0;
        account_each(store, NULL, note, &seen);
        assert_int_equal(seen, 3); /* it was told to stop */
}

static void
refuses_records_it_does_not_know(void **state)
{
        struct account account = { .jid = "a@b", .mail = "m", .name = "n", .sha1 = { .rounds = 1, .salt_len = 4 } }, read;
        struct buf record = { 0 };
        account_encode(&record, &account);
        assert_true(account_decode(&read, arena, buf_data(&record), record.len));
        for (size_t len = 0; len < record.len; len++)
                assert_false(account_decode(&read, arena, buf_data(&record), len));
        buf_data(&record)[0] = 2;
        assert_false(account_decode(&read, arena, buf_data(&record), record.len));
        buf_free(&record);
}

static void
set_mail(const char *address, const char *mail)
{
        struct jid bare = jid(address);
        struct account account;

        assert_true(account_find(store, arena, &bare, &account));
        account.mail = mail;
        struct batch *batch = batch_new(store);
        account_change(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
}

static const char *
owner_of(const char *mail)
{
        struct jid address = jid(mail), account;

        return account_of_mail(store, arena, &address, &account) ? account.full : "nobody";
}

static void
a_mail_address_leads_to_its_account(void **state)
{
        struct account romeo = add("romeo@imp.example");
        struct err err;

        set_mail("romeo@imp.example", "Romeo.M@Montague.Example");
        assert_string_equal(owner_of("romeo.m@montague.example"), "romeo@imp.example");
        assert_true(account_has_mail_domain(store, "montague.example"));
        assert_false(account_has_mail_domain(store, "capulet.example"));
        /* The first keeps it. */
        struct account other = add("other@imp.example");
        other.mail = "romeo.m@montague.example";
        assert_true(account_mail_is_taken(store, NULL, &other, &err));
        set_mail("other@imp.example", "romeo.m@montague.example");
        assert_string_equal(owner_of("romeo.m@montague.example"), "romeo@imp.example");
        set_mail("other@imp.example", NULL);
        assert_string_equal(owner_of("romeo.m@montague.example"), "romeo@imp.example");
        /* Changed, no longer complete, gone. */
        set_mail("romeo@imp.example", "r@montague.example");
        assert_string_equal(owner_of("romeo.m@montague.example"), "nobody");
        assert_string_equal(owner_of("r@montague.example"), "romeo@imp.example");
        set_mail("romeo@imp.example", "montague.example");
        assert_false(account_has_mail_domain(store, "montague.example"));
        set_mail("romeo@imp.example", "r@montague.example");
        struct jid bare = jid("romeo@imp.example");
        assert_true(account_find(store, arena, &bare, &romeo));
        struct batch *batch = batch_new(store);
        account_remove(batch, &romeo);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_string_equal(owner_of("r@montague.example"), "nobody");
}

/* Two who take an address in the same moment: one batch fails, in one batch the second is told. */
static void
a_mail_address_is_given_once(void **state)
{
        struct account romeo = { .jid = "romeo@imp.example", .mail = "m@montague.example" },
                       other = { .jid = "other@imp.example", .mail = "m@montague.example" },
                       third = { .jid = "third@imp.example", .mail = "other@imp.example" },
                       fourth = { .jid = "m@montague.example" };
        struct batch *batch = batch_new(store), *later = batch_new(store);
        struct err err;

        account_add(batch, &romeo);
        assert_true(account_mail_is_taken(store, batch, &other, &err));
        assert_true(account_mail_is_taken(store, batch, &fourth, &err));
        account_add(later, &other);
        assert_true(account_mail_is_taken(store, later, &third, &err));
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_int_equal(batch_commit_wait(later), STORE_CONFLICT);
        assert_string_equal(owner_of("m@montague.example"), "romeo@imp.example");
        assert_true(account_mail_is_taken(store, NULL, &fourth, &err));
}

/* One that changes twice in the same moment has one address afterwards. */
static void
a_mail_address_is_changed_once(void **state)
{
        struct account romeo = add("romeo@imp.example");
        struct batch *batch = batch_new(store), *later = batch_new(store);

        romeo.mail = "a@montague.example";
        account_change(batch, &romeo);
        romeo.mail = "b@montague.example";
        account_change(later, &romeo);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_int_equal(batch_commit_wait(later), STORE_CONFLICT);
        assert_string_equal(owner_of("a@montague.example"), "romeo@imp.example");
        assert_string_equal(owner_of("b@montague.example"), "nobody");
}

static void
old_accounts_are_indexed_at_the_start(void **state)
{
        struct account first = { .jid = "first@imp.example", .mail = "m@montague.example", .created = 1 },
                       second = { .jid = "second@imp.example", .mail = "M@Montague.example", .created = 2 },
                       third = { .jid = "third@imp.example", .mail = "second@imp.example", .created = 3 };
        struct batch *batch = batch_new(store);

        account_add(batch, &second);
        account_add(batch, &first);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        batch = batch_new(store);
        account_add(batch, &third);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        assert_string_equal(owner_of("m@montague.example"), "second@imp.example");
        account_index_all(store);
        store_read_end(store);
        assert_string_equal(owner_of("m@montague.example"), "first@imp.example");
        assert_string_equal(owner_of("second@imp.example"), "nobody"); /* an account of its own */
        /* Once. */
        account_index_all(store);
}

static void
a_mail_address_is_no_other_accounts_jid(void **state)
{
        struct account romeo = add("romeo@montague.example"),
                       other = { .jid = "other@montague.example", .mail = "romeo@montague.example" };
        struct err err;

        assert_true(account_mail_is_taken(store, NULL, &other, &err));
        romeo.mail = "romeo@montague.example"; /* his own is */
        assert_false(account_mail_is_taken(store, NULL, &romeo, &err));
}

#define WITH_A_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int
main(void)
{
        const struct CMUnitTest tests[] = {
                WITH_A_STORE(brings_back_an_account),
                WITH_A_STORE(a_name_is_given_once),
                WITH_A_STORE(changes_only_what_is_still_there),
                WITH_A_STORE(removing_takes_everything_of_the_account_and_nothing_else),
                WITH_A_STORE(walks_the_accounts_of_a_domain),
                WITH_A_STORE(refuses_records_it_does_not_know),
                WITH_A_STORE(a_mail_address_leads_to_its_account),
                WITH_A_STORE(a_mail_address_is_given_once),
                WITH_A_STORE(a_mail_address_is_changed_once),
                WITH_A_STORE(old_accounts_are_indexed_at_the_start),
                WITH_A_STORE(a_mail_address_is_no_other_accounts_jid),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
