/* test_digest.c - known answers of hashes, keyed hashes and key derivation */
#include "shared/base/digest.h"
#include "shared/base/text.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *
hex(const unsigned char *bytes, enum digest digest)
{
        static char text[2 * DIGEST_MAX + 1];
        return text_hex(text, bytes, digest_size(digest));
}

static void
hashes_as_fips_180_says(void **state)
{
        unsigned char out[DIGEST_MAX];
        digest_of(DIGEST_SHA1, "abc", 3, out);
        assert_string_equal(hex(out, DIGEST_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        digest_of(DIGEST_SHA256, "abc", 3, out);
        assert_string_equal(hex(out, DIGEST_SHA256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        digest_of(DIGEST_SHA1, "", 0, out);
        assert_string_equal(hex(out, DIGEST_SHA1), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

static void
keyed_hashes_are_those_of_rfc_2202_and_4231(void **state)
{
        unsigned char out[DIGEST_MAX];
        digest_hmac(DIGEST_SHA1, "Jefe", 4, "what do ya want for nothing?", 28, out);
        assert_string_equal(hex(out, DIGEST_SHA1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        digest_hmac(DIGEST_SHA256, "Jefe", 4, "what do ya want for nothing?", 28, out);
        assert_string_equal(hex(out, DIGEST_SHA256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
derives_keys_as_rfc_6070_and_7914_say(void **state)
{
        unsigned char out[DIGEST_MAX];
        digest_pbkdf2(DIGEST_SHA1, "password", 8, "salt", 4, 4096, out);
        assert_string_equal(hex(out, DIGEST_SHA1), "4b007901b765489abead49d926f721d065a429c1");
        digest_pbkdf2(DIGEST_SHA1, "password", 8, "salt", 4, 1, out);
        assert_string_equal(hex(out, DIGEST_SHA1), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
        digest_pbkdf2(DIGEST_SHA256, "passwd", 6, "salt", 4, 1, out);
        assert_string_equal(hex(out, DIGEST_SHA256), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

/* RFC 5802 section 5 and RFC 7677 section 3: the client proofs of their example conversations. */
static void
yields_the_salted_passwords_of_the_scram_examples(void **state)
{
        unsigned char salt[32], salted[DIGEST_MAX], client_key[DIGEST_MAX], stored_key[DIGEST_MAX];
        int64_t n = text_unbase64(salt, "QSXCR+Q6sek8bf92", 16);
        assert_int_equal(n, 12);
        digest_pbkdf2(DIGEST_SHA1, "pencil", 6, salt, (size_t)n, 4096, salted);
        digest_hmac(DIGEST_SHA1, salted, 20, "Client Key", 10, client_key);
        digest_of(DIGEST_SHA1, client_key, 20, stored_key);
        assert_string_equal(hex(stored_key, DIGEST_SHA1), "e9d94660c39d65c38fbad91c358f14da0eef2bd6");

        n = text_unbase64(salt, "W22ZaJ0SNY7soEsUEjb6gQ==", 24);
        assert_int_equal(n, 16);
        digest_pbkdf2(DIGEST_SHA256, "pencil", 6, salt, (size_t)n, 4096, salted);
        digest_hmac(DIGEST_SHA256, salted, 32, "Client Key", 10, client_key);
        digest_of(DIGEST_SHA256, client_key, 32, stored_key);
        char text[64];
        assert_string_equal(text_base64(text, stored_key, 32), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hashes_as_fips_180_says),
                cmocka_unit_test(keyed_hashes_are_those_of_rfc_2202_and_4231),
                cmocka_unit_test(derives_keys_as_rfc_6070_and_7914_say),
                cmocka_unit_test(yields_the_salted_passwords_of_the_scram_examples),
        };
        return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
