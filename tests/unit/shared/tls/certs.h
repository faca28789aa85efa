/* certs.h - certificates made for a test: P-256 keys, in PEM files of a temporary directory */
#ifndef TESTS_UNIT_SHARED_TLS_CERTS_H
#define TESTS_UNIT_SHARED_TLS_CERTS_H

#include <openssl/x509.h>

struct cert {
        EVP_PKEY *key;
        X509 *x509;
        char path[200]; /* certificate, then key */
};

struct cert_wish {
        const char *name;     /* file name without .pem, and CN */
        const char *san;      /* OpenSSL's notation: "DNS:a.example,otherName:1.3.6.1.5.5.7.8.5;UTF8:a@b"; NULL: none */
        const char *usage;    /* "serverAuth,clientAuth"; NULL: no such extension */
        struct cert *issuer;  /* NULL: self-signed */
        int from_day, to_day; /* counted from now; both 0: valid for a year */
        int seconds;          /* not 0: it expires so soon */
        int is_ca;
        const char *dns; /* a dNSName of dns_len bytes that OpenSSL's notation cannot write: with a NUL; instead of san */
        int dns_len;
        const char *xmpp_addr;  /* an XmppAddr in UTF-8; instead of san */
        int has_weak_signature; /* SHA-1 */
        int is_forged;          /* signed by another key than the issuer's */
};

/* The directory all of them go to; made at the first call, removed by certs_remove. */
const char *certs_dir(void);
void certs_remove(void);
struct cert cert_make(const struct cert_wish *wish);
void cert_free(struct cert *cert);

#endif
