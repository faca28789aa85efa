/* scram.h - what a SCRAM server keeps of a password (RFC 5802, 3): salt, rounds, StoredKey, ServerKey */
#ifndef XMPPD_USER_SCRAM_H
#define XMPPD_USER_SCRAM_H

#include "shared/base/arena.h"
#include "shared/base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRAM_ROUNDS = 10000, SCRAM_ROUNDS_MAX = 1000000, SCRAM_SALT = 16, SCRAM_SALT_MAX = 64 };

struct scram_keys {
        uint32_t rounds; /* 0: there are none for this hash */
        uint8_t salt_len;
        unsigned char salt[SCRAM_SALT_MAX];
        unsigned char stored_key[DIGEST_MAX], server_key[DIGEST_MAX];
};

/* Derives the keys with a fresh salt. Milliseconds of CPU: for the pool or xmppctl. False: the password is empty, longer than 1023 bytes, or not
 * text that SASLprep allows. */
bool scram_derive(struct scram_keys *keys, enum digest digest, const char *password);
/* The same with a given salt: loads of test accounts whose clients cache the derived key. */
bool scram_derive_salted(struct scram_keys *keys, enum digest digest, const char *password, const void *salt, size_t salt_len);
/* Does this password give these keys? The same cost, the same time whatever the answer. */
bool scram_check(const struct scram_keys *keys, enum digest digest, const char *password, size_t len);

/* "SCRAM-SHA-1$10000:SALT$STOREDKEY:SERVERKEY" (RFC 5803), the form that export writes and Cyrus SASL reads. */
char *scram_format(struct arena *arena, const struct scram_keys *keys, enum digest digest);
bool scram_parse(struct scram_keys *keys, enum digest *digest, const char *text);

#endif
