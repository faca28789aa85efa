/* peer.h - what the other side of a TLS connection showed and proved */
#ifndef SHARED_TLS_PEER_H
#define SHARED_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_fault {
        TLS_FAULT_NONE,
        TLS_FAULT_NO_CERTIFICATE,
        TLS_FAULT_EXPIRED,
        TLS_FAULT_NOT_YET,
        TLS_FAULT_SELF_SIGNED,
        TLS_FAULT_UNKNOWN_AUTHORITY, /* its chain is incomplete, or its root is not trusted */
        TLS_FAULT_PURPOSE,           /* of the certificate: extended key usage */
        TLS_FAULT_SIGNATURE,
        TLS_FAULT_REVOKED,
        TLS_FAULT_WEAK,
        TLS_FAULT_NOT_AN_AUTHORITY, /* one above it may not sign */
        TLS_FAULT_OTHER,
};

/* One certificate of the chain. */
struct tls_link {
        const char *subject, *issuer;  /* one line each */
        int64_t not_before, not_after; /* wall clock, seconds */
        enum tls_fault fault;
        const char *problem; /* in words; NULL: none */
};

enum tls_name_kind { TLS_NAME_CN, TLS_NAME_DNS, TLS_NAME_SRV, TLS_NAME_XMPP_ADDR, TLS_NAME_URI };

struct tls_name {
        enum tls_name_kind kind;
        const char *text; /* no NUL inside: names with one are left out */
};

struct tls_peer {
        bool has_certificate;
        bool valid;          /* chain, dates and purpose hold against the context's trust */
        bool expired;        /* what is wrong is a date that has passed */
        bool is_for_servers; /* by its purposes, and those of all above it, it may prove who a server is, whichever side that is on */
        bool has_server_names; /* a dNSName, SRVName or XmppAddr is in it, be it one that cannot be used: so its CN says nothing */
        enum tls_fault fault;  /* the first thing wrong */
        unsigned char digest[32];     /* SHA-256 of the certificate */
        int64_t not_after;            /* the first date on which one of the chain expires; wall clock, seconds */
        const struct tls_link *chain; /* the certificate first, then those above it, as they were shown or found */
        size_t chain_count;
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
/* Does it name this XMPP domain as a server (RFC 6120 13.7.1.2, RFC 9525)? By dNSName, a wildcard standing for the left-most label, by SRVName
 * (RFC 4985) of _xmpp-server or _xmpps-server, or by XmppAddr; by a CN only with allow_cn and where it has no name of these kinds. Looks at names
 * alone, not at validity. prepared: as in a JID; ascii: its A-label form. */
bool tls_peer_names_domain(const struct tls_peer *peer, const char *prepared, const char *ascii, bool allow_cn);
/* Is it the certificate with this SHA-256? */
bool tls_peer_has_pin(const struct tls_peer *peer, const unsigned char pin[32]);

#endif
