/* tls_private.h - what the files of this room share */
#ifndef SHARED_TLS_TLS_PRIVATE_H
#define SHARED_TLS_TLS_PRIVATE_H

#include "shared/base/arena.h"
#include "shared/tls/context.h"
#include "shared/tls/peer.h"

#include <openssl/ssl.h>

SSL_CTX *tls_context_ssl(struct tls_context *context);
/* Server: the connection shows the certificate that is meant for this name, if any is; name may be NULL. */
void tls_context_choose(struct tls_context *context, SSL *ssl, const char *name);

/* Server: gives out session tickets and takes them back. */
void tls_offer_tickets(SSL_CTX *ssl);

/* For the verify callback: where the first thing wrong with the other side's chain is kept; the session's application data. */
enum { TLS_CHAIN_MAX = 12 };
struct tls_findings {
        char *problem;               /* NULL: nothing; mem_free */
        int error;                   /* X509_V_... of it */
        short errors[TLS_CHAIN_MAX]; /* the first of each certificate, by its depth */
};

/* May each certificate of this chain, the first one as itself and the others as authorities, prove who a server is? */
bool tls_chain_is_for_servers(STACK_OF(X509) * chain);
/* Does the certificate name this host (RFC 9525)? */
bool tls_names_host(X509 *certificate, const char *dns_name);
/* Does this name from a certificate cover this host? Case ignored; "*." stands for exactly one label. */
bool tls_name_covers(const char *pattern, const char *host);
/* Fills peer from the finished handshake; texts and names live in the arena. */
void tls_peer_read(struct tls_peer *peer, struct arena *arena, SSL *ssl, const struct tls_findings *findings);
/* The part of it that reads certificates. chain: from the certificate upwards; NULL: it alone is known. */
void tls_peer_describe(
        struct tls_peer *peer, struct arena *arena, STACK_OF(X509) * chain, X509 *certificate, const struct tls_findings *findings);
/* "expired on 2026-01-01 (CN=juliet)": what OpenSSL's verify error means. */
void tls_explain_verify(char *text, size_t room, int error, X509 *certificate);
/* The first queued error of libcrypto as words; clears the queue. */
void tls_explain_queue(char *text, size_t room);

#endif
