/*
 * context.c - certificate, key, trust and rules for TLS connections
 */
#include "shared/tls/context.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/tls/tls_private.h"

#include <ctype.h>
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct tls_context {
        SSL_CTX *ssl;
        X509 *certificate; /* borrowed from ssl; NULL: none */
        struct map *names; /* SNI name -> struct tls_context, each value referenced once per name; NULL: none */
        unsigned char alpn[128];
        unsigned alpn_len;
        atomic_uint refs;
};

SSL_CTX *
tls_context_ssl(struct tls_context *context)
{
        return context->ssl;
}

void
tls_explain_queue(char *text, size_t room)
{
        const char *reason = ERR_reason_error_string(ERR_peek_error());

        snprintf(text, room, "%s", reason != NULL ? reason : "no reason given");
        ERR_clear_error();
}

static int
refuse_password(char *out, int size, int writing, void *unused)
{
        return 0;
}

static int
fail_on_file(struct err *err, const char *path, const char *what)
{
        char why[160];

        tls_explain_queue(why, sizeof(why));
        return err_set(err, "%s: %s: %s", path, what, why);
}

static int
check_dates(const char *path, X509 *certificate, struct err *err)
{
        char text[160];

        if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
                tls_explain_verify(text, sizeof(text), X509_V_ERR_CERT_HAS_EXPIRED, certificate);
                return err_set(err, "%s: the certificate has %s", path, text);
        }
        if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
                return err_set(err, "%s: the certificate is not valid yet", path);
        return 0;
}

/* The file is looked at first, because libssl's own sentence for a missing one names a function. */
static int
check_readable(const char *path, struct err *err)
{
        FILE *file = fopen(path, "re");

        if (file == NULL)
                return err_set(err, "%s: %m", path);
        fclose(file);
        return 0;
}

static int
load_certificate(SSL_CTX *ssl, const char *certificate, const char *key, struct err *err)
{
        if (key == NULL)
                key = certificate;
        if (check_readable(certificate, err) < 0 || check_readable(key, err) < 0)
                return -1;
        ERR_clear_error();
        SSL_CTX_set_default_passwd_cb(ssl, refuse_password);
        if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1)
                return fail_on_file(err, certificate, "no usable certificate in it");
        if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1) {
                if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                        ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
                        return fail_on_file(err, key, "the private key belongs to another certificate");
                return fail_on_file(err, key, "no usable private key in it (it must not be protected by a password)");
        }
        if (SSL_CTX_check_private_key(ssl) != 1)
                return fail_on_file(err, key, "the private key belongs to another certificate");
        return check_dates(certificate, SSL_CTX_get0_certificate(ssl), err);
}

/* OpenSSL finds certificates in a directory by hashed names only; people just put files there. */
static int
trust_directory(SSL_CTX *ssl, const char *path, struct err *err)
{
        char file[4096];
        bool hashed = false;
        DIR *dir = opendir(path);

        if (dir == NULL)
                return err_set(err, "%s: %m", path);
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
                hashed = hashed ||
                        (strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.' &&
                                isdigit((unsigned char)entry->d_name[9]));
        rewinddir(dir);
        for (struct dirent *entry; !hashed && (entry = readdir(dir)) != NULL;) {
                snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
                if (entry->d_name[0] != '.' && SSL_CTX_load_verify_file(ssl, file) != 1)
                        ERR_clear_error(); /* a README or the like */
        }
        closedir(dir);
        if (hashed && SSL_CTX_load_verify_dir(ssl, path) != 1)
                return fail_on_file(err, path, "cannot be used as trust");
        return 0;
}

static int
load_trust(SSL_CTX *ssl, const char *path, struct err *err)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return err_set(err, "%s: %m", path);
        if (S_ISDIR(st.st_mode))
                return trust_directory(ssl, path, err);
        if (SSL_CTX_load_verify_file(ssl, path) != 1)
                return fail_on_file(err, path, "no certificate in it");
        return 0;
}

/* A client with several certificates sees which one is wanted (RFC 8446, 4.2.4). For a directory the list would be too long. */
static void
name_authorities(SSL_CTX *ssl, const char *path)
{
        struct stat st;

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(path));
        ERR_clear_error();
}

static int
version_of(const char *text)
{
        static const struct {
                const char *text;
                int version;
        } versions[] = { { "1.0", TLS1_VERSION }, { "1.1", TLS1_1_VERSION }, { "1.2", TLS1_2_VERSION }, { "1.3", TLS1_3_VERSION } };

        for (size_t i = 0; i < array_len(versions); i++)
                if (strcmp(versions[i].text, text) == 0)
                        return versions[i].version;
        return -1;
}

static int
set_versions(SSL_CTX *ssl, const struct tls_options *options, struct err *err)
{
        int min = version_of(options->min_version != NULL ? options->min_version : "1.2");
        int max = options->max_version != NULL ? version_of(options->max_version) : TLS1_3_VERSION;
        const char *ciphers = options->ciphers;

        if (min < 0 || max < 0)
                return err_set(err, "%s: not a TLS version: expected 1.0, 1.1, 1.2 or 1.3",
                        min < 0 ? options->min_version : options->max_version);
        if (min > max)
                return err_set(err, "the lowest TLS version is above the highest");
        SSL_CTX_set_min_proto_version(ssl, min);
        SSL_CTX_set_max_proto_version(ssl, max);
        /* COMPAT: OCS 2007 and early Lync speak TLS 1.0, which OpenSSL 3 allows at security level 0 only. */
        if (ciphers == NULL && min < TLS1_2_VERSION)
                ciphers = "DEFAULT@SECLEVEL=0";
        if (ciphers != NULL && ciphers[0] != '\0' && SSL_CTX_set_cipher_list(ssl, ciphers) != 1) {
                ERR_clear_error();
                return err_set(err, "\"%s\": no cipher that this OpenSSL knows", ciphers);
        }
        return 0;
}

bool
tls_chain_is_for_servers(STACK_OF(X509) * chain)
{
        /* Anything but 0 for those above: how an old root without basic constraints says that it is an authority. */
        for (int i = 0; i < sk_X509_num(chain); i++)
                if (X509_check_purpose(sk_X509_value(chain, i), X509_PURPOSE_SSL_SERVER, i > 0) == 0)
                        return false;
        return sk_X509_num(chain) > 0;
}

/* The owner decides what an invalid certificate means, so the handshake goes on; the first thing wrong is the one to tell. */
static int
note_problem(int good, X509_STORE_CTX *store)
{
        SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct tls_findings *findings = SSL_get_app_data(ssl);
        X509 *certificate = X509_STORE_CTX_get_current_cert(store);
        int error = X509_STORE_CTX_get_error(store);
        char text[160];

        if (good)
                return 1;
        /* COMPAT: public authorities no longer issue clientAuth, and their intermediates are for servers alone as well; a server's certificate
         * proves its name on outgoing connections too. All of the chain has to be for that, and what was wrong before stays wrong. */
        if (error == X509_V_ERR_INVALID_PURPOSE && SSL_is_server(ssl) &&
                tls_chain_is_for_servers(X509_STORE_CTX_get0_chain(store))) {
                X509_STORE_CTX_set_error(store, findings != NULL ? findings->error : X509_V_OK);
                return 1;
        }
        if (findings == NULL)
                return 1;
        int depth = X509_STORE_CTX_get_error_depth(store);
        if (depth >= 0 && depth < TLS_CHAIN_MAX && findings->errors[depth] == X509_V_OK)
                findings->errors[depth] = (short)error;
        if (findings->problem == NULL) {
                tls_explain_verify(text, sizeof(text), error, certificate);
                findings->problem = mem_strdup(text);
                findings->error = error;
        }
        return 1;
}

/* A name that nobody has put in: another name of a certificate that is there. Rare enough to look through them all. */
static struct tls_context *
find_covering(const struct tls_context *context, const char *name)
{
        size_t at = 0;

        if (tls_context_covers(context, name))
                return NULL; /* its own */
        for (struct tls_context *other; (other = map_next(context->names, &at)) != NULL;)
                if (tls_context_covers(other, name))
                        return other;
        return NULL;
}

void
tls_context_choose(struct tls_context *context, SSL *ssl, const char *name)
{
        struct tls_context *other = NULL;
        char lower[256], *dot;

        if (name == NULL || strlen(name) >= sizeof(lower) || context->names == NULL)
                return;
        for (size_t i = 0; i <= strlen(name); i++)
                lower[i] = (char)tolower((unsigned char)name[i]);
        other = map_get_str(context->names, lower);
        if (other == NULL && (dot = strchr(lower, '.')) != NULL && dot > lower) {
                char before = dot[-1];
                dot[-1] = '*';
                other = map_get_str(context->names, dot - 1);
                dot[-1] = before;
        }
        if (other == NULL)
                other = find_covering(context, lower);
        if (other != NULL)
                SSL_set_SSL_CTX(ssl, other->ssl);
}

static int
choose_by_sni(SSL *ssl, int *alert, void *arg)
{
        tls_context_choose(arg, ssl, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
        return SSL_TLSEXT_ERR_OK;
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
        struct tls_context *context = arg;

        /* Something else than XMPP on the other side (RFC 7301, 3.2) is not to be talked into a session here. */
        if (SSL_select_next_proto((unsigned char **)out, out_len, context->alpn, context->alpn_len, in, in_len) !=
                OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        return SSL_TLSEXT_ERR_OK;
}

static void
set_alpn(struct tls_context *context, enum tls_side side, const char *const *names)
{
        for (; *names != NULL; names++) {
                size_t len = strlen(*names);
                must(len > 0 && len < 64 && context->alpn_len + 1 + len <= sizeof(context->alpn));
                context->alpn[context->alpn_len++] = (unsigned char)len;
                memcpy(context->alpn + context->alpn_len, *names, len);
                context->alpn_len += (unsigned)len;
        }
        if (side == TLS_SERVER)
                SSL_CTX_set_alpn_select_cb(context->ssl, choose_protocol, context);
        else
                SSL_CTX_set_alpn_protos(context->ssl, context->alpn, context->alpn_len);
}

static void
set_manners(SSL_CTX *ssl, const struct tls_options *options)
{
        /* RFC 8446, 9.1: the first is the one that everybody has. It costs half of the next in a handshake, since processors know SHA-256. */
        static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
        uint64_t flags = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF;

        if (!options->empty_fragments)
                flags |= SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS;
        SSL_CTX_set_options(ssl, flags);
        SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(ssl, 0);
        must(SSL_CTX_set_ciphersuites(ssl, suites) == 1);
}

static void
set_verification(SSL_CTX *ssl, enum tls_side side, enum tls_ask ask)
{
        int mode = SSL_VERIFY_NONE;

        if (side == TLS_CLIENT || ask != TLS_ASK_NONE)
                mode = SSL_VERIFY_PEER;
        if (side == TLS_SERVER && ask == TLS_ASK_REQUIRED)
                mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        SSL_CTX_set_verify(ssl, mode, note_problem);
        /* A stranger may show a hundred certificates; no more signatures are checked than a chain can have links that we tell of. */
        SSL_CTX_set_verify_depth(ssl, TLS_CHAIN_MAX - 2);
        /* A peer's self-signed or intermediate certificate in the trust is enough: the administrator has put it there. */
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
}

struct tls_context *
tls_context_new(enum tls_side side, const struct tls_options *options, struct err *err)
{
        struct tls_context *context = MEM_NEW(context);

        atomic_init(&context->refs, 1);
        ERR_clear_error();
        context->ssl = SSL_CTX_new(side == TLS_SERVER ? TLS_server_method() : TLS_client_method());
        must(context->ssl != NULL);
        set_manners(context->ssl, options);
        if (set_versions(context->ssl, options, err) < 0)
                goto out;
        if (options->certificate != NULL && load_certificate(context->ssl, options->certificate, options->key, err) < 0)
                goto out;
        if (options->trust != NULL && load_trust(context->ssl, options->trust, err) < 0)
                goto out;
        if (options->trust_of != NULL)
                SSL_CTX_set1_cert_store(context->ssl, SSL_CTX_get_cert_store(options->trust_of->ssl));
        if (side == TLS_SERVER && options->ask != TLS_ASK_NONE && options->trust != NULL)
                name_authorities(context->ssl, options->trust);
        context->certificate = SSL_CTX_get0_certificate(context->ssl);
        set_verification(context->ssl, side, options->ask);
        if (side == TLS_SERVER && options->tickets)
                tls_offer_tickets(context->ssl);
        if (options->alpn != NULL)
                set_alpn(context, side, options->alpn);
        return context;
out:
        ERR_clear_error();
        tls_context_unref(&context);
        return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
        return context;
}

void
tls_context_unref(struct tls_context **where)
{
        struct tls_context *context = *where;

        *where = NULL;
        if (context == NULL || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) > 1)
                return;
        if (context->names != NULL) {
                size_t at = 0;
                for (struct tls_context *other; (other = map_next(context->names, &at)) != NULL;)
                        tls_context_unref(&other);
                map_free(&context->names);
        }
        SSL_CTX_free(context->ssl);
        mem_free(context);
}

void
tls_context_add_name(struct tls_context *context, const char *name, struct tls_context *other)
{
        if (context->names == NULL) {
                context->names = map_new();
                SSL_CTX_set_tlsext_servername_callback(context->ssl, choose_by_sni);
                SSL_CTX_set_tlsext_servername_arg(context->ssl, context);
        }
        struct tls_context *before = map_put_str(context->names, name, tls_context_ref(other));
        tls_context_unref(&before);
}

bool
tls_names_host(X509 *certificate, const char *dns_name)
{
        unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

        return X509_check_host(certificate, dns_name, 0, flags, NULL) == 1;
}

bool
tls_context_covers(const struct tls_context *context, const char *dns_name)
{
        return context->certificate != NULL && tls_names_host(context->certificate, dns_name);
}

bool
tls_context_is_for_clients(const struct tls_context *context)
{
        return context->certificate != NULL && X509_check_purpose(context->certificate, X509_PURPOSE_SSL_CLIENT, 0) == 1;
}

int
tls_check_certificate(const char *certificate, const char *key, struct err *err)
{
        struct tls_options options = { .certificate = certificate, .key = key };
        struct tls_context *context = tls_context_new(TLS_SERVER, &options, err);

        if (context == NULL)
                return -1;
        int fits = X509_check_purpose(context->certificate, X509_PURPOSE_SSL_SERVER, 0);
        tls_context_unref(&context);
        if (fits != 1)
                return err_set(
                        err, "%s: the certificate is not for servers (extended key usage serverAuth is missing)", certificate);
        return 0;
}
