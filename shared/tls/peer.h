/* peer.h - what the other side of a TLS connection showed and proved */
#ifndef SHARED_TLS_PEER_H
#define SHARED_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

enum tls_name_kind { TLS_NAME_CN, TLS_NAME_DNS, TLS_NAME_SRV, TLS_NAME_XMPP_ADDR, TLS_NAME_URI };

struct tls_name {
        enum tls_name_kind kind;
        const char *text; /* no NUL inside: names with one are left out */
};

struct tls_peer {
        bool has_certificate;
        bool valid;                   /* chain, dates and purpose hold against the context's trust */
        bool expired;                 /* what is wrong is a date that has passed */
        char problem[160];            /* why not, in words: "self-signed certificate", "expired on 2026-01-01 (C=.. CN=..)" */
        char subject[160];            /* one line, for the log */
        const char *version;          /* "TLSv1.3" */
        const char *cipher;           /* "TLS_AES_256_GCM_SHA384" */
        const char *alpn;             /* what was agreed, or NULL */
        const struct tls_name *names; /* CN first, then SANs; name_count of them, at most 256 */
        size_t name_count;
};

/* Does a CN or dNSName of a valid certificate equal this host name (case ignored; a wildcard covers the left-most label only)?
 * False while !valid. */
bool tls_peer_is(const struct tls_peer *peer, const char *dns_name);

#endif
