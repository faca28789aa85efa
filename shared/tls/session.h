/* session.h - TLS of one connection over memory: bytes in, bytes out, no descriptor
 *
 * The caller lends the session what it has read (tls_session_feed) and takes what must be sent from the buffer it names in each call. A session
 * belongs to no thread: it may be used by one after the other. Between two calls it holds no buffers beyond a record that is incomplete.
 */
#ifndef SHARED_TLS_SESSION_H
#define SHARED_TLS_SESSION_H

#include "shared/base/buf.h"
#include "shared/tls/context.h"
#include "shared/tls/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_session;

/* name: SNI as client; as server the name that the client has said in clear text, for one that sends no SNI; NULL: none. Holds a reference on the context. */
struct tls_session *tls_session_new(struct tls_context *context, enum tls_side side, const char *name);
void tls_session_free(struct tls_session **session);

/* Before the first byte is fed: no record, and no ClientHello, may be longer; none is read behind one that
 * is. 0, at any time: as long as TLS lets it. */
void tls_session_bound(struct tls_session *session, size_t bytes);
bool tls_session_is_beyond(const struct tls_session *session); /* such a record came */

/* Lends bytes from the wire until tls_session_settle, which keeps a copy of what has not been used by then. */
void tls_session_feed(struct tls_session *session, const void *bytes, size_t len);
void tls_session_settle(struct tls_session *session);
/* Reading would give nothing, not even an end, before more is fed. */
bool tls_session_is_drained(const struct tls_session *session);

enum tls_progress { TLS_MORE, TLS_DONE, TLS_FAILED };
/* Goes on with the handshake; appends what must be sent to wire, also when it failed (the alert). TLS_FAILED: tls_session_problem says why. */
enum tls_progress tls_session_handshake(struct tls_session *session, struct buf *wire);
bool tls_session_is_established(const struct tls_session *session);

/* After the handshake: bytes decrypted; 0: needs more from the wire; -1: the other side has ended it or it failed (tls_session_problem). */
ssize_t tls_session_read(struct tls_session *session, void *out, size_t room, struct buf *wire);
/* Encrypts all bytes onto wire. False: failed. */
bool tls_session_write(struct tls_session *session, const void *bytes, size_t len, struct buf *wire);
/* Appends close_notify, once. */
void tls_session_close(struct tls_session *session, struct buf *wire);

/* A sentence; "closed by peer" after an orderly end. */
const char *tls_session_problem(const struct tls_session *session);
/* It failed because the other side would not have our certificate, and has said so by an alert (RFC 8446 6.2). */
bool tls_session_is_refused(const struct tls_session *session);
/* The handshake failed because the two sides have no version, no cipher or no strength of keys and signatures in common, whichever of them
 * has found it out: other settings on one side would help. */
bool tls_session_is_unlike(const struct tls_session *session);
/* Server: the handshake failed because the client has shown no certificate, where one is required. */
bool tls_session_is_unproven(const struct tls_session *session);
/* What the other side has sent is no TLS at all. */
bool tls_session_is_clear(const struct tls_session *session);
/* Did an earlier session's keys save the key exchange (1.2) or the proof of the certificate (1.3)? */
bool tls_session_is_resumed(const struct tls_session *session);
/* "TLSv1.3"; without the cost of tls_session_peer. */
const char *tls_session_version(const struct tls_session *session);
bool tls_session_shows(const struct tls_session *session, const char *dns_name); /* does our own certificate cover it? */
bool tls_session_asks(const struct tls_session *session);                        /* server: was a certificate asked for? */
bool tls_session_has_certificate(const struct tls_session *session);             /* did the other side show one? Likewise cheap */
/* Made at the first call after the handshake, then kept. */
const struct tls_peer *tls_session_peer(struct tls_session *session);
/* Gives its memory back until somebody asks again; what tls_session_peer has returned is no longer there. */
void tls_session_forget_peer(struct tls_session *session);

/* Channel bindings. tls-exporter (RFC 9266): 32 bytes; false where it does not bind (before TLS 1.3 without extended master secret). */
bool tls_session_exporter(struct tls_session *session, unsigned char out[32]);
/* tls-server-end-point (RFC 5929, 4): the digest of the server's certificate; out has 64 bytes; 0: undefined for this certificate. */
size_t tls_session_end_point(struct tls_session *session, unsigned char out[64]);
/* tls-unique (RFC 5929, 3): the first Finished; out has 64 bytes; 0: not to be had. Defined up to TLS 1.2: do not offer it above. */
size_t tls_session_unique(struct tls_session *session, unsigned char out[64]);

#endif
