/*
 * Exchanges against a store with one account: who gets in, what the others hear, and that strangers learn nothing about who exists.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/sasl/credentials.h"
#include "xmppd/sasl/sasl.h"
#include "xmppd/user/account.h"
#include "xmppd/user/tables.h"

#include <stdio.h>
#include <stdlib.h>

static struct store *store;
static char dir[] = "/tmp/sasl-XXXXXX";

static struct snapshot *snapshot;

static void
stop_worker(void *unused)
{
        worker_stop(worker_here());
}

static void
put_in_force(struct letter *letter)
{
        snapshot_put_in_force(snapshot, stop_worker, NULL);
}

/* A configuration that names no directory. */
static void
put_settings_in_force(void)
{
        static const struct setting none[] = { { 0 } };
        static const struct section_rule inside[] = { { .name = "directory", .titled = true, .settings = none }, { 0 } };
        static const struct section_rule rules = { .name = "", .settings = none, .inside = inside };
        struct buf errors = { 0 }, warnings = { 0 };
        struct letter letter = { .open = put_in_force };
        struct worker *worker = worker_new("test", 0);
        char path[60];

        snprintf(path, sizeof(path), "%s/xmppd.conf", dir);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
        struct config *config = config_read(path, &rules, NULL, &errors, &warnings);
        assert_non_null(config);
        snapshot = snapshot_new(config);
        home_set_workers(&worker, 1);
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        snapshot_unref(&snapshot);
}

static int
make_account(void **state)
{
        struct arena *arena = arena_new(512);
        struct account juliet = { .jid = "juliet@capulet.example" }, nurse = { .jid = "nurse@capulet.example" };
        struct err err = { "" };

        assert_non_null(mkdtemp(dir));
        put_settings_in_force();
        struct store_options options = user_store_options(dir);
        options.map_mib = 64;
        options.no_sync = true;
        store = store_open(&options, &err);
        assert_string_equal(err.text, "");
        assert_true(scram_derive(&juliet.sha1, DIGEST_SHA1, "r0m30myr0m30"));
        assert_true(scram_derive(&juliet.sha256, DIGEST_SHA256, "r0m30myr0m30"));
        assert_true(scram_derive(&nurse.sha256, DIGEST_SHA256, "peter")); /* imported with one hash only */
        struct batch *batch = batch_new(store);
        account_add(batch, &juliet);
        account_add(batch, &nurse);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
        sasl_start(store);
        arena_free(&arena);
        return 0;
}

static int
remove_all(void **state)
{
        char command[60];

        sasl_stop();
        snapshot_leave();
        store_close(&store);
        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command);
}

/* One exchange on a worker; what is said, in the order in which it is said. */
static struct exchange {
        const char *mechanism, *initial;
        size_t initial_len;
        const char *hash_password; /* SCRAM: answer the challenge with this password */
        enum digest digest;
        struct sasl *sasl;
        enum sasl_outcome outcome;
        char data[600], account[100], failure[60];
        int challenges;
} exchange;

/* The client's side of SCRAM (RFC 5802, 3), for "n,,n=NAME,r=nonce" or with "a=OTHER" between the commas. */
static void
answer(const char *challenge, size_t len)
{
        unsigned char salt[64], salted[DIGEST_MAX], client_key[DIGEST_MAX], stored[DIGEST_MAX], signature[DIGEST_MAX];
        char header[200], first[600], without_proof[900], message[1800], proof[64], response[1000];
        size_t size = digest_size(exchange.digest);
        int rounds;

        snprintf(first, sizeof(first), "%.*s", (int)len, challenge);
        char *s = strstr(first, ",s="), *i = strstr(first, ",i=");
        assert_true(s != NULL && i != NULL);
        rounds = atoi(i + 3);
        int64_t salt_len = text_unbase64(salt, s + 3, (size_t)(i - s) - 3);
        assert_true(salt_len > 0);
        digest_pbkdf2(
                exchange.digest, exchange.hash_password, strlen(exchange.hash_password), salt, (size_t)salt_len, rounds, salted);
        digest_hmac(exchange.digest, salted, size, "Client Key", 10, client_key);
        digest_of(exchange.digest, client_key, size, stored);
        const char *bare = strstr(exchange.initial, "n=");
        text_base64(header, exchange.initial, (size_t)(bare - exchange.initial));
        snprintf(without_proof, sizeof(without_proof), "c=%s,%.*s", header, (int)(s - first), first);
        snprintf(message, sizeof(message), "%s,%s,%s", bare, first, without_proof);
        digest_hmac(exchange.digest, stored, size, message, strlen(message), signature);
        for (size_t at = 0; at < size; at++)
                client_key[at] ^= signature[at];
        text_base64(proof, client_key, size);
        snprintf(response, sizeof(response), "%s,p=%s", without_proof, proof);
        sasl_step(exchange.sasl, response, strlen(response));
}

static void
hear(void *owner, enum sasl_outcome outcome, const char *bytes, size_t len)
{
        exchange.outcome = outcome;
        snprintf(exchange.data, sizeof(exchange.data), "%.*s", (int)len, bytes != NULL ? bytes : "");
        if (outcome == SASL_CHALLENGE && exchange.hash_password != NULL && exchange.challenges++ == 0) {
                char copy[600];
                memcpy(copy, bytes, len);
                answer(copy, len);
                return;
        }
        if (outcome == SASL_SUCCESS)
                snprintf(exchange.account, sizeof(exchange.account), "%s", sasl_account(exchange.sasl));
        if (outcome == SASL_REFUSED)
                snprintf(exchange.failure, sizeof(exchange.failure), "%s", sasl_failure(exchange.sasl));
        worker_stop(worker_here());
}

static void
begin(struct letter *letter)
{
        exchange.sasl = sasl_new("capulet.example", (struct tls_session *)exchange.sasl, hear, NULL);
        sasl_begin(exchange.sasl, exchange.mechanism, exchange.initial, exchange.initial_len);
}

static void
run(struct exchange wanted)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = begin };

        exchange = wanted;
        if (exchange.initial != NULL && exchange.initial_len == 0)
                exchange.initial_len = strlen(exchange.initial);
        worker_post(worker, &letter);
        worker_run(worker);
        sasl_free(&exchange.sasl);
        worker_free(&worker);
}

/* PLAIN is offered under TLS only; the session is not looked at, so any pointer stands for it. */
#define SOME_TLS ((struct sasl *)(void *)&exchange)

static void
run_plain(const char *bytes, size_t len)
{
        run((struct exchange){ .mechanism = "PLAIN", .initial = bytes, .initial_len = len, .sasl = SOME_TLS });
}

static void
plain_lets_in_who_knows_the_password(void **state)
{
        static const char plain[] = "\0juliet\0r0m30myr0m30",
                          full[] = "juliet@capulet.example\0Juliet@capulet.example\0r0m30myr0m30";
        static const char other_hash[] = "\0nurse\0peter";

        run_plain(plain, sizeof(plain) - 1);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
        assert_string_equal(exchange.account, "juliet@capulet.example");
        run_plain(full, sizeof(full) - 1);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
        run_plain(other_hash, sizeof(other_hash) - 1);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
        assert_string_equal(exchange.account, "nurse@capulet.example");
}

static void
plain_refuses_the_rest_with_a_reason(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
                const char *failure;
        } cases[] = {
                { "\0juliet\0wrong", 13, "not-authorized" },
                { "\0nobody\0r0m30myr0m30", 20, "not-authorized" },
                { "\0juliet@verona.example\0r0m30myr0m30", 35, "not-authorized" },
                { "romeo@capulet.example\0juliet\0r0m30myr0m30", 41, "invalid-authzid" },
                { "juliet@capulet.example/balcony\0juliet\0r0m30myr0m30", 50, "invalid-authzid" },
                { "\0juliet\0", 8, "malformed-request" },
                { "\0\0r0m30myr0m30", 14, "malformed-request" },
                { "juliet", 6, "malformed-request" },
                { "\0juliet\0r0m30\0myr0m30", 21, "malformed-request" },
                { "\0juliet\0\xff\xfe", 10, "malformed-request" },
                { "", 0, "malformed-request" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                run_plain(cases[i].bytes, cases[i].len);
                assert_int_equal(exchange.outcome, SASL_REFUSED);
                assert_string_equal(exchange.failure, cases[i].failure);
        }
}

/* Accounts that were brought along have other rounds and salts than ours; so have those that do not exist, each always the same. */
static void
who_does_not_exist_looks_like_those_who_do(void **state)
{
        enum { EACH = 40, NAMES = 200 };
        struct batch *batch = batch_new(store);
        char name[60];

        for (int i = 0; i < 2 * EACH; i++) {
                struct account account = { .jid = name };
                snprintf(name, sizeof(name), "u%d@verona.example", i);
                account.sha1 = account.sha256 = i < EACH ? (struct scram_keys){ .rounds = 4096, .salt_len = 20 }
                                                         : (struct scram_keys){ .rounds = SCRAM_ROUNDS, .salt_len = SCRAM_SALT };
                account_add(batch, &account);
        }
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);

        int old = 0;
        struct arena *arena = arena_new(4096);
        for (int i = 0; i < NAMES; i++) {
                struct scram_keys first, again, plain;
                struct jid jid;
                snprintf(name, sizeof(name), "nobody%d@verona.example", i);
                assert_true(jid_parse(&jid, arena, name));
                credentials_find(&jid, DIGEST_SHA256, &first);
                credentials_find(&jid, DIGEST_SHA256, &again);
                assert_true(
                        first.rounds == 4096 ? first.salt_len == 20 : first.rounds == SCRAM_ROUNDS && first.salt_len == SCRAM_SALT);
                assert_int_equal(first.rounds, again.rounds);
                assert_memory_equal(first.salt, again.salt, sizeof(first.salt));
                assert_int_equal(credentials_find_any(&jid, &plain), DIGEST_SHA1); /* PLAIN derives as much as for the others */
                assert_true(plain.rounds == 4096 || plain.rounds == SCRAM_ROUNDS);
                old += first.rounds == 4096;
        }
        assert_in_range(old, NAMES / 4, NAMES * 3 / 4);

        struct scram_keys keys;
        struct jid stranger;
        assert_true(jid_parse(&stranger, arena, "nobody@mantua.example"));
        credentials_find(&stranger, DIGEST_SHA256, &keys);
        assert_int_equal(keys.rounds, SCRAM_ROUNDS);
        assert_int_equal(keys.salt_len, SCRAM_SALT);
        arena_free(&arena);
}

static void
plain_waits_for_tls(void **state)
{
        run((struct exchange){ .mechanism = "PLAIN", .initial = "x" });
        assert_string_equal(exchange.failure, "encryption-required");
        run((struct exchange){ .mechanism = "DIGEST-MD5", .initial = "x" });
        assert_string_equal(exchange.failure, "invalid-mechanism");
        for (const char *const *name = sasl_mechanisms("capulet.example", false); *name != NULL; name++)
                assert_true(strcmp(*name, "PLAIN") != 0 && strstr(*name, "-PLUS") == NULL);
}

static void
scram_lets_in_who_knows_the_password(void **state)
{
        const struct exchange sha1 = { .mechanism = "SCRAM-SHA-1",
                .initial = "n,,n=juliet,r=abcdefgh",
                .hash_password = "r0m30myr0m30",
                .digest = DIGEST_SHA1 };
        const struct exchange sha256 = { .mechanism = "SCRAM-SHA-256",
                .initial = "n,,n=juliet,r=abcdefgh",
                .hash_password = "r0m30myr0m30",
                .digest = DIGEST_SHA256 };

        run(sha1);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
        assert_string_equal(exchange.account, "juliet@capulet.example");
        assert_int_equal(strncmp(exchange.data, "v=", 2), 0); /* our proof, for <success/> */
        run(sha256);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
}

static void
scram_refuses_wrong_passwords_and_strangers_alike(void **state)
{
        static const char *const initials[] = { "n,,n=juliet,r=abcdefgh", "n,,n=nobody,r=abcdefgh",
                "n,,n=juliet@verona.example,r=abcdefgh" };

        for (size_t i = 0; i < 2; i++) {
                run((struct exchange){
                        .mechanism = "SCRAM-SHA-256", .initial = initials[i], .hash_password = "wrong", .digest = DIGEST_SHA256 });
                assert_int_equal(exchange.challenges, 1);
                assert_int_equal(exchange.outcome, SASL_REFUSED);
                assert_string_equal(exchange.failure, "not-authorized");
        }
        /* Another domain's user cannot exist here, whoever asks. */
        run((struct exchange){
                .mechanism = "SCRAM-SHA-256", .initial = initials[2], .hash_password = "wrong", .digest = DIGEST_SHA256 });
        assert_string_equal(exchange.failure, "not-authorized");
}

static void
salt_of(const char *initial, char *salt)
{
        run((struct exchange){ .mechanism = "SCRAM-SHA-1", .initial = initial });
        assert_int_equal(exchange.outcome, SASL_CHALLENGE);
        const char *s = strstr(exchange.data, ",s=");
        assert_non_null(s);
        snprintf(salt, 100, "%s", s); /* with the rounds */
}

static void
an_unknown_name_keeps_its_salt(void **state)
{
        char known[100], first[100], again[100], other[100];

        salt_of("n,,n=juliet,r=abcdefgh", known);
        salt_of("n,,n=nobody,r=abcdefgh", first);
        salt_of("n,,n=nobody,r=ijklmnop", again);
        salt_of("n,,n=nemo,r=ijklmnop", other);
        assert_string_equal(first, again);
        assert_string_not_equal(first, other);
        assert_int_equal(strlen(first), strlen(known));
        assert_string_equal(strstr(first, ",i="), strstr(known, ",i="));
}

static void
nobody_acts_for_another(void **state)
{
        struct exchange as_other = { .mechanism = "SCRAM-SHA-1",
                .initial = "n,a=nurse@capulet.example,n=juliet,r=abcdefgh",
                .hash_password = "r0m30myr0m30",
                .digest = DIGEST_SHA1 };

        run(as_other);
        assert_int_equal(exchange.outcome, SASL_REFUSED);
        assert_string_equal(exchange.failure, "invalid-authzid");
        as_other.initial = "n,a=juliet@capulet.example,n=juliet,r=abcdefgh";
        run(as_other);
        assert_int_equal(exchange.outcome, SASL_SUCCESS);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_lets_in_who_knows_the_password),
                cmocka_unit_test(plain_refuses_the_rest_with_a_reason),
                cmocka_unit_test(plain_waits_for_tls),
                cmocka_unit_test(who_does_not_exist_looks_like_those_who_do),
                cmocka_unit_test(scram_lets_in_who_knows_the_password),
                cmocka_unit_test(scram_refuses_wrong_passwords_and_strangers_alike),
                cmocka_unit_test(an_unknown_name_keeps_its_salt),
                cmocka_unit_test(nobody_acts_for_another),
        };
        return cmocka_run_group_tests(tests, make_account, remove_all);
}
