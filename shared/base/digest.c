/*
 * digest.c - hashes over OpenSSL
 *
 * OpenSSL 3 looks algorithms up by name under a lock at each implicit use; they are fetched once here.
 */
#include "shared/base/digest.h"

#include "shared/base/panic.h"

#include <pthread.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

static EVP_MD *fetched[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
        fetched[DIGEST_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
        fetched[DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
        must(fetched[DIGEST_SHA1] != NULL && fetched[DIGEST_SHA256] != NULL);
}

static const EVP_MD *
algorithm(enum digest digest)
{
        pthread_once(&once, fetch);
        return fetched[digest];
}

size_t
digest_size(enum digest digest)
{
        return digest == DIGEST_SHA1 ? 20 : 32;
}

void
digest_of(enum digest digest, const void *bytes, size_t len, unsigned char *out)
{
        must(EVP_Digest(bytes, len, out, NULL, algorithm(digest), NULL) == 1);
}

void
digest_hmac(enum digest digest, const void *key, size_t key_len, const void *bytes, size_t len, unsigned char *out)
{
        must(HMAC(algorithm(digest), key, (int)key_len, bytes, len, out, NULL) != NULL);
}
