/* context.h - certificate, key, trust and rules for TLS connections; immutable once made, shared by all threads, counted
 *
 * A new certificate is a new context; connections keep the one they began with.
 */
#ifndef SHARED_TLS_CONTEXT_H
#define SHARED_TLS_CONTEXT_H

#include "shared/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct tls_context;

enum tls_side { TLS_SERVER, TLS_CLIENT };
enum tls_ask { TLS_ASK_NONE, TLS_ASK_OPTIONAL, TLS_ASK_REQUIRED }; /* the client's certificate, on a server */

/* All texts may be NULL: absent, default. They are only read during the call. */
struct tls_options {
        const char *certificate; /* PEM file: chain, and the key if `key` is NULL */
        const char *key;
        const char *trust;            /* file or directory of trusted roots; NULL: nothing is trusted */
        struct tls_context *trust_of; /* instead: the same roots as this one's, which are kept once */
        const char *min_version;      /* "1.0" .. "1.3"; NULL: "1.2" */
        const char *max_version;
        const char *ciphers; /* OpenSSL list for up to 1.2; may hold @SECLEVEL=0, set before the certificate is loaded */
        enum tls_ask ask;    /* an invalid certificate ends no handshake: tls_peer says what is wrong, the owner decides;
                                only TLS_ASK_REQUIRED refuses a client that shows none */
        bool empty_fragments;
        bool tickets;            /* server: sessions may be resumed, by tickets that all such contexts of the process open */
        const char *const *alpn; /* NULL-terminated, by preference: "xmpp-client", "xmpp-server" */
};

/* NULL with a sentence that names the file and what does not fit (missing, unreadable, key of another certificate, expired, ...). */
struct tls_context *tls_context_new(enum tls_side side, const struct tls_options *options, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context);

/* Server: for SNI names that this other context's certificate is meant for, use it. Only before the first connection. name is lower-case,
 * A-label form; "*.example.com" covers one label. The other context is referenced. */
void tls_context_add_name(struct tls_context *context, const char *name, struct tls_context *other);

/* Does the context's own certificate cover this DNS name (RFC 9525)? */
bool tls_context_covers(const struct tls_context *context, const char *dns_name);
/* Is it for clients too, as some servers ask of one that connects to them (extended key usage clientAuth, or none at all)? */
bool tls_context_is_for_clients(const struct tls_context *context);
/* Checks a certificate file as the configuration reader does: readable, key fits, dates, EKU serverAuth. -1 with a sentence. */
int tls_check_certificate(const char *certificate, const char *key, struct err *err);

#endif
