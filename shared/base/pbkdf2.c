/*
 * pbkdf2.c - Hi() of RFC 5802
 *
 * The same few compressions are run thousands of times on blocks that differ in one hash value only. Going through HMAC objects for each of
 * them costs more than twice what the compressions do, and importing accounts is made of nothing else. So the states after the padded key are
 * computed once and OpenSSL's compression functions are applied to prepared blocks; they are deprecated for general use, and stay.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include <openssl/sha.h>

enum { BLOCK = 64, WORDS_MAX = 8 };

struct state {
        uint32_t words[WORDS_MAX];
};

static void
begin(enum digest digest, struct state *state)
{
        SHA_CTX sha1;
        SHA256_CTX sha256;

        if (digest == DIGEST_SHA1) {
                SHA1_Init(&sha1);
                *state = (struct state){ { sha1.h0, sha1.h1, sha1.h2, sha1.h3, sha1.h4 } };
        } else {
                SHA256_Init(&sha256);
                memcpy(state->words, sha256.h, sizeof(state->words));
        }
}

static void
compress(enum digest digest, struct state *state, const unsigned char *block)
{
        uint32_t *w = state->words;

        if (digest == DIGEST_SHA1) {
                SHA_CTX sha1;
                sha1.h0 = w[0], sha1.h1 = w[1], sha1.h2 = w[2], sha1.h3 = w[3], sha1.h4 = w[4];
                SHA1_Transform(&sha1, block);
                w[0] = sha1.h0, w[1] = sha1.h1, w[2] = sha1.h2, w[3] = sha1.h3, w[4] = sha1.h4;
        } else {
                SHA256_CTX sha256;
                memcpy(sha256.h, w, sizeof(sha256.h));
                SHA256_Transform(&sha256, block);
                memcpy(w, sha256.h, sizeof(sha256.h));
        }
}

static void
write_words(unsigned char *out, const struct state *state, size_t size)
{
        for (size_t i = 0; i < size / 4; i++) {
                uint32_t word = htobe32(state->words[i]);
                memcpy(out + 4 * i, &word, 4);
        }
}

/* The state after the key, padded to a block and combined with pad (RFC 2104). */
static void
take_key(enum digest digest, struct state *state, const void *key, size_t len, unsigned char pad)
{
        unsigned char block[BLOCK] = { 0 };

        if (len > BLOCK)
                digest_of(digest, key, len, block);
        else
                memcpy(block, key, len);
        for (size_t i = 0; i < BLOCK; i++)
                block[i] ^= pad;
        begin(digest, state);
        compress(digest, state, block);
        mem_wipe(block, sizeof(block));
}

/* A last block: room for one hash, then the end of a message of one block and one hash. */
static void
prepare_block(unsigned char *block, size_t size)
{
        size_t bits = (BLOCK + size) * 8;

        memset(block, 0, BLOCK);
        block[size] = 0x80;
        block[BLOCK - 2] = (unsigned char)(bits >> 8);
        block[BLOCK - 1] = (unsigned char)bits;
}

void
digest_pbkdf2(enum digest digest, const void *password, size_t password_len, const void *salt, size_t salt_len, int rounds,
        unsigned char *out)
{
        size_t size = digest_size(digest);
        unsigned char first[512 + 4], inner[BLOCK], outer[BLOCK];
        struct state keyed_inner, keyed_outer;

        must(rounds > 0 && salt_len <= sizeof(first) - 4);
        memcpy(first, salt, salt_len);
        memcpy(first + salt_len, "\0\0\0\1", 4);
        prepare_block(inner, size);
        prepare_block(outer, size);
        digest_hmac(digest, password, password_len, first, salt_len + 4, inner);
        memcpy(out, inner, size);
        take_key(digest, &keyed_inner, password, password_len, 0x36);
        take_key(digest, &keyed_outer, password, password_len, 0x5c);
        for (int round = 1; round < rounds; round++) {
                struct state state = keyed_inner;
                compress(digest, &state, inner);
                write_words(outer, &state, size);
                state = keyed_outer;
                compress(digest, &state, outer);
                write_words(inner, &state, size);
                for (size_t i = 0; i < size; i++)
                        out[i] ^= inner[i];
        }
        mem_wipe(&keyed_inner, sizeof(keyed_inner));
        mem_wipe(&keyed_outer, sizeof(keyed_outer));
        mem_wipe(inner, sizeof(inner));
        mem_wipe(outer, sizeof(outer));
}
