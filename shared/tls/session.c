/*
 * session.c - TLS of one connection over memory
 *
 * Instead of two memory BIOs with buffers of their own, one small BIO reads from the bytes the caller lends and writes to the buffer the caller
 * names: nothing is copied twice, and an idle session holds nothing but libssl's own state.
 */
#include "shared/tls/session.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/tls/tls_private.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct tls_session {
        SSL *ssl;
        struct tls_context *context;
        struct tls_findings findings;
        const char *in; /* lent, or the bytes of kept */
        size_t in_len;
        struct buf kept;
        struct buf *wire;    /* during a call */
        struct arena *arena; /* of peer */
        struct tls_peer *peer;
        char *problem;
        bool established, failed, close_sent;
        bool is_refused;  /* an alert came about our certificate */
        bool is_unlike;   /* no version, cipher or strength in common */
        bool is_clear;    /* no TLS came */
        bool is_unproven; /* no certificate came, and one is required */
        /* What a stranger may make libssl hold. */
        unsigned short bound; /* of a record; 0: TLS's own */
        size_t left;          /* bytes of the record that libssl reads */
        bool was_changed;     /* the cipher, so what looks like a handshake message may be encrypted */
        bool is_beyond;
};

static BIO_METHOD *lent_bytes;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
set_problem(struct tls_session *session, const char *text)
{
        if (session->problem == NULL)
                session->problem = mem_strdup(text);
}

enum { RECORD = 5, CHANGE_CIPHER = 20, HANDSHAKE = 22, CLIENT_HELLO = 1 };

/* libssl makes room for a whole ClientHello as soon as it knows its length, which may be 128 KiB. */
static bool
is_long_hello(const struct tls_session *session, const unsigned char *record, size_t len)
{
        bool is_clear = !session->was_changed || SSL_version(session->ssl) == TLS1_3_VERSION;
        const unsigned char *message = record + RECORD;

        if (session->established || !is_clear || record[0] != HANDSHAKE)
                return false;
        if (len < 4) /* nobody cuts there but to hide the length */
                return true;
        if (message[0] != CLIENT_HELLO)
                return false;
        return ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]) > session->bound;
}

/* Is there something for libssl to read? Of a stranger it gets whole records only: what it holds of one costs 16 KiB, here its bytes. */
static bool
has_record(struct tls_session *session)
{
        const unsigned char *record = (const unsigned char *)session->in;

        if (session->bound == 0 || session->left > 0)
                return session->in_len > 0;
        if (session->in_len < RECORD)
                return false;
        size_t len = (size_t)record[3] << 8 | record[4];
        session->is_beyond = len > session->bound;
        if (session->is_beyond || session->in_len < RECORD + len)
                return false;
        session->is_beyond = is_long_hello(session, record, len);
        if (session->is_beyond)
                return false;
        session->was_changed = session->was_changed || record[0] == CHANGE_CIPHER;
        session->left = RECORD + len;
        return true;
}

static int
read_lent(BIO *bio, char *out, int room)
{
        struct tls_session *session = BIO_get_data(bio);
        size_t len = session->in_len < (size_t)room ? session->in_len : (size_t)room;

        BIO_clear_retry_flags(bio);
        if (!has_record(session)) {
                BIO_set_retry_read(bio);
                return -1;
        }
        if (session->left > 0) {
                len = len < session->left ? len : session->left;
                session->left -= len;
        }
        memcpy(out, session->in, len);
        session->in += len;
        session->in_len -= len;
        return (int)len;
}

static int
write_wire(BIO *bio, const char *bytes, int len)
{
        struct tls_session *session = BIO_get_data(bio);

        BIO_clear_retry_flags(bio);
        must(session->wire != NULL && len >= 0);
        buf_put(session->wire, bytes, (size_t)len);
        return len;
}

static long
control(BIO *bio, int command, long number, void *pointer)
{
        return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static void
make_method(void)
{
        lent_bytes = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lent bytes");
        must(lent_bytes != NULL);
        BIO_meth_set_read(lent_bytes, read_lent);
        BIO_meth_set_write(lent_bytes, write_wire);
        BIO_meth_set_ctrl(lent_bytes, control);
}

struct tls_session *
tls_session_new(struct tls_context *context, enum tls_side side, const char *name)
{
        struct tls_session *session = MEM_NEW(session);

        pthread_once(&once, make_method);
        ERR_clear_error();
        session->context = tls_context_ref(context);
        session->ssl = SSL_new(tls_context_ssl(context));
        BIO *bio = BIO_new(lent_bytes);
        must(session->ssl != NULL && bio != NULL);
        BIO_set_data(bio, session);
        BIO_set_init(bio, 1);
        SSL_set_bio(session->ssl, bio, bio);
        SSL_set_app_data(session->ssl, &session->findings);
        if (side == TLS_SERVER) {
                SSL_set_accept_state(session->ssl);
                tls_context_choose(context, session->ssl, name);
        } else {
                SSL_set_connect_state(session->ssl);
        }
        if (side == TLS_CLIENT && name != NULL)
                SSL_set_tlsext_host_name(session->ssl, name);
        return session;
}

void
tls_session_free(struct tls_session **where)
{
        struct tls_session *session = *where;

        if (session == NULL)
                return;
        SSL_free(session->ssl);
        tls_context_unref(&session->context);
        buf_free(&session->kept);
        mem_free(session->findings.problem);
        mem_free(session->problem);
        tls_session_forget_peer(session);
        mem_free(session);
        *where = NULL;
}

void
tls_session_bound(struct tls_session *session, size_t bytes)
{
        must(bytes <= UINT16_MAX);
        session->bound = (unsigned short)bytes;
        if (bytes == 0)
                session->is_beyond = false;
}

void
tls_session_feed(struct tls_session *session, const void *bytes, size_t len)
{
        if (session->in_len == 0) {
                session->in = bytes;
                session->in_len = len;
                return;
        }
        must(session->in == buf_data(&session->kept));
        buf_put(&session->kept, bytes, len);
        session->in = buf_data(&session->kept);
        session->in_len = session->kept.len;
}

void
tls_session_settle(struct tls_session *session)
{
        if (session->in_len == 0) {
                buf_free(&session->kept);
                session->in = NULL;
                return;
        }
        if (session->kept.len > 0) {
                buf_drop(&session->kept, session->kept.len - session->in_len);
        } else {
                buf_put(&session->kept, session->in, session->in_len);
        }
        session->in = buf_data(&session->kept);
}

bool
tls_session_is_drained(const struct tls_session *session)
{
        /* Libssl never reads beyond a record. */
        return session->in_len == 0 && session->problem == NULL && SSL_pending(session->ssl) == 0;
}

/* SSL_get_error wants an empty queue; emptying one that is empty costs more than looking. */
static void
forget_errors(void)
{
        if (ERR_peek_error() != 0)
                ERR_clear_error();
}

/* Libssl reports an alert of the other side as a reason: its number and an offset. */
static bool
is_about_our_certificate(unsigned long error)
{
        if (ERR_GET_LIB(error) != ERR_LIB_SSL)
                return false;
        switch (ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET) {
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_REVOKED:
        case SSL_AD_CERTIFICATE_EXPIRED:
        case SSL_AD_CERTIFICATE_UNKNOWN:
        case SSL_AD_UNKNOWN_CA:
        case SSL_AD_CERTIFICATE_REQUIRED:
                return true;
        default:
                return false;
        }
}

/* An alert of the other side about what we offer, or what libssl says about what it offers. */
static bool
is_about_rules(unsigned long error)
{
        static const int reasons[] = { SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_VERSION_TOO_LOW,
                SSL_R_NO_SHARED_CIPHER, SSL_R_NO_CIPHERS_AVAILABLE, SSL_R_UNKNOWN_CIPHER_RETURNED, SSL_R_WRONG_CIPHER_RETURNED,
                SSL_R_DH_KEY_TOO_SMALL, SSL_R_EE_KEY_TOO_SMALL, SSL_R_CA_KEY_TOO_SMALL, SSL_R_CA_MD_TOO_WEAK,
                SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_WRONG_SIGNATURE_TYPE,
                SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED, SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED,
                SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE };

        for (size_t i = 0; i < array_len(reasons); i++)
                if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reasons[i])
                        return true;
        return false;
}

static bool
is_about_no_tls(unsigned long error)
{
        int reason = ERR_GET_REASON(error);

        return ERR_GET_LIB(error) == ERR_LIB_SSL &&
                (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST ||
                        reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_RECORD_TOO_SMALL);
}

static void
fail(struct tls_session *session)
{
        char why[160], text[200];

        session->is_refused = is_about_our_certificate(ERR_peek_error());
        session->is_unlike = !session->established && is_about_rules(ERR_peek_error());
        session->is_clear = !session->established && is_about_no_tls(ERR_peek_error());
        session->is_unproven = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
                ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
        tls_explain_queue(why, sizeof(why));
        snprintf(text, sizeof(text), "TLS: %s", why);
        set_problem(session, text);
        session->failed = true;
}

static bool
tell_beyond(struct tls_session *session)
{
        if (session->is_beyond)
                set_problem(session, "TLS: a record is too long for a client that has not signed in");
        return session->is_beyond;
}

bool
tls_session_is_beyond(const struct tls_session *session)
{
        return session->is_beyond;
}

enum tls_progress
tls_session_handshake(struct tls_session *session, struct buf *wire)
{
        must(!session->established);
        if (session->problem != NULL)
                return TLS_FAILED;
        /* What libssl needs for a handshake, 30 KiB, is not taken before there is something to begin it with. */
        if (session->bound > 0 && !has_record(session))
                return tell_beyond(session) ? TLS_FAILED : TLS_MORE;
        forget_errors();
        session->wire = wire;
        int answer = SSL_do_handshake(session->ssl);
        session->wire = NULL;
        if (answer == 1) {
                session->established = true;
                return TLS_DONE;
        }
        if (SSL_get_error(session->ssl, answer) == SSL_ERROR_WANT_READ)
                return tell_beyond(session) ? TLS_FAILED : TLS_MORE;
        fail(session);
        return TLS_FAILED;
}

bool
tls_session_is_established(const struct tls_session *session)
{
        return session->established;
}

ssize_t
tls_session_read(struct tls_session *session, void *out, size_t room, struct buf *wire)
{
        size_t total = 0, len;
        int error = SSL_ERROR_NONE;

        must(session->established);
        if (session->problem != NULL)
                return -1;
        session->wire = wire;
        while (total < room) {
                forget_errors();
                if (SSL_read_ex(session->ssl, (char *)out + total, room - total, &len) != 1) {
                        error = SSL_get_error(session->ssl, 0);
                        break;
                }
                total += len;
                /* Asking once more would only make libssl take a buffer and give it back. */
                if (tls_session_is_drained(session))
                        break;
        }
        session->wire = NULL;
        if (error == SSL_ERROR_NONE || error == SSL_ERROR_WANT_READ)
                return total == 0 && tell_beyond(session) ? -1 : (ssize_t)total;
        if (error == SSL_ERROR_ZERO_RETURN)
                set_problem(session, "closed by peer");
        else
                fail(session);
        return total > 0 ? (ssize_t)total : -1;
}

bool
tls_session_write(struct tls_session *session, const void *bytes, size_t len, struct buf *wire)
{
        const char *at = bytes;
        size_t written;

        must(session->established);
        if (session->failed)
                return false;
        session->wire = wire;
        while (len > 0) {
                forget_errors();
                if (SSL_write_ex(session->ssl, at, len, &written) != 1) {
                        fail(session);
                        break;
                }
                at += written;
                len -= written;
        }
        session->wire = NULL;
        return len == 0;
}

void
tls_session_close(struct tls_session *session, struct buf *wire)
{
        /* After a failure the alert has said it all. */
        if (!session->established || session->close_sent || session->failed)
                return;
        session->close_sent = true;
        forget_errors();
        session->wire = wire;
        SSL_shutdown(session->ssl);
        session->wire = NULL;
        forget_errors();
}

bool
tls_session_is_refused(const struct tls_session *session)
{
        return session->is_refused;
}

bool
tls_session_is_unlike(const struct tls_session *session)
{
        return session->is_unlike;
}

bool
tls_session_is_unproven(const struct tls_session *session)
{
        return session->is_unproven;
}

bool
tls_session_is_clear(const struct tls_session *session)
{
        return session->is_clear;
}

const char *
tls_session_problem(const struct tls_session *session)
{
        return session->problem != NULL ? session->problem : "";
}

const char *
tls_session_version(const struct tls_session *session)
{
        return SSL_get_version(session->ssl);
}

bool
tls_session_shows(const struct tls_session *session, const char *dns_name)
{
        X509 *certificate = SSL_get_certificate(session->ssl);

        return certificate != NULL && tls_names_host(certificate, dns_name);
}

bool
tls_session_is_resumed(const struct tls_session *session)
{
        return SSL_session_reused(session->ssl) == 1;
}

bool
tls_session_asks(const struct tls_session *session)
{
        return (SSL_get_verify_mode(session->ssl) & SSL_VERIFY_PEER) != 0;
}

bool
tls_session_has_certificate(const struct tls_session *session)
{
        return SSL_get0_peer_certificate(session->ssl) != NULL;
}

const struct tls_peer *
tls_session_peer(struct tls_session *session)
{
        if (!session->established)
                return NULL;
        if (session->peer == NULL) {
                session->peer = MEM_NEW(session->peer);
                session->arena = arena_new(256);
                tls_peer_read(session->peer, session->arena, session->ssl, &session->findings);
        }
        return session->peer;
}

void
tls_session_forget_peer(struct tls_session *session)
{
        mem_free(session->peer);
        session->peer = NULL;
        if (session->arena != NULL)
                arena_free(&session->arena);
}

bool
tls_session_exporter(struct tls_session *session, unsigned char out[32])
{
        static const char label[] = "EXPORTER-Channel-Binding";

        if (!session->established || (SSL_version(session->ssl) < TLS1_3_VERSION && SSL_get_extms_support(session->ssl) != 1))
                return false;
        forget_errors();
        /* An empty context is not the same as none before TLS 1.3; RFC 9266 wants the empty one. */
        return SSL_export_keying_material(session->ssl, out, 32, label, sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1;
}

size_t
tls_session_end_point(struct tls_session *session, unsigned char out[64])
{
        X509 *certificate =
                SSL_is_server(session->ssl) ? SSL_get_certificate(session->ssl) : SSL_get0_peer_certificate(session->ssl);
        int hash = NID_undef;
        unsigned len = 0;

        forget_errors();
        if (certificate == NULL || X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
                return 0; /* Ed25519 names no hash, so the binding is undefined */
        if (hash == NID_md5 || hash == NID_sha1)
                hash = NID_sha256;
        const EVP_MD *digest = EVP_get_digestbynid(hash);
        if (digest == NULL || EVP_MD_get_size(digest) > 64 || X509_digest(certificate, digest, out, &len) != 1)
                return 0;
        return len;
}

size_t
tls_session_unique(struct tls_session *session, unsigned char out[64])
{
        if (!session->established)
                return 0;
        /* The first Finished of a full handshake is the client's, of a resumed one the server's. */
        bool is_mine = (SSL_is_server(session->ssl) == 1) == (SSL_session_reused(session->ssl) == 1);
        size_t len = is_mine ? SSL_get_finished(session->ssl, out, 64) : SSL_get_peer_finished(session->ssl, out, 64);
        return len <= 64 ? len : 0;
}
