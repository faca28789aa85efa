/* test_scram.c - keys from passwords, and their form as text */
#include "xmppd/user/scram.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
derives_the_keys_of_the_rfc_exchange(void **state)
{
        /* RFC 5802, 5: user "user", password "pencil", salt QSXCR+Q6sek8bf92, 4096 rounds. The proof in the RFC verifies against this StoredKey. */
        struct arena *arena = arena_new(256);
        struct scram_keys keys;
        enum digest digest;

        assert_true(scram_parse(
                &keys, &digest, "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="));
        assert_int_equal(digest, DIGEST_SHA1);
        assert_true(scram_check(&keys, DIGEST_SHA1, "pencil", 6));
        assert_false(scram_check(&keys, DIGEST_SHA1, "pencils", 7));
        assert_false(scram_check(&keys, DIGEST_SHA1, "", 0));
        assert_string_equal(scram_format(arena, &keys, digest),
                "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=");
        arena_free(&arena);
}

static void
checks_what_it_derived_with_a_fresh_salt(void **state)
{
        struct scram_keys a, b;

        assert_true(scram_derive(&a, DIGEST_SHA256, "p\xc3\xa4ss word"));
        assert_true(scram_derive(&b, DIGEST_SHA256, "p\xc3\xa4ss word"));
        assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT);
        assert_memory_not_equal(a.stored_key, b.stored_key, 32);
        assert_int_equal(a.rounds, SCRAM_ROUNDS);
        assert_true(scram_check(&a, DIGEST_SHA256, "p\xc3\xa4ss word", 10));
        /* SASLprep maps a decomposed letter to the composed one, and a no-break space to a blank. */
        assert_true(scram_check(&a, DIGEST_SHA256, "pa\xcc\x88ss\xc2\xa0word", 12));
}

static void
refuses_what_is_no_password(void **state)
{
        struct scram_keys keys;
        char large[1100];

        memset(large, 'x', sizeof(large));
        large[1024] = '\0';
        assert_false(scram_derive(&keys, DIGEST_SHA1, ""));
        assert_false(scram_derive(&keys, DIGEST_SHA1, "a\nb"));
        assert_false(scram_derive(&keys, DIGEST_SHA1, "a\xff"));
        assert_false(scram_derive(&keys, DIGEST_SHA1, large));
}

static void
refuses_damaged_text(void **state)
{
        static const char *const bad[] = { "", "SCRAM-SHA-1", "SCRAM-SHA-512$1:AAAA$AAAA:AAAA",
                "SCRAM-SHA-1$0:AAAA$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
                "SCRAM-SHA-1$4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
                "SCRAM-SHA-1$4096:AAAA$6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "SCRAM-SHA-1$4096:AAAA$6dlG:D+CSWLOshSulAsxiupA+qs2/fTE=",
                "SCRAM-SHA-256$4096:AAAA$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
                "SCRAM-SHA-1$99999999:AAAA$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=" };
        struct scram_keys keys;
        enum digest digest;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (scram_parse(&keys, &digest, bad[i]))
                        fail_msg("taken: %s", bad[i]);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(derives_the_keys_of_the_rfc_exchange),
                cmocka_unit_test(checks_what_it_derived_with_a_fresh_salt),
                cmocka_unit_test(refuses_what_is_no_password),
                cmocka_unit_test(refuses_damaged_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
