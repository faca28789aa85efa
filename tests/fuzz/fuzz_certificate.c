/* fuzz_certificate.c - what another server shows as its certificate, in DER: names that can be used are texts, and nothing stands for what it does not name */
#include "shared/base/arena.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/tls/tls_private.h"

#include <openssl/err.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at(struct arena *arena, X509 *certificate, X509_STORE *store)
{
        struct tls_findings findings = { 0 };
        struct tls_peer peer = { 0 };
        X509_STORE_CTX *verifying = X509_STORE_CTX_new();

        X509_STORE_CTX_init(verifying, store, certificate, NULL);
        X509_verify_cert(verifying);
        findings.error = X509_STORE_CTX_get_error(verifying);
        tls_peer_describe(&peer, arena, X509_STORE_CTX_get0_chain(verifying), certificate, &findings);
        must(peer.has_certificate && peer.chain_count > 0);
        for (size_t i = 0; i < peer.name_count; i++) {
                const char *name = peer.names[i].text;
                must(text_is_utf8(name, strlen(name)));
                bool covers = tls_peer_names_domain(&peer, name, name, false);
                must(!covers || peer.has_server_names);
        }
        must(!tls_peer_names_domain(&peer, "", "", true));
        tls_peer_names_domain(&peer, "im.capulet.example", "im.capulet.example", true);
        X509_STORE_CTX_free(verifying);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static X509_STORE *store;
        const unsigned char *at = data;

        if (store == NULL)
                store = X509_STORE_new();
        X509 *certificate = d2i_X509(NULL, &at, (long)size);
        if (certificate != NULL) {
                struct arena *arena = arena_new(1024);
                look_at(arena, certificate, store);
                arena_free(&arena);
                X509_free(certificate);
        }
        ERR_clear_error();
        return 0;
}
