/* digest.h - hashes, keyed hashes and key derivation */
#ifndef SHARED_BASE_DIGEST_H
#define SHARED_BASE_DIGEST_H

#include <stddef.h>

enum digest { DIGEST_SHA1, DIGEST_SHA256 };
enum { DIGEST_MAX = 32 };

/* 20 or 32 bytes. */
size_t digest_size(enum digest digest);
/* out has digest_size() bytes. */
void digest_of(enum digest digest, const void *bytes, size_t len, unsigned char *out);
void digest_hmac(enum digest digest, const void *key, size_t key_len, const void *bytes, size_t len, unsigned char *out);
/* Hi() of RFC 5802: PBKDF2-HMAC with one block. Milliseconds of CPU: for the thread pool, never for a loop.
 * salt_len is at most 512, rounds at least 1. */
void digest_pbkdf2(enum digest digest, const void *password, size_t password_len, const void *salt, size_t salt_len, int rounds,
        unsigned char *out);

#endif
