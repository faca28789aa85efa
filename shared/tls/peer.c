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
                const char *last = strrchr(host, '.');
                /* "*.com" would cover every company there is; and a part of an address is no label (RFC 9525, 6.3). */
                return dot != NULL && dot > host && !(last[1] >= '0' && last[1] <= '9') && strchr(pattern + 2, '.') != NULL &&
                        strcasecmp(pattern + 1, dot) == 0;
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

static bool
is_server_service(const char *text, const char *ascii)
{
        static const char *const services[] = { "_xmpp-server.", "_xmpps-server." };

        for (size_t i = 0; i < array_len(services); i++)
                if (ascii[0] != '\0' && strncasecmp(text, services[i], strlen(services[i])) == 0 &&
                        strcasecmp(text + strlen(services[i]), ascii) == 0)
                        return true;
        return false;
}

bool
tls_peer_names_domain(const struct tls_peer *peer, const char *prepared, const char *ascii, bool allow_cn)
{
        for (size_t i = 0; i < peer->name_count; i++) {
                const struct tls_name *name = &peer->names[i];
                if ((name->kind == TLS_NAME_DNS && tls_name_covers(name->text, ascii)) ||
                        (name->kind == TLS_NAME_SRV && is_server_service(name->text, ascii)) ||
                        (name->kind == TLS_NAME_XMPP_ADDR && strcasecmp(name->text, prepared) == 0))
                        return true;
        }
        for (size_t i = 0; allow_cn && !peer->has_server_names && i < peer->name_count; i++)
                if (peer->names[i].kind == TLS_NAME_CN && tls_name_covers(peer->names[i].text, ascii))
                        return true;
        return false;
}

bool
tls_peer_has_pin(const struct tls_peer *peer, const unsigned char pin[32])
{
        return peer->has_certificate && mem_equal_secret(peer->digest, pin, sizeof(peer->digest));
}

static enum tls_fault
fault_of(int error)
{
        switch (error) {
        case X509_V_OK:
                return TLS_FAULT_NONE;
        case X509_V_ERR_CERT_HAS_EXPIRED:
                return TLS_FAULT_EXPIRED;
        case X509_V_ERR_CERT_NOT_YET_VALID:
                return TLS_FAULT_NOT_YET;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
                return TLS_FAULT_SELF_SIGNED;
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_UNTRUSTED:
                return TLS_FAULT_UNKNOWN_AUTHORITY;
        case X509_V_ERR_INVALID_PURPOSE:
                return TLS_FAULT_PURPOSE;
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
                return TLS_FAULT_SIGNATURE;
        case X509_V_ERR_CERT_REVOKED:
                return TLS_FAULT_REVOKED;
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
                return TLS_FAULT_WEAK;
        case X509_V_ERR_INVALID_CA:
        case X509_V_ERR_PATH_LENGTH_EXCEEDED:
        case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
                return TLS_FAULT_NOT_AN_AUTHORITY;
        default:
                return TLS_FAULT_OTHER;
        }
}

static void
write_name(char *text, size_t room, X509_NAME *name)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *bytes;

        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
        long len = BIO_get_mem_data(bio, &bytes);
        snprintf(text, room, "%.*s", (int)len, bytes);
        BIO_free(bio);
}

static void
write_subject(char *text, size_t room, X509 *certificate)
{
        write_name(text, room, X509_get_subject_name(certificate));
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
                peer->has_server_names = true;
                add_name(peer, names, arena, TLS_NAME_DNS, name->d.dNSName);
        } else if (name->type == GEN_URI) {
                add_name(peer, names, arena, TLS_NAME_URI, name->d.uniformResourceIdentifier);
        } else if (name->type == GEN_OTHERNAME) {
                const ASN1_TYPE *value = name->d.otherName->value;
                int nid = OBJ_obj2nid(name->d.otherName->type_id);
                peer->has_server_names = peer->has_server_names || nid == NID_XmppAddr || nid == NID_SRVName;
                if (nid == NID_XmppAddr && value->type == V_ASN1_UTF8STRING)
                        add_name(peer, names, arena, TLS_NAME_XMPP_ADDR, value->value.utf8string);
                else if (nid == NID_SRVName && value->type == V_ASN1_IA5STRING)
                        add_name(peer, names, arena, TLS_NAME_SRV, value->value.ia5string);
        }
}

static void
read_names(struct tls_peer *peer, struct arena *arena, X509 *certificate)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        GENERAL_NAMES *others = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
        int most = X509_NAME_entry_count(subject) + (others != NULL ? sk_GENERAL_NAME_num(others) : 0);
        struct tls_name *names = arena_alloc(arena, (size_t)(most < NAMES_MAX ? most : NAMES_MAX) * sizeof(*names));

        for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
                add_name(peer, names, arena, TLS_NAME_CN, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        for (int i = 0; others != NULL && i < sk_GENERAL_NAME_num(others); i++)
                add_general_name(peer, names, arena, sk_GENERAL_NAME_value(others, i));
        GENERAL_NAMES_free(others);
        peer->names = names;
}

static int64_t
seconds_of(const ASN1_TIME *time)
{
        struct tm tm;

        return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static const char *
name_in(struct arena *arena, X509_NAME *name)
{
        char text[160];

        write_name(text, sizeof(text), name);
        return arena_strdup(arena, text);
}

static void
read_link(struct tls_link *link, struct arena *arena, X509 *certificate, int error)
{
        char text[160];

        link->subject = name_in(arena, X509_get_subject_name(certificate));
        link->issuer = name_in(arena, X509_get_issuer_name(certificate));
        link->not_before = seconds_of(X509_get0_notBefore(certificate));
        link->not_after = seconds_of(X509_get0_notAfter(certificate));
        link->fault = fault_of(error);
        if (error == X509_V_OK)
                return;
        tls_explain_verify(text, sizeof(text), error, certificate);
        link->problem = arena_strdup(arena, text);
}

/* The chain as it was verified, which has the root too; where none was built, as it was shown. */
static void
read_chain(
        struct tls_peer *peer, struct arena *arena, STACK_OF(X509) * chain, X509 *certificate, const struct tls_findings *findings)
{
        int count = chain == NULL ? 0 : sk_X509_num(chain);

        if (count > TLS_CHAIN_MAX)
                count = TLS_CHAIN_MAX;
        struct tls_link *links = arena_alloc(arena, (size_t)(count > 0 ? count : 1) * sizeof(*links));
        for (int i = 0; i < count; i++)
                read_link(&links[i], arena, sk_X509_value(chain, i), findings->errors[i]);
        if (count == 0)
                read_link(&links[count++], arena, certificate, findings->error);
        peer->chain = links;
        peer->chain_count = (size_t)count;
        peer->not_after = links[0].not_after;
        for (int i = 1; i < count; i++)
                if (links[i].not_after < peer->not_after)
                        peer->not_after = links[i].not_after;
}

void
tls_peer_describe(
        struct tls_peer *peer, struct arena *arena, STACK_OF(X509) * chain, X509 *certificate, const struct tls_findings *findings)
{
        peer->has_certificate = true;
        peer->is_for_servers =
                chain != NULL ? tls_chain_is_for_servers(chain) : X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) == 1;
        write_subject(peer->subject, sizeof(peer->subject), certificate);
        X509_digest(certificate, EVP_sha256(), peer->digest, NULL);
        read_names(peer, arena, certificate);
        read_chain(peer, arena, chain, certificate, findings);
}

void
tls_peer_read(struct tls_peer *peer, struct arena *arena, SSL *ssl, const struct tls_findings *findings)
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
                peer->fault = TLS_FAULT_NO_CERTIFICATE;
                return;
        }
        peer->valid = findings->problem == NULL && SSL_get_verify_result(ssl) == X509_V_OK;
        peer->fault = fault_of(findings->problem != NULL ? findings->error : (int)SSL_get_verify_result(ssl));
        if (findings->problem != NULL)
                snprintf(peer->problem, sizeof(peer->problem), "%s", findings->problem);
        else if (!peer->valid)
                tls_explain_verify(peer->problem, sizeof(peer->problem), (int)SSL_get_verify_result(ssl), certificate);
        peer->expired = SSL_get_verify_result(ssl) == X509_V_ERR_CERT_HAS_EXPIRED;
        tls_peer_describe(peer, arena, SSL_get0_verified_chain(ssl), certificate, findings);
}
