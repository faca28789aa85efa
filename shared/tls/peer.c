/*
 * peer.c - what the other side of a TLS connection showed and proved
 */
#include "shared/tls/peer.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/tls/tls_private.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAMES_MAX = 256 };

bool
tls_name_covers(const char *pattern, const char *host)
{
        if (pattern[0] == '*' && pattern[1] == '.') {
                const char *dot = strchr(host, '.');
                /* "*.com" would cover every company there is. */
                return dot != NULL && dot > host && strchr(pattern + 2, '.') != NULL && strcasecmp(pattern + 1, dot) == 0;
        }
        return strcasecmp(pattern, host) == 0;
}

bool
tls_peer_is(const struct tls_peer *peer, const char *dns_name)
{
        if (!peer->valid)
                return false;
        for (size_t i = 0; i < peer->name_count; i++) {
                const struct tls_name *name = &peer->names[i];
                if ((name->kind == TLS_NAME_CN || name->kind == TLS_NAME_DNS) && tls_name_covers(name->text, dns_name))
                        return true;
        }
        return false;
}

static void
write_subject(char *text, size_t room, X509 *certificate)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *bytes;

        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
        long len = BIO_get_mem_data(bio, &bytes);
        snprintf(text, room, "%.*s", (int)len, bytes);
        BIO_free(bio);
}

void
tls_explain_verify(char *text, size_t room, int error, X509 *certificate)
{
        char subject[120] = "", date[16] = "";
        struct tm tm;

        if (certificate != NULL)
                write_subject(subject, sizeof(subject), certificate);
        if (error == X509_V_ERR_CERT_HAS_EXPIRED && certificate != NULL &&
                ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1) {
                strftime(date, sizeof(date), "%Y-%m-%d", &tm);
                snprintf(text, room, "expired on %s (%s)", date, subject);
        } else if (subject[0] != '\0') {
                snprintf(text, room, "%s (%s)", X509_verify_cert_error_string(error), subject);
        } else {
                snprintf(text, room, "%s", X509_verify_cert_error_string(error));
        }
}

static void
add_name(struct tls_peer *peer, struct tls_name *names, struct arena *arena, enum tls_name_kind kind, const ASN1_STRING *value)
{
        unsigned char *text = NULL;
        int len = value == NULL ? -1 : ASN1_STRING_to_UTF8(&text, value);

        /* A name with a NUL inside is a forgery: one half of the world would see "bank.example", the other the rest. */
        if (len > 0 && peer->name_count < NAMES_MAX && memchr(text, '\0', (size_t)len) == NULL &&
                text_is_utf8((char *)text, (size_t)len)) {
                names[peer->name_count].kind = kind;
                names[peer->name_count++].text = arena_strndup(arena, (char *)text, (size_t)len);
        }
        OPENSSL_free(text);
}

static void
add_general_name(struct tls_peer *peer, struct tls_name *names, struct arena *arena, const GENERAL_NAME *name)
{
        if (name->type == GEN_DNS) {
                add_name(peer, names, arena, TLS_NAME_DNS, name->d.dNSName);
        } else if (name->type == GEN_URI) {
                add_name(peer, names, arena, TLS_NAME_URI, name->d.uniformResourceIdentifier);
        } else if (name->type == GEN_OTHERNAME) {
                const ASN1_TYPE *value = name->d.otherName->value;
                int nid = OBJ_obj2nid(name->d.otherName->type_id);
                if (nid == NID_XmppAddr && value->type == V_ASN1_UTF8STRING)
                        add_name(peer, names, arena, TLS_NAME_XMPP_ADDR, value->value.utf8string);
                else if (nid == NID_SRVName && value->type == V_ASN1_IA5STRING)
                        add_name(peer, names, arena, TLS_NAME_SRV, value->value.ia5string);
        }
}

static void
read_names(struct tls_peer *peer, struct arena *arena, X509 *certificate)
{
        struct tls_name *names = arena_alloc(arena, NAMES_MAX * sizeof(*names));
        X509_NAME *subject = X509_get_subject_name(certificate);
        GENERAL_NAMES *others = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

        for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
                add_name(peer, names, arena, TLS_NAME_CN, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        for (int i = 0; others != NULL && i < sk_GENERAL_NAME_num(others); i++)
                add_general_name(peer, names, arena, sk_GENERAL_NAME_value(others, i));
        GENERAL_NAMES_free(others);
        peer->names = names;
}

void
tls_peer_read(struct tls_peer *peer, struct arena *arena, SSL *ssl, const char *problem)
{
        X509 *certificate = SSL_get0_peer_certificate(ssl);
        const unsigned char *alpn;
        unsigned alpn_len;

        peer->version = SSL_get_version(ssl);
        peer->cipher = SSL_get_cipher_name(ssl);
        SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
        if (alpn_len > 0)
                peer->alpn = arena_strndup(arena, (const char *)alpn, alpn_len);
        if (certificate == NULL) {
                snprintf(peer->problem, sizeof(peer->problem), "no certificate");
                return;
        }
        peer->has_certificate = true;
        peer->valid = problem == NULL && SSL_get_verify_result(ssl) == X509_V_OK;
        if (problem != NULL)
                snprintf(peer->problem, sizeof(peer->problem), "%s", problem);
        else if (!peer->valid)
                tls_explain_verify(peer->problem, sizeof(peer->problem), (int)SSL_get_verify_result(ssl), certificate);
        peer->expired = SSL_get_verify_result(ssl) == X509_V_ERR_CERT_HAS_EXPIRED;
        write_subject(peer->subject, sizeof(peer->subject), certificate);
        read_names(peer, arena, certificate);
}
