/*
 * tickets.c - the keys of session tickets (RFC 5077, RFC 8446 4.6.1)
 *
 * One ring for the process: every context and every thread seals with the same key, so that a ticket holds across workers and reloads. A key
 * seals for an hour and opens for one more, then it is wiped: what was recorded on the wire cannot be opened with what is found here later
 * (RFC 7525, 3.4). After a restart tickets are foreign, and their clients make a whole handshake.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/tls/tls_private.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

enum { KEY_SECONDS = 3600, NAME_BYTES = 16, KEY_BYTES = 32, IV_BYTES = 16 };

struct key {
        uint64_t made; /* monotonic ms; 0: none */
        unsigned char name[NAME_BYTES], cipher[KEY_BYTES], mac[KEY_BYTES];
};

static struct {
        pthread_mutex_t lock;
        struct key now, before;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
turn_ring(uint64_t ms)
{
        if (ring.now.made != 0 && ms - ring.now.made < KEY_SECONDS * 1000ULL)
                return;
        if (ring.now.made != 0 && ms - ring.now.made < 2 * KEY_SECONDS * 1000ULL)
                ring.before = ring.now;
        else
                mem_wipe(&ring.before, sizeof(ring.before));
        random_bytes(&ring.now, sizeof(ring.now));
        ring.now.made = ms;
}

/* The key to seal with (name NULL), or the one of this name. False: too old, or never ours. */
static bool
take_key(const unsigned char *name, struct key *key, bool *is_old)
{
        bool found = true;

        pthread_mutex_lock(&ring.lock);
        turn_ring(clock_mono_ms() + 1);
        *is_old = name != NULL && ring.before.made != 0 && memcmp(name, ring.before.name, NAME_BYTES) == 0;
        if (*is_old)
                *key = ring.before;
        else if (name == NULL || memcmp(name, ring.now.name, NAME_BYTES) == 0)
                *key = ring.now;
        else
                found = false;
        pthread_mutex_unlock(&ring.lock);
        return found;
}

static bool
set_keys(const struct key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seals)
{
        static char sha256[] = "SHA256";
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
                OSSL_PARAM_construct_end(),
        };

        return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seals) == 1 &&
                EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* 1: done; 2: opened, and a new ticket is due; 0: no such key, a whole handshake follows; -1: failed. */
static int
use_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals)
{
        struct key key;
        bool is_old;

        if (!take_key(seals ? NULL : name, &key, &is_old))
                return 0;
        if (seals) {
                memcpy(name, key.name, NAME_BYTES);
                random_bytes(iv, IV_BYTES);
        }
        bool done = set_keys(&key, iv, cipher, mac, seals != 0);
        mem_wipe(&key, sizeof(key));
        return !done ? -1 : is_old ? 2 : 1;
}

static int
make_ticket(SSL *ssl, void *unused)
{
        return 1;
}

/* Who proved who he is with a certificate does so each time: it may have been withdrawn meanwhile, or its authority. */
static SSL_TICKET_RETURN
judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len, SSL_TICKET_STATUS status, void *unused)
{
        if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
                return status == SSL_TICKET_FATAL_ERR_MALLOC || status == SSL_TICKET_FATAL_ERR_OTHER
                        ? SSL_TICKET_RETURN_ABORT
                        : SSL_TICKET_RETURN_IGNORE_RENEW;
        if (SSL_SESSION_get0_peer(session) != NULL)
                return SSL_TICKET_RETURN_IGNORE;
        return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

void
tls_offer_tickets(SSL_CTX *ssl)
{
        static const unsigned char anywhere[] = "xmpp";

        SSL_CTX_clear_options(ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ssl, 1);
        SSL_CTX_set_timeout(ssl, 2 * KEY_SECONDS);
        must(SSL_CTX_set_session_id_context(ssl, anywhere, sizeof(anywhere) - 1) == 1);
        must(SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, use_key) == 1);
        must(SSL_CTX_set_session_ticket_cb(ssl, make_ticket, judge_ticket, NULL) == 1);
}
