/*
 * certs.c - certificates made for a test
 */
#include "tests/unit/shared/tls/certs.h"

#include "shared/base/panic.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];
static char made[256][200];
static int made_count;

const char *
certs_dir(void)
{
        if (dir[0] == '\0') {
                snprintf(dir, sizeof(dir), "/tmp/certs-XXXXXX");
                must(mkdtemp(dir) != NULL);
        }
        return dir;
}

void
certs_remove(void)
{
        while (made_count > 0)
                unlink(made[--made_count]);
        if (dir[0] != '\0')
                rmdir(dir);
        dir[0] = '\0';
}

static void
extend(X509 *x509, X509V3_CTX *context, int nid, const char *value)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);

        must(extension != NULL);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
}

/* What OpenSSL's notation cannot write. */
static void
add_name(X509 *x509, int type, const char *bytes, int len)
{
        GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *text = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_UTF8STRING);

        ASN1_STRING_set(text, bytes, len);
        if (type == GEN_DNS) {
                GENERAL_NAME_set0_value(name, GEN_DNS, text);
        } else {
                ASN1_TYPE *value = ASN1_TYPE_new();
                ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
                GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_XmppAddr), value);
        }
        sk_GENERAL_NAME_push(names, name);
        must(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1);
        GENERAL_NAMES_free(names);
}

struct cert
cert_make(const struct cert_wish *wish)
{
        static long serial = 1;
        struct cert cert = { .key = EVP_EC_gen("P-256"), .x509 = X509_new() };
        const struct cert *issuer = wish->issuer != NULL ? wish->issuer : &cert;
        int to = wish->from_day == 0 && wish->to_day == 0 ? 365 : wish->to_day;
        X509V3_CTX context;

        X509_set_version(cert.x509, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
        X509_gmtime_adj(X509_getm_notBefore(cert.x509), 86400L * wish->from_day - 60);
        X509_gmtime_adj(X509_getm_notAfter(cert.x509), wish->seconds != 0 ? wish->seconds : 86400L * to);
        X509_NAME_add_entry_by_txt(
                X509_get_subject_name(cert.x509), "CN", MBSTRING_UTF8, (const unsigned char *)wish->name, -1, -1, 0);
        X509_set_pubkey(cert.x509, cert.key);
        X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer->x509));
        X509V3_set_ctx(&context, issuer->x509, cert.x509, NULL, NULL, 0);
        extend(cert.x509, &context, NID_basic_constraints, wish->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
        if (wish->san != NULL)
                extend(cert.x509, &context, NID_subject_alt_name, wish->san);
        if (wish->usage != NULL)
                extend(cert.x509, &context, NID_ext_key_usage, wish->usage);
        if (wish->dns != NULL)
                add_name(cert.x509, GEN_DNS, wish->dns, wish->dns_len);
        if (wish->xmpp_addr != NULL)
                add_name(cert.x509, GEN_OTHERNAME, wish->xmpp_addr, (int)strlen(wish->xmpp_addr));
        EVP_PKEY *other = wish->is_forged ? EVP_EC_gen("P-256") : NULL;
        must(X509_sign(cert.x509, other != NULL ? other : issuer->key, wish->has_weak_signature ? EVP_sha1() : EVP_sha256()) > 0);
        EVP_PKEY_free(other);

        snprintf(cert.path, sizeof(cert.path), "%s/%s.pem", certs_dir(), wish->name);
        must(made_count < (int)(sizeof(made) / sizeof(made[0])));
        snprintf(made[made_count++], sizeof(made[0]), "%s", cert.path);
        FILE *file = fopen(cert.path, "w");
        must(file != NULL);
        PEM_write_X509(file, cert.x509);
        PEM_write_PrivateKey(file, cert.key, NULL, NULL, 0, NULL, NULL);
        fclose(file);
        return cert;
}

void
cert_free(struct cert *cert)
{
        EVP_PKEY_free(cert->key);
        X509_free(cert->x509);
        *cert = (struct cert){ 0 };
}
